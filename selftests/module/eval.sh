#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm
# The kernel computes with include/sluice/tree.h and aqm.h what user space does.
. "$(dirname "$0")/../lib.sh"
require_root
require_build build/selftests/module/eval_trees
load_test_module sluice_eval

file=/sys/kernel/debug/sluice_eval
[ -e $file ] || skip_all "no $file: is debugfs mounted?"
trees=4000

test_random_trees()
{
	local line refused states cells

	line=$(build/selftests/module/eval_trees $file $trees "$1")
	check_err $? "$line"
	diag "$line"
	[ -z "$test_error" ] || return
	# That the trees were worth it: some refused, and walks that part.
	eval "${line#* }"
	[ "$refused" -gt $((trees / 20)) ] && [ "$refused" -lt $((trees / 2)) ]
	check_err $? "$refused of $trees trees were refused"
	[ "$cells" -gt $((3 * (trees - refused))) ]
	check_err $? "only $cells different actions were found in $((trees - refused)) trees"
	[ "$states" = $((32 * (trees - refused))) ]
	check_err $? "$states states of $((trees - refused)) trees"
}
seed_1() { test_random_trees 1; }
seed_now() { test_random_trees "$(date +%s)"; }

test_bad_request()
{
	{ printf 'short' > $file; } 2> /dev/null
	check_fail $? "a short request was accepted"
}

run_test seed_1 "$trees random trees: the kernel's cells, triples and probabilities are ours"
run_test seed_now "others, of today"
run_test test_bad_request "a malformed request is refused"
tap_end
