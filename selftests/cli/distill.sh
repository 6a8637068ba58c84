#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=200
#
# "sluice distill", "sluice tree" and "sluice novelty": a policy becomes a tree that keeps its rules, and what does not
# fit is refused.

. "$(dirname "$0")/../lib.sh"
require_tool jq cmp
require_build build/sluice build/selftests/module/mktree
sluice=build/sluice
printf '1000 0\n20000 70\n200000 100\n' > "$tmpdir/sizes"
small="--workload $tmpdir/sizes --mixes 4 --judge-mixes 4 --test-mixes 4 --rounds 2 --epochs 60"
rule=never-raise:qth_min:backlog_avg

test_distill()
{
	$sluice distill ecn shipped $small --depth 2,5 --jobs 1 --rule $rule --min-leaf 3 \
		-o "$tmpdir/tree" --c "$tmpdir/tree.c" > "$tmpdir/out" 2> "$tmpdir/err"
	check_err $? "distill: $(cat "$tmpdir/err")"
	[ "$(grep -c '^ *[25] .*\[.*\]' "$tmpdir/out")" = 2 ]
	check_err $? "not a row for each depth: $(cat "$tmpdir/out")"
	$sluice -j distill ecn shipped $small --depth 2,5 --jobs 2 --rule $rule --min-leaf 3 \
		-o "$tmpdir/tree2" 2> "$tmpdir/err" > "$tmpdir/json"
	jq -e '[.rows[].depth] == [2, 5] and (.written == 2 or .written == 5) and
	       ([.rows[] | .bytes > 28 and .nodes < 32 and .states > 0] | all)' \
		"$tmpdir/json" > /dev/null
	check_err $? "JSON: $(cat "$tmpdir/json")"
	cmp -s "$tmpdir/tree" "$tmpdir/tree2"; check_err $? "two processes make another tree"
	$sluice -j tree check "$tmpdir/tree" --rule $rule --depth 5 |
		jq -e '.valid and .rules == 1 and .depth <= 5 and .leaves == .nodes + 1' > /dev/null
	check_err $? "what was made does not pass"
	$sluice tree c "$tmpdir/tree" | cmp -s - "$tmpdir/tree.c"
	check_err $? "the C source is of another tree"
	[ "$($sluice tree show "$tmpdir/tree" | wc -l)" = \
	  "$($sluice -j tree check "$tmpdir/tree" | jq .leaves)" ]
	check_err $? "not a line for each leaf"
}

# Another teacher, for another queue: its thresholds go with C * RTT.
test_queue()
{
	local fast slow

	$sluice train ecn --algo bdp --workload "$tmpdir/sizes" --mixes 2 --epochs 20 \
		-o "$tmpdir/bdp" > /dev/null 2>&1
	check_err $? "train"
	$sluice distill ecn "$tmpdir/bdp" $small --depth 0 --rate-kbps 1000000 -o "$tmpdir/fast" \
		> "$tmpdir/out" 2>&1
	check_err $? "distill: $(cat "$tmpdir/out")"
	$sluice distill ecn "$tmpdir/bdp" $small --depth 0 --rate-kbps 500000 -o "$tmpdir/slow" \
		> "$tmpdir/out" 2>&1
	fast=$($sluice tree show "$tmpdir/fast") slow=$($sluice tree show "$tmpdir/slow")
	[[ $fast == *": any state" ]]; check_err $? "depth 0: $fast"
	[ "${fast%% *}" -ge $((2 * ${slow%% *} - 1)) ] && [ "${fast%% *}" -le $((2 * ${slow%% *} + 1)) ]
	check_err $? "at half of the rate $slow, not half of $fast"
}

