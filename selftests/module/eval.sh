#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm
# The kernel computes with include/sluice/tree.h and aqm.h what user space does.
#
#	eval.sh [DIR STATES]	of a tree that record_states has recorded, all states there and
#				so many at random; a few thousand are recorded here otherwise
. "$(dirname "$0")/../lib.sh"
require_root
require_build build/selftests/module/eval_trees build/selftests/lab/record_states
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

dir=${1:-$tmpdir/recorded}
random=${2:-20000}
test_recorded()
{
	local line trees refused states cells recorded

	if [ "$dir" = "$tmpdir/recorded" ]; then
		line=$(build/selftests/lab/record_states "$dir" 3200)
		check_err $? "recording: $line"
	fi
	recorded=$(($(stat -c %s "$dir/states") / 80))
	line=$(build/selftests/module/eval_trees $file "$dir" "$random" 1)
	check_err $? "$line"
	diag "$line"
	[ -z "$test_error" ] || return
	eval "$line"
	[ "$refused" = 0 ] && [ "$trees" = 1 ] && [ "$states" = $((random + recorded)) ]
	check_err $? "not one tree and $((random + recorded)) states"
	[ "$cells" -gt $((2 * states / 1024)) ]
	check_err $? "only $cells different actions in $((states / 1024)) requests"
}

test_bad_request()
{
	{ printf 'short' > $file; } 2> /dev/null
	check_fail $? "a short request was accepted"
	{ head -c 4300 /dev/zero > $file; } 2> /dev/null
	check_fail $? "a request of another length than its states was accepted"
}

run_test seed_1 "$trees random trees: the kernel's cells, triples and probabilities are ours"
run_test seed_now "others, of today"
run_test test_recorded "a distilled tree, on states that it met and at random"
run_test test_bad_request "a malformed request is refused"
tap_end
