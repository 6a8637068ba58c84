#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: systemd timeout=300
#
# The unit as it is installed, under a real systemd: its hardening lets the daemon write the
# qdisc's knobs and the BPF maps, adopt what an operator attached, and nothing more is needed.
#
#	sl0 TBF 50 Mbit/s, sluice as its child     sl1 XDP attached by hand
#	     |                                          |
#	namespace rcv, eth0                        namespace rcv, eth1
. "$(dirname "$0")/../lib.sh"
require_root
require_tool tc ip ethtool nsenter bpftool systemctl
require_build build/sluiced build/sluice build/xdp_steer.bpf.o
[ -d /run/systemd/system ] || skip_all "systemd does not run here: scripts/vm_run.sh --systemd"
[ -n "${SLUICE_IN_VM:-}" ] || skip_all "installs a service: run it by scripts/vm_run.sh --systemd"
load_module

q=/sys/class/net/sl0/sluice/1:1
conf=/etc/sluice/sluice.conf
dropin=/run/systemd/system/sluiced.service.d

setup()
{
	modprobe -qa sch_tbf
	make --no-print-directory install PREFIX=/usr > "$tmpdir/make.log" 2>&1 || return 1
	ns_create rcv
	ip link add sl0 type veth peer name eth0 netns "$ns_rcv" || return 1
	ip link add sl1 type veth peer name eth1 netns "$ns_rcv" || return 1
	defer ip link del sl0
	defer ip link del sl1
	ip address add 10.9.0.1/24 dev sl0
	ip address add 10.9.1.1/24 dev sl1
	in_ns rcv ip address add 10.9.0.2/24 dev eth0
	in_ns rcv ip address add 10.9.1.2/24 dev eth1
	in_ns rcv ethtool -K eth1 tx off > /dev/null
	ip link set sl0 up
	ip link set sl1 up
	in_ns rcv ip link set eth0 up
	in_ns rcv ip link set eth1 up
	tc qdisc add dev sl0 root handle 1: tbf rate 50mbit burst 16k limit 8000000 &&
		tc qdisc add dev sl0 parent 1:1 handle 10: sluice || return 1
	cat > $conf <<-END
	[ecn]
	policy = bdp
	rate = sl0=50mbit
	rtt_us = 20000
	[steer]
	interfaces = sl1
	END
	mkdir -p $dropin
	printf '[Service]\nWatchdogSec=3\nRestartSec=100ms\n' > $dropin/test.conf
	systemctl daemon-reload
	start ping -q -i 0.05 10.9.0.2 > /dev/null
	defer systemctl stop sluiced
}

source_is() { [ "$(cat $q/source)" = "$1" ]; }
active() { systemctl -q is-active sluiced; }
main_pid() { systemctl show -p MainPID --value sluiced; }
restarted() { active && [ "$(main_pid)" != "$1" ]; }
renewals()
{
	bpftool map dump pinned /sys/fs/bpf/sluice/sl1/control |
		sed -n 's/.*"renewals": \([0-9]*\).*/\1/p'
}
renewed_more_than() { [ "$(renewals)" -gt "$1" ]; }
journal() { journalctl -q -u sluiced -n 15 --no-pager 2>&1; }

test_start()
{
	ip link set dev sl1 xdp obj build/xdp_steer.bpf.o sec xdp
	check_err $? "ip link set xdp failed"
	id=$(ip -d link show dev sl1 | sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p')
	timeout 60 systemctl start sluiced
	check_err $? "systemctl start: $(journal)"
	active
	check_err $? "it is $(systemctl is-active sluiced): $(journal)"
	[ "$(systemctl show -p Type --value sluiced)" = notify ]
	check_err $? "not of type notify"
}

test_knobs()
{
	busywait 20000 source_is learned
	check_err $? "the qdisc's source is $(cat $q/source): $(journal)"
	[ "$(cut -d ' ' -f 1,2 $q/learned)" = "17857 17857" ]
	check_err $? "learned is $(cat $q/learned)"
}

# The program is the operator's own one; its maps have no pins until the daemon makes them.
test_maps()
{
	busywait 20000 test -e /sys/fs/bpf/sluice/sl1/control
	check_err $? "nothing was pinned: $(journal)"
	[ "$(ip -d link show dev sl1 | sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p')" = "$id" ]
	check_err $? "another program is attached"
	busywait 10000 renewed_more_than 3
	check_err $? "the lease was not renewed: $(journal)"
	bpftool map dump pinned /sys/fs/bpf/sluice/sl1/buckets | grep -q '"flags": 1'
	check_err $? "the buckets have no baseline"
}

test_directories()
{
	[ "$(stat -c %a /run/sluice/sluiced.sock)" = 660 ]
	check_err $? "no socket of mode 660"
	sluice status > "$tmpdir/status"
	check_err $? "sluice status failed"
	grep -q "sl1: native" "$tmpdir/status"
	check_err $? "status: $(cat "$tmpdir/status")"
}

test_reload()
{
	cp $conf "$tmpdir/conf"
	echo "polcy = bdp" >> $conf
	systemctl reload sluiced 2> /dev/null
	check_fail $? "a wrong configuration was reloaded"
	active
	check_err $? "the daemon is gone"
	cp "$tmpdir/conf" $conf
	sed -i 's/^rtt_us = .*/rtt_us = 40000/' $conf
	systemctl reload sluiced
	check_err $? "systemctl reload failed: $(journal)"
	busywait 10000 grep -q "^35714 35714" $q/learned
	check_err $? "learned is $(cat $q/learned) after the reload"
}

test_watchdog()
{
	local pid

	pid=$(main_pid)
	kill -STOP "$pid"
	busywait 20000 restarted "$pid"
	check_err $? "the watchdog did not restart it: $(journal)"
	busywait 20000 source_is learned
	check_err $? "no learned triple after the restart: $(journal)"
}

test_stop()
{
	timeout 30 systemctl stop sluiced
	check_err $? "systemctl stop failed"
	source_is baseline
	check_err $? "source is $(cat $q/source)"
	[ -s /var/lib/sluice/checkpoint ]
	check_err $? "no checkpoint"
	[ "$(systemctl show -p Result --value sluiced)" = success ]
	check_err $? "result $(systemctl show -p Result --value sluiced)"
}

setup || skip_all "cannot set up: $(tail -n 3 "$tmpdir/make.log")"
run_test test_start "the service starts and says that it is ready"
run_test test_knobs "knobs can be written under the hardening"
run_test test_maps "an operator's program is adopted and its maps are written"
run_test test_directories "the socket is where sluice looks for it"
run_test test_reload "reload refuses a wrong configuration and takes a right one"
run_test test_watchdog "a daemon that hangs is restarted"
run_test test_stop "stop returns to the baseline and leaves a checkpoint"
tap_end
