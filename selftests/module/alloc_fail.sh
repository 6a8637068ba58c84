#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: debug timeout=600
# Allocations fail while a qdisc is made, changed or given a tree (alloc_fail.c): each request
# succeeds or fails with ENOMEM and changes nothing, and in the end nothing is left behind.
. "$(dirname "$0")/../lib.sh"
. selftests/module/common.bash
require_root
require_tool ip sysctl
require_build build/selftests/module/alloc_fail
fail=build/selftests/module/alloc_fail
slab=/sys/kernel/debug/failslab
leaks=/sys/kernel/debug/kmemleak
[ -d $slab ] && [ -e /proc/self/fail-nth ] || skip_all "this kernel has no failslab"
load_module

# Fail as well what may sleep, do not say so each time, and look at the tasks that ask for it.
echo N > $slab/ignore-gfp-wait
echo 0 > $slab/verbose
echo Y > $slab/task-filter
echo -1 > $slab/times
echo 0 > $slab/space
default=$(sysctl -n net.core.default_qdisc)
defer sysctl -qw "net.core.default_qdisc=$default"
sysctl -qw net.core.default_qdisc=sluice
sysctl -qw net.ipv6.conf.default.disable_ipv6=1
ip link add sl0 numtxqueues 2 type dummy && ip link set sl0 up || exit 1
defer ip link del sl0

test_each()
{
	local line refused

	line=$($fail each sl0 "$1")
	check_err $? "$line"
	refused=${line##*refused=}
	diag "$line"
	[ -n "$test_error" ] || [ "$refused" -gt 0 ]
	check_err $? "no allocation of $1 made it fail: are faults injected?"
}

# Several in one request, also on its way back.
test_random()
{
	local line

	echo "$1" > $slab/probability
	line=$($fail random sl0 "$2" "$1")
	check_err $? "$line"
	echo 0 > $slab/probability
	diag "$line"
	[ -n "$test_error" ] || [ "${line##*refused=}" -gt 0 ]
	check_err $? "nothing failed"
}
often() { test_random 20 100; }
seldom() { test_random 1 150; }

test_nothing_left()
{
	sysctl -qw "net.core.default_qdisc=$default"	# whose name holds a reference
	check_equal "users of the module" "$(cat /sys/module/sch_sluice/refcnt)" 0
	[ ! -e $net/sl0/sluice ]
	check_err $? "$net/sl0/sluice is still there"
	ip link del sl0
	if [ -e $leaks ]; then
		sleep 5		# kmemleak does not suspect what is younger
		echo scan > $leaks || check_err 1 "kmemleak gave up"
		echo scan > $leaks
		check_equal "what leaked" "$(cat $leaks)" ""
	fi
}

for operation in $($fail list); do
	test_error=
	test_each "$operation"
	tap_result "$operation, with each of its allocations failing"
done
run_test often "many allocations fail"
run_test seldom "a few do"
run_test test_nothing_left "no directory, no reference and no memory is left"
tap_end
