#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=120
#
# sluice probe on a veth: it touches nothing unless asked to, and leaves nothing behind. What it
# measures differs by machine; that it is measured does not.
#
#	near: p0 10.7.0.1 ------ veth ------ far: p1 10.7.0.2
. "$(dirname "$0")/../lib.sh"
require_root
require_tool ip ethtool nsenter bpftool ping
require_build build/sluice build/selftests/bpf/other_pass.bpf.o
ensure_bpffs

ns_create near far
veth_pair near p0 10.7.0.1/24 far p1 10.7.0.2/24 || skip_all "cannot make a veth pair"
probe() { sysfs_ns near build/sluice probe p0 "$@" > "$tmpdir/out" 2>&1; }
says() { grep -q -- "$1" "$tmpdir/out"; }
out() { cat "$tmpdir/out"; }
has_xdp() { in_ns near ip link show dev p0 | grep -q 'xdp'; }
# field NAME: of the last JSON, one key a line.
field() { sed -n "s/^ *\"$1\": \(.*[^,]\),*$/\1/p" "$tmpdir/out"; }

test_facts()
{
	probe --no-hop
	check_err $? "$(out)"
	says '^  xdp_mode  *native'
	check_err $? "mode: $(out)"
	says '^  redirect_checksums  *kept'
	check_err $? "checksums: $(out)"
	says '^  xdp_program  *none'
	check_err $? "program: $(out)"
	in_ns far ethtool -K p1 tx on > /dev/null
	probe --no-hop
	says '^! redirect_checksums  *lost'
	check_err $? "checksums with TX offload at the peer: $(out)"
	in_ns far ethtool -K p1 tx off > /dev/null
	has_xdp
	check_fail $? "a program was attached without --try"
}

test_hops()
{
	local start took
	start=$(now_ms)

	probe -j
	check_err $? "$(out)"
	took=$(($(now_ms) - start))
	# An emulated CPU needs more; this is to notice a loop without end.
	[ "$took" -lt 20000 ]
	check_err $? "took $took ms"
	[ "$(field distance | head -n 1)" = '"same"' ]
	check_err $? "no hop was measured: $(out)"
	[ "$(field rounds | sort -n | head -n 1)" -ge 1 ] && field drop_ns | grep -q '^[0-9]'
	check_err $? "hops without figures: $(out)"
	field wakeup_p50_ns | grep -q '^[1-9]'
	check_err $? "no wake-up was seen: $(out)"
	[ "$(nproc)" -lt 2 ] || field distance | grep -qE 'core|sibling|node'
	check_err $? "no second CPU was measured: $(out)"
}

test_try()
{
	start in_ns far ping -i 0.02 -q 10.7.0.1 > /dev/null
	probe --try --no-hop
	check_err $? "$(out)"
	says '^  xdp_mode  *native (tried)'
	check_err $? "mode: $(out)"
	says '^  link_reset  *no'
	check_err $? "link: $(out)"
	says '^  metadata  *yes (tried with [1-9]'
	check_err $? "metadata: $(out)"
	stop_pid "$pid"
	has_xdp
	check_fail $? "the program stayed"
}

test_others_stay()
{
	in_ns near ip link set dev p0 xdp obj build/selftests/bpf/other_pass.bpf.o sec xdp
	probe --try --no-hop
	check_err $? "$(out)"
	says '^\* xdp_program  *other_pass, id [0-9]*, native'
	check_err $? "program: $(out)"
	says 'stays: nothing tried'
	check_err $? "it tried: $(out)"
	in_ns near ip link show dev p0 | grep -q 'other_pass\|prog/xdp id'
	check_err $? "the other program is gone"
	in_ns near ip link set dev p0 xdp off
}

test_conflicts()
{
	sysfs_ns near bash -c 'echo 1 > /sys/class/net/p0/queues/rx-0/rps_cpus' ||
		{ diag "no RPS in this kernel"; return; }
	probe --no-hop
	says '^! rps  *conflicts'
	check_err $? "$(out)"
	sysfs_ns near build/sluice load p0 > "$tmpdir/out" 2>&1
	check_err $? "$(out)"
	says 'warning: RPS is on for 1 RX queues of p0'
	check_err $? "load does not warn: $(out)"
	in_ns near build/sluice unload p0
	sysfs_ns near bash -c 'echo 0 > /sys/class/net/p0/queues/rx-0/rps_cpus'
	probe --no-hop
	says '^  rps  *no conflict'
	check_err $? "$(out)"
}

# nsenter leaves the /sys of another namespace: what it says must not be taken for p0's.
test_wrong_sysfs()
{
	in_ns near build/sluice probe p0 > "$tmpdir/out" 2>&1
	check_fail $? "$(out)"
	says 'sluice: /sys shows another network namespace'
	check_err $? "$(out)"
	sysfs_ns near build/sluice probe nope > "$tmpdir/out" 2>&1
	check_fail $? "$(out)"
	build/sluice probe > "$tmpdir/out" 2>&1
	[ $? = 2 ] && says "no interface given"
	check_err $? "$(out)"
}

run_test test_facts "facts, without touching the interface"
run_test test_hops "hops are measured"
run_test test_try "--try attaches, watches and leaves nothing"
run_test test_others_stay "another program stays"
run_test test_conflicts "RPS is a conflict, in probe and load"
run_test test_wrong_sysfs "another namespace's /sys is refused"
tap_end
