#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=120
#
# "sluice lab dynamic": the experiments run, in their shortest form; the oracle and what does not adapt
# are where they must be, numbers depend on the seed alone, and words that do not fit are refused.

. "$(dirname "$0")/../lib.sh"
require_tool jq
require_build build/sluice
sluice=build/sluice

# dynamic FILE ARGUMENT...: a quick run as JSON.
dynamic()
{
	local to=$1

	shift
	$sluice -j lab dynamic "$@" --quick > "$to" 2> "$tmpdir/err"
}

test_transitions()
{
	dynamic "$tmpdir/t" transitions
	check_err $? "$(cat "$tmpdir/err")"
	jq -e '.tables[1].rows | (map({ (.system): . }) | add) as $s |
		$s.oracle["excess, J s"].mean == 0 and $s.oracle["in it, %"] > 99.99 and
		$s["best static of before"]["in it, %"] == 0 and
		$s["best static of before"]["first 5 s, %"].low > 20 and
		($s.shipped | .["first 5 s, %"].mean < $s["best static of before"]["first 5 s, %"].mean)' \
		"$tmpdir/t" > /dev/null
	check_err $? "$(jq -c '.tables[1].rows[] | [.system, .["in it, %"], .["first 5 s, %"]]' "$tmpdir/t")"
	dynamic "$tmpdir/again" transitions --jobs 1
	cmp -s "$tmpdir/t" "$tmpdir/again"
	check_err $? "one process finds other numbers than several"
	dynamic "$tmpdir/other" transitions --first-seed 7
	! cmp -s "$tmpdir/t" "$tmpdir/other"
	check_err $? "another seed finds the same numbers"
	$sluice policy write bdp 4 "$tmpdir/four.model" &&
		dynamic "$tmpdir/m" transitions "$tmpdir/four.model" &&
		jq -e '.tables[1].rows | map(.system) | contains(["four.model"])' "$tmpdir/m" > /dev/null
	check_err $? "a model that is named has no row"
}

test_refused()
{
	refused "which dynamic test" lab dynamic
	refused "there is no 'lab dynamic dance'" lab dynamic dance
	refused "there is no option '--fast'" lab dynamic transitions --fast
	refused "seeds" lab dynamic transitions --seeds 0
	refused "needs a value" lab dynamic transitions --seeds
	refused "cannot\|no such\|No such" lab dynamic transitions "$tmpdir/absent.model"
	printf 'sluice-model 9\n' > "$tmpdir/bad.model"
	refused "bad.model" lab dynamic transitions "$tmpdir/bad.model"
}

run_test test_transitions "transitions: oracle, what is kept, and the seed"
run_test test_refused "what does not fit is refused"
tap_end
