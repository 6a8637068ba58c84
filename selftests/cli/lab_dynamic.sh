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

# Parts of the host that are taken away are gone, and the order of oracle, static and default holds.
test_ablations()
{
	dynamic "$tmpdir/a" ablations
	check_err $? "$(cat "$tmpdir/err")"
	jq -e '.tables[0].rows | (map({ (.system): . }) | add) as $s |
		$s.oracle["over oracle, %"].mean == 0 and $s.default["over default, %"].mean == 0 and
		$s.default["new, %"] > 0 and $s.default["fallback, %"] > 0 and
		$s["no novelty test"]["new, %"] == 0 and $s["no novelty test"]["fallback, %"] == 0 and
		$s.default["static\u0027s turn, %"] > 0 and
		$s["best static of all parts"]["over oracle, %"].mean > 0' "$tmpdir/a" > /dev/null
	check_err $? "$(jq -c '.tables[0].rows[]' "$tmpdir/a")"
}

test_novel()
{
	dynamic "$tmpdir/n" novel
	check_err $? "$(cat "$tmpdir/err")"
	jq -e '.tables[0].rows | (map({ (.traffic): . }) | add) as $s |
		$s["64 endless flows"]["new, %"] > 50 and $s["64 endless flows"]["fallback, %"] > 0 and
		$s.web["new, %"] < 50' "$tmpdir/n" > /dev/null
	check_err $? "$(jq -c '.tables[0].rows[] | [.traffic, .["new, %"]]' "$tmpdir/n")"
}

# Flows are slower beside another tenant's, whoever decides.
test_interference()
{
	dynamic "$tmpdir/i" interference
	check_err $? "$(cat "$tmpdir/err")"
	jq -e '[.tables[] | .rows[] | .["first slower, %"].mean, .["second slower, %"].mean] |
		length == 40 and all(. != null) and (map(select(. > 0)) | length) > 30' "$tmpdir/i" > /dev/null
	check_err $? "$(jq -c '.tables[].rows[]' "$tmpdir/i")"
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
run_test test_ablations "ablations: what is taken away is gone"
run_test test_novel "novel traffic: the test finds what is unlike"
run_test test_interference "interference: tenants are told apart"
run_test test_refused "what does not fit is refused"
tap_end
