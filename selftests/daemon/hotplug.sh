#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm timeout=240
#
# A target's CPU goes offline and comes back under traffic: what it had goes to the others and
# returns, and no packet is overtaken on the way.
#
#	namespace snd                     namespace rcv
#	eth0 10.9.0.1 ------ veth ------- $dev 10.9.0.2, XDP, the daemon, CPUs 1 and 2
. "$(dirname "$0")/../lib.sh"
. selftests/daemon/common.bash
require_root
require_tool ip ethtool nsenter bpftool
order=build/selftests/lab/order
require_build $sluiced $sluice $order
[ -n "${SLUICE_IN_VM:-}" ] || skip_all "takes a CPU offline: run it by scripts/vm_run.sh"
cpu2=/sys/devices/system/cpu/cpu2/online
[ -w $cpu2 ] || skip_all "CPU 2 cannot go offline"
ensure_bpffs

dev=sl$$
setup()
{
	ns_create snd rcv
	veth_pair snd eth0 10.9.0.1/24 rcv $dev 10.9.0.2/24 || return 1
	in_ns snd ethtool -K eth0 tx off > /dev/null
	defer in_ns rcv $sluice unload $dev
	defer sh -c "echo 1 > $cpu2"
	write_conf <<-END
	[steer]
	interfaces = $dev
	policy = static
	cpus = 1-2
	interval_ms = 100
	END
	daemon_start in_ns rcv || return 1
	start in_ns rcv $order recv 7000 > "$tmpdir/received"
	receiver=$pid
	busywait 5000 bound || return 1
	start in_ns snd $order send 10.9.0.2 7000 300 100000000 64 > "$tmpdir/sent"
	sender=$pid
}
bound() { in_ns rcv ss -Huln "sport = :7000" | grep -q .; }

# field NAME CPU: the CPU's row of "cpu show".
field()
{
	in_ns rcv $sluice -j cpu show $dev | tr -d ' \n' | grep -o "{\"cpu\":$2,[^}]*" |
		grep -o "\"$1\":[a-z0-9]*" | cut -d : -f 2
}
buckets_of() { bpftool map dump pinned "$(echo /sys/fs/bpf/sluice/*$dev)/buckets" |
	tr -d ' \n"' | grep -o "cpu:$1,learned" | wc -l; }
sends_to()
{
	local n

	n=$(field sent_packets "$1")
	sleep 0.3
	[ "$(field sent_packets "$1")" -gt "${n:-0}" ]
}
is_no_target() { [ "$(field target "$1")" = false ]; }
has_no_buckets() { [ "$(buckets_of "$1")" = 0 ]; }
has_half() { [ "$(buckets_of "$1")" = 512 ]; }

test_leaves()
{
	busywait 10000 sends_to 2; check_err $? "nothing is sent to CPU 2: $(cat "$log")"
	echo 0 > $cpu2; check_err $? "CPU 2 does not go offline"
	busywait 10000 has_no_buckets 2
	check_err $? "CPU 2 still has $(buckets_of 2) buckets: $(tail -n 3 "$log")"
	sends_to 1; check_err $? "CPU 1 gets nothing"
	busywait 20000 is_no_target 2
	check_err $? "its cpumap entry stays: $(in_ns rcv $sluice cpu show $dev)"
	grep -q "$dev: CPU 2 is offline: the 512 buckets there go" "$log"
	check_err $? "the log says: $(tail -n 3 "$log")"
}

test_returns()
{
	echo 1 > $cpu2; check_err $? "CPU 2 does not come back"
	busywait 10000 has_half 2
	check_err $? "CPU 2 has $(buckets_of 2) buckets: $(tail -n 3 "$log")"
	busywait 10000 sends_to 2; check_err $? "nothing is sent to CPU 2"
}

test_order()
{
	local forced

	sleep 1
	stop_pid "$sender"
	sleep 1
	stop_pid "$receiver"
	sed 's/^/# /' "$tmpdir/received"
	grep -q ' reordered=0$' "$tmpdir/received"; check_err $? "packets were overtaken"
	forced=$(in_ns rcv $sluice -j cpu show $dev | sed -n 's/.*"forced": \([0-9]*\).*/\1/p')
	[ "$forced" = 0 ]; check_err $? "$forced moves were forced"
}

setup || skip_all "cannot set up: $(tail -n 3 "$log")"
run_test test_leaves "a CPU that goes offline is no target any more"
run_test test_returns "when it is back it is one again, with its buckets"
run_test test_order "nothing was reordered"
tap_end
