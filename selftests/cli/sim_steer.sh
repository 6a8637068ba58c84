#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=120
#
# "sluice sim steer": the same seed is the same run, policies meet the same arrivals, parameters do
# what they say, and what is said wrong is refused.

. "$(dirname "$0")/../lib.sh"
require_tool jq
require_build build/sluice build/selftests/lab/steer_ladder
sluice=build/sluice

run() { $sluice -j sim steer "$@" stack_ns 20000 interval_ms 100 warmup 1 seconds 2; }

test_runs()
{
	local a b

	a=$(run zipf rsspp); check_err $? "sim steer"
	b=$(run zipf rsspp seed 1 load 0.8)
	[ "$a" = "$b" ]; check_err $? "two runs with the same parameters differ"
	[ "$(jq .packets <<< "$a")" = "$(run zipf static | jq .packets)" ]
	check_err $? "the arrivals depend on the policy"
	[ "$(jq .packets <<< "$a")" != "$(run zipf static seed 2 | jq .packets)" ]
	check_err $? "another seed changes nothing"
	jq -e '.packets > 50000 and .reordered_share == 0 and (.utilisation | length) == 4 and
	       .sojourn_us.p50 < .sojourn_us.p99 and .sojourn_us.p99 < .sojourn_us.p999 and
	       .cost_us > .sojourn_us.mean' <<< "$a" > /dev/null
	check_err $? "the numbers do not fit together: $a"
	$sluice sim steer zipf static seconds 0.5 stack_ns 20000 | grep -q '^sojourn: mean'
	check_err $? "no text"
}

test_parameters()
{
	jq -es '.[0].cost_us > .[1].cost_us' <<< "$(run zipf static)$(run zipf rsspp)" > /dev/null
	check_err $? "a policy that balances is no better"
	run zipf rss | jq -e '.reward == null and .moves_per_s == 0' > /dev/null
	check_err $? "RSS has a reward or moves"
	run uniform static cpus 6 rxqs 2 | jq -e '.utilisation | length == 6 and min > 0.6' > /dev/null
	check_err $? "six CPUs"
	run churn random hold 0 guard 0 max_moves 500 | jq -e '.moves_forced > 0 and .moves_per_s > 100' \
		> /dev/null
	check_err $? "without hold and guard"
	run churn random guard 0 max_moves 500 | jq -e '.moves_forced == 0 and .reordered_share == 0' \
		> /dev/null
	check_err $? "the hold"
	run zipf static load 2 ring 8 | jq -e '.dropped_share > 0.3' > /dev/null
	check_err $? "an overload drops nothing"
	run zipf agent train 20 | jq -e '.reward > 0' > /dev/null; check_err $? "the agent"
	printf '1000 0\n100000 100\n' > "$tmpdir/sizes"
	run websearch static sizes "$tmpdir/sizes" | jq -e '.packets > 1000' > /dev/null
	check_err $? "a file of sizes"
	$sluice -j sim steer list | jq -e '.workloads.zipf and .policies.rsspp' > /dev/null
	check_err $? "the list"
}

refused()	# PATTERN ARGUMENT...
{
	local out status pattern=$1

	shift
	out=$($sluice sim steer "$@" 2>&1 > /dev/null); status=$?
	[ $status != 0 ] && [[ $out == "sluice: "*$pattern* ]]
	check_err $? "sim steer $*: status $status, $out"
}

test_refused()
{
	refused "no workload and policy" zipf
	refused "there is no policy 'best'; there are rss" zipf best
	refused "there is no family of workloads 'none'" none rss
	refused "load must be 0.01 to 3" zipf rss load 0
	refused "load must be 0.01 to 3" zipf rss load nan
	refused "load must be 0.01 to 3" zipf rss load
	refused "max_moves must be 0 to 1024" zipf rss max_moves -1
	refused "there is no parameter 'k'" zipf rss k 5
	refused "needs a capture file" capture rss
	refused "No such file" capture rss capture "$tmpdir/none"
	printf 'x' > "$tmpdir/bad"
	refused "cannot read capture" capture rss capture "$tmpdir/bad"
	refused "bad:1: not 'bytes cumulative'" websearch rss sizes "$tmpdir/bad"
}

# The ladder runs to its end, with a row for each policy.
test_ladder()
{
	local ladder=build/selftests/lab/steer_ladder

	$ladder --seconds 1 --stack-ns 100000 --train 10 --agents 1 --seeds 1 --loads 0.6,0.8 \
		--families 4 --tsv "$tmpdir/tsv" > "$tmpdir/ladder"
	check_err $? "steer_ladder"
	[ "$(grep -c ' \[ *-*[0-9.]*, *-*[0-9.]*\]% ' "$tmpdir/ladder")" = 11 ] &&
		grep -q '^at least 0.8 in ' "$tmpdir/ladder"
	check_err $? "rows are missing: $(cat "$tmpdir/ladder")"
	[ "$(wc -l < "$tmpdir/tsv")" = $((1 + 11 * 4)) ]; check_err $? "the file of all runs"
	! $ladder --seconds 0 2> /dev/null; check_err $? "no seconds"
}

run_test test_runs "a run can be repeated, and every policy meets the same arrivals"
run_test test_parameters "parameters do what they say"
run_test test_ladder "the ladder has its rows"
run_test test_refused "what is said wrong is refused with a sentence"
tap_end
