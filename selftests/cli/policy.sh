#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=400
#
# "sluice train" and "sluice eval": what is trained can be judged, a training that was killed goes
# on, and models, settings and words that do not fit are refused.

. "$(dirname "$0")/../lib.sh"
require_tool jq
require_build build/sluice
sluice=build/sluice
sizes=$tmpdir/sizes
small="--mixes 5 --epochs 20"
printf '# bytes share\n1000 0\n20000 70\n200000 100\n' > "$sizes"

train() { $sluice train ecn --workload "$sizes" $small "$@" 2>> "$tmpdir/progress"; }

test_train()
{
	local algo

	for algo in tree linear bdp; do
		train --algo $algo -o "$tmpdir/$algo" | grep -q '% over the best thresholds of the 5'
		check_err $? "train $algo"
		[ "$(sed -n 2p "$tmpdir/$algo")" = "kind $algo" ] &&
			sed -n 3p "$tmpdir/$algo" | grep -q "^command sluice train ecn --algo $algo "
		check_err $? "the model does not say what it is"
	done
	train --algo bandit --seeds 3 --steps 400 -o "$tmpdir/bandit" > "$tmpdir/out"
	check_err $? "train bandit"
	[ "$(grep -c '^seed [123]: .* acting greedily$' "$tmpdir/out")" = 3 ] &&
		grep -q 'bandit is the median one' "$tmpdir/out"
	check_err $? "not every seed is reported: $(cat "$tmpdir/out")"
	[ -s "$tmpdir/bandit.seed2.csv" ] && grep -q polyline "$tmpdir/bandit.seed2.svg" &&
		cmp -s "$tmpdir/bandit" "$tmpdir/bandit.seed$(grep -o '[123]$' "$tmpdir/out")"
	check_err $? "no curve, or the model is not the median one"
}

# The same numbers however often, and from however many processes.
test_eval()
{
	local one two small=$small

	one=$($sluice -j eval "$tmpdir/bandit" --workload "$sizes" $small --train-mixes 5 \
		2> "$tmpdir/err")
	check_err $? "eval: $(cat "$tmpdir/err")"
	jq -e '[.rows[] | select(.policy == "oracle, varying")][0].over.mean == 0 and
	       [.rows[] | select(.policy == "bandit")][0].learned and
	       ([.rows[] | select(.over.mean < 0)] | length) <= (.rows | length) / 2 and
	       ([.rows[] | select(.policy | startswith("static "))] | length) == 11' \
		<<< "$one" > /dev/null
	check_err $? "rows are missing or wrong: $(jq -c '[.rows[] | [.policy, .over.mean]]' <<< "$one")"
	small+=" --baseline none --train-mixes 5"
	one=$($sluice eval "$tmpdir/bandit" --workload "$sizes" $small --jobs 1)
	two=$($sluice eval "$tmpdir/bandit" --workload "$sizes" $small --jobs 2)
	[ "$one" = "$two" ]; check_err $? "two processes find other numbers than one"
	grep -q '^bandit ' <<< "$one"; check_err $? "no text: $one"
}

test_gate()
{
	$sluice -j eval --gate --workload "$sizes" $small |
		jq -e '[.rewards[].reward] == ["fct", "acc", "balance", "flows", "wait", "queued", "active"] and
		       ([.rewards[].spearman[] | select(. > 1 or . < -1)] | length) == 0 and
		       ([.rewards[] | select(.reward == "flows")][0].mean > 0.5)' > /dev/null
	check_err $? "the gate"
}

