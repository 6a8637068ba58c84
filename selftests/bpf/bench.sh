#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=60
#
# The benchmarks of the data plane run and write what CONTRIBUTING.md says; not
# what they measure. Inside they check that the packets of a row take the way
# the row is named after.

. "$(dirname "$0")/../lib.sh"
require_root
require_tool jq
require_build build/selftests/bench/bench_steer build/selftests/bench/bench_moves

names="floor hit4 hit6 hash4 bucket miss vlan fragment flows_1k flows_100k flows_1m_zipf \
flows_1m_uniform hit4_sampled cpumap_program tree_off tree_d5 tree_d10 tree_d20 live"

test_steer()
{
	local got

	build/selftests/bench/bench_steer -q -r 1 -o "$tmpdir/bench.json" > "$tmpdir/out" 2>&1
	check_err $? "$(grep bench_steer: "$tmpdir/out")"
	got=$(jq -r '[.[].name] | join(" ")' "$tmpdir/bench.json")
	[ "$got" = "$names" ]; check_err $? "the rows are: $got"
	jq -e 'all(.[]; [.median_ns, .iqr_ns, .min_ns, .max_ns, .ratio_to_floor]
	       | all(type == "number"))' "$tmpdir/bench.json" > /dev/null
	check_err $? "a row is not complete"
	grep -q '^steer/sampling/added_ns ' "$tmpdir/out"; check_err $? "no line about sampling"
}

test_moves()
{
	[ "$(nproc)" -gt 1 ] || { tap_skip "the benchmark of moves" "needs two CPUs"; return; }
	build/selftests/bench/bench_moves -r 1 -t 100 -o "$tmpdir/moves.json" > "$tmpdir/out" 2>&1
	check_err $? "$(cat "$tmpdir/out")"
	jq -e '.moves_1000_ratio | type == "number"' "$tmpdir/moves.json" > /dev/null
	check_err $? "no ratio in $(cat "$tmpdir/moves.json")"
	tap_result "the benchmark of moves"
}

run_test test_steer "the benchmark of the data plane, and its rows"
test_moves
tap_end
