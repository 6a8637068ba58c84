#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=200
#
# "sluice train steer", "train --offline" and "eval --steer": a steering agent is trained on
# simulated CPUs, agents learn from logs, models are judged, a training that was killed goes on, and
# what does not fit is refused.

. "$(dirname "$0")/../lib.sh"
require_tool jq
require_build build/sluice build/selftests/lab/make_log
sluice=build/sluice
small="--workload zipf,steep --loads 0.6,0.8 --stack-ns 100000"

steer() { $sluice train steer --algo ddqn $small --turn 1 "$@" 2>> "$tmpdir/progress"; }

test_steer()
{
	steer --steps 300 --seeds 3 -o "$tmpdir/steer" > "$tmpdir/out"
	check_err $? "train steer: $(cat "$tmpdir/progress")"
	[ "$(grep -c '^seed [123]: .* acting greedily$' "$tmpdir/out")" = 3 ] &&
		grep -q 'steer is the median one' "$tmpdir/out"
	check_err $? "not every seed is reported: $(cat "$tmpdir/out")"
	[ "$(sed -n 2p "$tmpdir/steer")" = "kind steer" ] && sed -n 3p "$tmpdir/steer" |
		grep -q '^command sluice train steer --algo ddqn --steps 300 .* --seed [123]$'
	check_err $? "the model does not say what it is: $(head -n 3 "$tmpdir/steer")"
	head -n 1 "$tmpdir/steer.seed1.csv" | grep -qx 'episode,reward,regret' &&
		grep -q polyline "$tmpdir/steer.seed1.svg"
	check_err $? "no curve"
	grep -q 'seed 1: [0-9]* of [0-9]* episodes, .* decisions/s, .* left' "$tmpdir/progress"
	check_err $? "no progress: $(cat "$tmpdir/progress")"
}

eval_steer() { $sluice eval --steer "$tmpdir/steer" $small --seconds 1 --seeds 1 "$@"; }

# The same numbers from however many processes; every baseline has a row.
test_eval()
{
	local one two

	one=$(eval_steer -j --tune 2 2> "$tmpdir/err"); check_err $? "eval: $(cat "$tmpdir/err")"
	jq -e '.workloads == 2 and .tuning_workloads == 2 and
	       ([.rows[].policy] | sort) == (["steer", "rss", "static", "random", "p2c", "least",
	        "ewma", "rsspp", "flow_p2c", "flow_least", "oracle"] | sort) and
	       ([.rows[] | select(.learned)] | length) == 1 and
	       ([.rows[] | select(.policy == "oracle")][0].over.mean | fabs) < 1e-9 and
	       ([.rows[].runs | length] | all(. == 2)) and .best.learned == "steer"' \
		<<< "$one" > /dev/null
	check_err $? "rows are missing or wrong: $(jq -c '[.rows[] | [.policy, .over]]' <<< "$one")"
	one=$(eval_steer --baseline none --jobs 1)
	two=$(eval_steer --baseline none --jobs 2)
	[ -n "$one" ] && [ "$one" = "$two" ]; check_err $? "two processes find other numbers"
	grep -q '^steer  ' <<< "$one"; check_err $? "no text: $one"
	refused "was trained on zipf at load 0.8, which is in the test" eval --steer "$tmpdir/steer" \
		--loads 0.8,0.6
}

# Killed once there is a checkpoint; other settings do not go on from it.
test_resume()
{
	local pid go

	go="train steer --algo ddqn $small --turn 1 --steps 100000 -o $tmpdir/long"
	$sluice $go 2> "$tmpdir/progress" > "$tmpdir/out" &
	pid=$!
	busywait 60000 grep -q ' [1-9][0-9]* of ' "$tmpdir/progress"
	check_err $? "no progress"
	busywait 20000 test -s "$tmpdir/long.checkpoint"; check_err $? "no checkpoint"
	pkill -KILL -P $pid
	wait $pid 2> /dev/null
	[ ! -e "$tmpdir/long" ]; check_err $? "there is a model of a training that was killed"
	refused "made under other settings" $go --seed 2
	refused "made under other settings" $go --reward latency
	refused "made under other settings" $go --stale 1
	cp "$tmpdir/long.checkpoint" "$tmpdir/short.checkpoint"
	refused "made under other settings" train steer --algo ddqn $small --turn 1 --steps 300 \
		-o "$tmpdir/short"
	truncate -s -1 "$tmpdir/long.checkpoint"
	refused "not the" $go
}

