#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=120
#
# Trees that place flows, from learning to the checks before one is loaded.
. "$(dirname "$0")/../lib.sh"
require_tool jq cmp gcc
sluice=build/sluice
require_build $sluice

learn()
{
	$sluice -j distill steer --workload zipf,websearch --loads 0.6,0.8 --seconds 0.5 \
		--labels 10 --runs 1 --rounds 1 --judge-seeds 1 --test-seeds 1 --min-leaf 3 \
		--depth 3 --announce 1 -o "$1"
}

test_learns()
{
	learn "$tmpdir/a.tree" > "$tmpdir/a.json"
	check_err $? "distill steer failed"
	jq -e '.rows | map(.row) | index("greedy") and index("oracle") and
	       index("hand: ladder") and index("depth 3 seed 1")' "$tmpdir/a.json" > /dev/null
	check_err $? "rows are missing: $(jq -c '.rows | map(.row)' "$tmpdir/a.json")"
	jq -e '.rows[] | select(.row == "greedy") | .over == 0 and .cost_us > 0' \
		"$tmpdir/a.json" > /dev/null
	check_err $? "the rule is not what all is held against"
	learn "$tmpdir/b.tree" > "$tmpdir/b.json"
	cmp -s "$tmpdir/a.tree" "$tmpdir/b.tree" && cmp -s "$tmpdir/a.json" "$tmpdir/b.json"
	check_err $? "the same options made another tree or table"
}

test_checks()
{
	$sluice tree check "$tmpdir/a.tree" --rule never-lower:other:home_load \
		--rule never-lower:other:home_queue > "$tmpdir/check"
	check_err $? "its own rules do not hold"
	grep -q "of kind place, .*, 2 rules hold" "$tmpdir/check"
	check_err $? "$(cat "$tmpdir/check")"
	[ "$($sluice -j tree check "$tmpdir/a.tree" | jq -r .kind)" = place ]
	check_err $? "another kind"
	$sluice tree show "$tmpdir/a.tree" | grep -q -E '^(home|other): '
	check_err $? "$($sluice tree show "$tmpdir/a.tree")"
	$sluice tree c "$tmpdir/a.tree" > "$tmpdir/a.c" && gcc -Wall -Werror -c -o "$tmpdir/a.o" \
		"$tmpdir/a.c"
	check_err $? "the C source does not compile"
	$sluice tree check "$tmpdir/a.tree" --rule never-lower:other:backlog 2> "$tmpdir/err"
	check_fail $? "a rule about another kind's feature was taken"
	grep -q "there is no feature 'backlog'" "$tmpdir/err"
	check_err $? "$(cat "$tmpdir/err")"
}

run_test test_learns "distill steer learns a tree, the same twice"
run_test test_checks "the tree is checked and shown"
tap_end