# Eight mixes of one file are one of each kind: the harm to flows with and without ECN is told
# where there are both, and a link trace changes the last one.
test_kinds()
{
	local small="--baseline none --mixes 8 --epochs 20 --train-mixes 1" out

	printf '0 1000\n500 9000\n1000 5000\n' > "$tmpdir/trace"
	out=$($sluice -j eval --workload "$sizes" $small --link-trace "$tmpdir/trace" \
		--train-link-trace "$tmpdir/trace")
	jq -e '[.rows[] | select(.nonecn_slowdown > 1 and .ecn_slowdown > 1)] | length == 2' \
		<<< "$out" > /dev/null
	check_err $? "no slowdowns by traffic: $out"
	[ "$out" != "$($sluice -j eval --workload "$sizes" $small)" ]
	check_err $? "the link trace changes nothing"
	$sluice eval --workload "$sizes" $small | grep -q 'large *ecn nonecn *runs$'
	check_err $? "no columns by traffic"
	! $sluice eval --workload "$sizes" $small --mixes 5 | grep -q nonecn
	check_err $? "columns without such traffic"
	echo junk > "$tmpdir/junk"
	refused "junk:1: neither" eval --workload "$sizes" --link-trace "$tmpdir/junk"
	refused "junk:1: neither" train ecn --link-trace "$tmpdir/junk"
}

# Killed once there is a checkpoint; other settings do not go on from it, the same ones do.
test_resume()
{
	local pid

	train --algo ddqn --steps 4000 -o "$tmpdir/ddqn" &
	pid=$!
	busywait 60000 test -s "$tmpdir/ddqn.checkpoint"
	check_err $? "no checkpoint"
	pkill -KILL -P $pid
	wait $pid 2> /dev/null
	[ ! -e "$tmpdir/ddqn" ]; check_err $? "there is a model of a training that was killed"
	refused "made under other settings" train ecn --algo ddqn --steps 4000 --seed 2 \
		--workload "$sizes" $small -o "$tmpdir/ddqn"
	printf '0 1000\n500 9000\n' > "$tmpdir/trace"
	refused "made under other settings" train ecn --algo ddqn --steps 4000 \
		--link-trace "$tmpdir/trace" --workload "$sizes" $small -o "$tmpdir/ddqn"
	truncate -s -1 "$tmpdir/ddqn.checkpoint"
	refused "not the" train ecn --algo ddqn --steps 4000 --workload "$sizes" $small \
		-o "$tmpdir/ddqn"
}

test_refused()
{
	refused "there is no 'train bush'" train bush
	refused "no --algo given" train ecn --workload "$sizes" -o x
	refused "there is no algorithm 'magic'" train ecn --algo magic
	refused "there is no reward 'fame'" train ecn --reward fame
	refused "no --workload given" train ecn --algo tree -o x
	refused "no -o given" train ecn --algo tree --workload "$sizes"
	refused "No such file" train ecn --workload "$tmpdir/none"
	refused "epochs must be 20 to" train ecn --epochs 3
	refused "there is no option" train ecn --frobnicate
	refused "one word too many" train ecn --algo tree word
	refused "no --workload given" eval
	refused "another --mix-seed" eval --workload "$sizes" --mix-seed 1
	refused "trained on mixes of the same seed" eval "$tmpdir/tree" --workload "$sizes" \
		--mix-seed 1 --train-seed 2
	refused "No such file" eval "$tmpdir/none" --workload "$sizes"
	refused "not a model" eval "$sizes" --workload "$sizes"
	sed 's/kind tree/kind bush/' "$tmpdir/tree" > "$tmpdir/bad"
	refused "damaged" eval "$tmpdir/bad" --workload "$sizes"
	# Of fewer features.
	sed 's/sluice-model 2/sluice-model 1/' "$tmpdir/tree" > "$tmpdir/bad"
	refused "another version; train it again" eval "$tmpdir/bad" --workload "$sizes"
	head -c -3 "$tmpdir/tree" > "$tmpdir/bad"
	refused "bytes long" eval "$tmpdir/bad" --workload "$sizes"
}

run_test test_train "models are made, every seed is reported, curves are drawn"
run_test test_eval "the ladder has its rows, and the same numbers each time"
run_test test_gate "the gate tells rewards apart"
run_test test_kinds "each kind of traffic is told apart, and link traces are used"
run_test test_resume "a training that was killed leaves a checkpoint for its settings only"
run_test test_refused "what does not fit is refused with a sentence"
tap_end