test_offline()
{
	local log

	for log in ecn steer; do
		build/selftests/lab/make_log $log "$tmpdir/log.$log" 1500; check_err $? "make_log"
	done
	build/selftests/lab/make_log ecn "$tmpdir/log.ecn2" 1500 2
	$sluice train ecn --offline "$tmpdir/log.ecn" "$tmpdir/log.ecn2" --algo cql --steps 1000 \
		-o "$tmpdir/cql" > "$tmpdir/out" 2> "$tmpdir/err"
	check_err $? "train --offline: $(cat "$tmpdir/err")"
	grep -q '^cql: [0-9]* transitions of ecn, 1000 steps, td_loss ' "$tmpdir/out" &&
		grep -q ' kept apart: mean reward .* by importance sampling' "$tmpdir/out"
	check_err $? "what came of it: $(cat "$tmpdir/out")"
	[ "$(sed -n 2p "$tmpdir/cql")" = "kind ddqn" ] &&
		sed -n 3p "$tmpdir/cql" | grep -q 'train ecn --algo cql .* --offline .*log.ecn '
	check_err $? "the model does not say what it is"
	[ "$(wc -l < "$tmpdir/cql.csv")" = 3 ]; check_err $? "no curve"
	printf '1000 0\n20000 70\n200000 100\n' > "$tmpdir/sizes"
	$sluice -j eval "$tmpdir/cql" --workload "$tmpdir/sizes" --mixes 2 --train-mixes 2 \
		--epochs 20 --baseline none 2> "$tmpdir/err" |
		jq -e '[.rows[] | select(.policy == "cql")][0].learned' > /dev/null
	check_err $? "eval does not take the model: $(cat "$tmpdir/err")"
	$sluice train ecn --algo bc --offline "$tmpdir/log.ecn" --steps 200 -o "$tmpdir/bc" \
		> "$tmpdir/out" 2> "$tmpdir/err"
	check_err $? "behaviour cloning"
	$sluice train steer --offline "$tmpdir/log.steer" --algo cql --steps 300 \
		-o "$tmpdir/steer_cql" > "$tmpdir/out" 2> "$tmpdir/err"
	check_err $? "from a log of the steering agent"
	$sluice eval --steer "$tmpdir/steer_cql" $small --seconds 1 --seeds 1 --baseline none |
		grep -q '^steer_cql '
	check_err $? "eval does not take the steering agent"
}

test_refused()
{
	local ecn="train ecn --algo cql -o $tmpdir/x --offline"
	local go="train steer --algo ddqn -o $tmpdir/x"

	refused "there is no algorithm 'magic' for steering" train steer --algo magic
	refused "no --algo given" train steer -o x
	refused "no -o given" train steer --algo ddqn
	refused "there is no reward 'fame'" train steer --reward fame
	refused "there is no family of workloads 'none'" $go --workload zipf,none
	refused "'capture' needs a capture file" $go --workload capture
	refused "none of these workloads is one to train on" $go --workload zipf --loads 0.6
	refused "none of these workloads is one for the test" eval --steer --workload uniform \
		--loads 0.6
	refused "loads must be" $go --loads 0.5,0.5
	refused "loads must be" $go --loads 0.5,x
	refused "turn must be" $go --turn nan
	refused "there is no option '--frobnicate'" $go --frobnicate
	refused "one word too many" $go word
	printf '1000 0\nx y\n' > "$tmpdir/bad"
	refused "bad:2: " $go --sizes "$tmpdir/bad"
	refused "cannot read capture" $go --capture "$tmpdir/bad"
	refused "No such file" eval --steer "$tmpdir/none"
	refused "bad: not a model" eval --steer "$tmpdir/bad"
	refused "cql: a model of kind 'ddqn' is not for steering" eval --steer "$tmpdir/cql"
	refused "there is no policy 'steer'" eval "$tmpdir/steer" --workload "$tmpdir/sizes"
	head -c -3 "$tmpdir/steer" > "$tmpdir/bad"
	refused "bytes long" eval --steer "$tmpdir/bad"
	refused "is not what its option takes" eval --steer --seconds 0

	refused "there is no algorithm 'ddqn' to learn from logs" train ecn --offline x --algo ddqn
	refused "bc learns none" train steer --offline x --algo bc -o x
	refused "steps must be 200" $ecn x --steps 10
	refused "no --algo given" train ecn --offline x
	refused "there is no option '--workload' with --offline" $ecn x --workload zipf
	refused "cannot read $tmpdir/none" $ecn "$tmpdir/none"
	refused "bad is no transition log" $ecn "$tmpdir/bad"
	refused "log.steer: a log of the agent 'steer', not of 'ecn'" $ecn "$tmpdir/log.steer"
	refused "log.steer: a log of" $ecn "$tmpdir/log.ecn" "$tmpdir/log.steer"
	head -c 1000 "$tmpdir/log.ecn" > "$tmpdir/bad"
	refused "bad: no transitions" $ecn "$tmpdir/bad"
	{ head -c 1500 "$tmpdir/log.ecn"; printf xxxx; tail -c +1505 "$tmpdir/log.ecn"; } > "$tmpdir/bad"
	refused "bad: .* in the block at byte" $ecn "$tmpdir/bad"
	[ ! -e "$tmpdir/x" ]; check_err $? "a model all the same"
}

run_test test_steer "a steering agent is trained, every seed is reported"
run_test test_eval "and judged beside the baselines, on workloads it was not trained on"
run_test test_resume "a training that was killed leaves a checkpoint for its settings only"
run_test test_offline "agents learn from logs, and their models are taken"
run_test test_refused "what does not fit is refused with a sentence"
tap_end