# The same tree for any queue, and the states that it knows.
test_model()
{
	$sluice distill ecn shipped $small --depth 5 --rule $rule --min-leaf 3 --rate-kbps 500000 \
		-o "$tmpdir/slow" -m "$tmpdir/model" > "$tmpdir/out" 2>&1
	check_err $? "distill: $(cat "$tmpdir/out")"
	$sluice distill ecn "$tmpdir/model" $small --depth 0 > "$tmpdir/out" 2>&1
	check_err $? "a tree as teacher: $(cat "$tmpdir/out")"
	$sluice distill ecn oracle $small --rounds 1 --depth 2 > "$tmpdir/out" 2>&1
	check_err $? "the oracle as teacher: $(cat "$tmpdir/out")"
	head -n 3 "$tmpdir/model" | grep -q "^command sluice distill ecn shipped .*--rule $rule "
	check_err $? "its command: $(head -n 3 "$tmpdir/model")"
	$sluice novelty calibrate "$tmpdir/model" --workload "$tmpdir/sizes" --mixes 24 --epochs 60 \
		-o "$tmpdir/known" > "$tmpdir/out" 2>&1
	check_err $? "calibrate: $(cat "$tmpdir/out")"
	head -n 1 "$tmpdir/known" | grep -q "^sluice-model 3$"; check_err $? "its version"
	$sluice -j novelty test "$tmpdir/known" --workload "$tmpdir/sizes" --mixes 24 \
		--test-mixes 8 --epochs 60 > "$tmpdir/json" 2> "$tmpdir/err"
	check_err $? "test: $(cat "$tmpdir/err")"
	# More confidence, fewer alarms; what is like the training has fewer than CUBIC alone.
	jq -e '(.rows | length) == 17 and
	       ([.rows[].rates | [.[].rate] | . == (sort | reverse)] | all) and
	       ([.rows[] | select(.workload == "like those of training" or
		(.workload | startswith("all CUBIC, no"))) | .rates[4].rate] | .[0] < .[1])' \
		"$tmpdir/json" > /dev/null
	check_err $? "JSON: $(cat "$tmpdir/json")"
	refused "calibrate or test" novelty
	refused "there is no 'novelty guess'" novelty guess
	refused "which model" novelty test --workload "$tmpdir/sizes"
	refused "no -o given" novelty calibrate shipped --workload "$tmpdir/sizes"
	refused "writes nothing" novelty test shipped --workload "$tmpdir/sizes" -o "$tmpdir/x"
	refused "another --test-seed" novelty test shipped --workload "$tmpdir/sizes" --test-seed 31
	refused "not a model" novelty test "$tmpdir/sizes" --workload "$tmpdir/sizes"
}

# The planted one raises its threshold with the backlog.
test_check()
{
	: > "$tmpdir/bad"
	build/selftests/module/mktree "$tmpdir/bad" 1 1000 backlog_avg:3000:1:2 \
		40000,40000,1000000 50000,50000,1000000
	check_err $? "mktree"
	$sluice tree check "$tmpdir/bad" > "$tmpdir/out"; check_err $? "a valid tree is refused"
	refused "bad: never-raise:qth_min:backlog_avg is broken: 40000 bytes where backlog_avg <= 3000 \
bytes, but 50000 where backlog_avg > 3000 bytes" tree check "$tmpdir/bad" --rule $rule
	refused "50000 50000 1000000 (cell 2) is out of bounds; it is for backlog_avg > 3000" \
		tree check "$tmpdir/bad" --qth-hi 45000
	refused "1 comparisons, more than 0" tree check "$tmpdir/bad" --depth 0
	cp "$tmpdir/bad" "$tmpdir/torn"
	printf x | dd of="$tmpdir/torn" bs=1 seek=30 conv=notrunc 2> /dev/null
	refused "checksum is wrong" tree check "$tmpdir/torn"
	head -c -1 "$tmpdir/bad" > "$tmpdir/short"
	refused "not as large as its header" tree check "$tmpdir/short"
	head -c 100000 /dev/zero > "$tmpdir/long"
	refused "too large" tree c "$tmpdir/long"
	echo "a text that is longer than a header" > "$tmpdir/text"
	refused "not a tree" tree show "$tmpdir/text"
}

test_refused()
{
	refused "distil what" distill
	refused "there is no 'distill guess'" distill guess
	refused "distil which teacher" distill ecn --workload "$tmpdir/sizes"
	refused "one teacher at a time" distill ecn shipped word --workload "$tmpdir/sizes"
	refused "no --workload given" distill ecn shipped
	refused "No such file" distill ecn "$tmpdir/none" $small
	refused "not a model" distill ecn "$tmpdir/bad" $small
	refused "depth takes" distill ecn shipped $small --depth 21
	refused "depth takes" distill ecn shipped $small --depth ,
	refused "rounds must be" distill ecn shipped $small --rounds 0
	refused "calm must be" distill ecn shipped $small --calm nan
	refused "another --test-seed" distill ecn shipped $small --mix-seed 6 --test-seed 7
	refused "there is no feature 'weather'" distill ecn shipped $small \
		--rule never-raise:qth_min:weather
	refused "there is no option" distill ecn shipped $small --frobnicate
	refused "cannot write" distill ecn shipped $small --depth 0 -o "$tmpdir/none/tree"
	refused "check, show, c or place" tree
	refused "there is no 'tree burn'" tree burn
	refused "which tree" tree check
	refused "one tree at a time" tree check a b
	refused "not a rule" tree check "$tmpdir/bad" --rule never
	refused "No such file" tree check "$tmpdir/none"
}

run_test test_distill "a policy becomes a tree"
run_test test_queue "a tree is for its queue"
run_test test_model "a tree is a model for any queue and knows what it was made from"
run_test test_check "a tree that may not be loaded is refused, with the box"
run_test test_refused "what does not fit is refused"
tap_end
