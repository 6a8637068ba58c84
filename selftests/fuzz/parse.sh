#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=120
#
# The parser in user space under sanitizers: the corpus, mutants of it, and a short search. For a
# long one: make fuzz && build/selftests/fuzz/parse/fuzz_parse -max_len=256 DIRECTORY selftests/fuzz/corpus/parse
# What it finds belongs into the corpus (-merge=1 keeps that small).

. "$(dirname "$0")/../lib.sh"
require_build build/selftests/fuzz/parse/fuzz_corpus

corpus=selftests/fuzz/corpus/parse

test_corpus()
{
	build/selftests/fuzz/parse/fuzz_corpus $corpus/* > "$tmpdir/results" 2> "$tmpdir/err"
	check_err $? "$(head -n 40 "$tmpdir/err")"
}

# A corpus that no longer reaches a reason tests less than it says.
test_results()
{
	local missing

	missing=$(awk '$2 == 0 { print $1 }' "$tmpdir/results")
	[ -z "$missing" ]; check_err $? "no file of the corpus is" $missing
	[ "$(wc -l < "$tmpdir/results")" -ge 9 ]; check_err $? "results are missing"
}

test_search()
{
	mkdir -p "$tmpdir/new"
	build/selftests/fuzz/parse/fuzz_parse -runs=50000 -max_total_time=30 -max_len=256 -seed=1 \
		-artifact_prefix=build/selftests/fuzz/parse/ "$tmpdir/new" $corpus > "$tmpdir/err" 2>&1
	check_err $? "$(grep -vE '^#[0-9]+' "$tmpdir/err" | tail -n 40)"
}

run_test test_corpus "the corpus and mutants of it: no report, and what must hold does"
run_test test_results "the corpus has every result of the parser"
if make -s fuzz > /dev/null 2>&1; then
	run_test test_search "a short search from the corpus"
else
	tap_skip "a short search from the corpus" "clang has no libFuzzer"
fi
tap_end
