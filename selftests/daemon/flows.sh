#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm timeout=400
#
# What the daemon knows of the flows that pass a queue: how many are in progress, and what share
# of the bytes the large ones have, as the XDP program sees them arrive.
#
#	namespace snd                 here                              namespace rcv
#	eth0 10.8.0.2 --- veth --- in0, XDP    sl0 10.9.0.1 --- veth --- eth0 10.9.0.2
#	                                       TBF, sluice as its child
. "$(dirname "$0")/../lib.sh"
. selftests/daemon/common.bash
require_root
require_tool tc ip nsenter ethtool
require_build $sluiced $sluice $loadgen
load_module
ensure_bpffs

rate_mbit=10	# what an emulated CPU has no trouble with
flows=24	# in progress
looks=7		# of which the median counts

setup()
{
	modprobe -qa sch_tbf tcp_dctcp
	bottleneck_link 10.9.0 || return 1
	in_ns rcv ethtool -K eth0 tx off > /dev/null
	ns_create snd
	ip link add in0 type veth peer name eth0 netns "$ns_snd" || return 1
	defer ip link del in0
	ethtool -K in0 tx off > /dev/null
	in_ns snd ethtool -K eth0 tx off > /dev/null
	ip address add 10.8.0.1/24 dev in0
	ip link set in0 up
	in_ns snd ip address add 10.8.0.2/24 dev eth0
	in_ns snd ip link set eth0 up
	in_ns snd ip route add default via 10.8.0.1
	in_ns rcv ip route add default via 10.9.0.1
	in_ns snd sysctl -qw net.ipv4.tcp_ecn=1
	sysctl -qw net.ipv4.ip_forward=1
	tc qdisc add dev sl0 root handle 1: tbf rate ${rate_mbit}mbit burst 16k limit 8000000 &&
		tc qdisc add dev sl0 parent 1:1 handle 10: sluice || return 1
	defer $sluice unload in0
	defer $sluice unload sl0
}

# conf_with INTERFACE POLICY
conf_with()
{
	write_conf <<-END
	[ecn]
	rate = sl0=${rate_mbit}mbit
	[steer]
	interfaces = $1
	policy = $2
	cpus = 0-3
	announce = 4
	report = 32
	END
}

# endless N: so many endless flows through the queue, as $load.
endless()
{
	printf '# duration_us=200000000\n0 1000 0\n' > "$tmpdir/plan"
	start in_ns snd $loadgen send --plan "$tmpdir/plan" --cc dctcp --to 10.9.0.2 --port 5000 \
		--elephants "$1" > "$tmpdir/load.json"
	load=$pid
}

# short SECONDS: flows of 20 KB each, forty a second, as $load.
short()
{
	awk -v s="$1" 'BEGIN { print "# duration_us=" s "000000"
		for (i = 0; i < s * 40; i++) print i * 25000, 20000, 0 }' > "$tmpdir/plan"
	start in_ns snd $loadgen send --plan "$tmpdir/plan" --cc dctcp --to 10.9.0.2 \
		--port 5000 > "$tmpdir/load.json"
	load=$pid
}

# Of what "queue show -j" has of the queue's flows: one member, or "null".
value()
{
	$sluice -j queue show sl0 1:1 | tr -d ' \n' |
		sed "s/.*\"flows\":\({[^}]*}\|null\).*/\1/; s/.*\"$1\":\([^,}]*\).*/\1/"
	echo
}
median()
{
	local i

	for ((i = 0; i < looks; i++)); do
		value "$1"
		sleep 0.15
	done | sort -g | sed -n $(((looks + 1) / 2))p
}
# within NUMBER LEAST MOST
within() { awk -v n="$1" -v a="$2" -v b="$3" 'BEGIN { exit !(n != "null" && n >= a && n <= b) }'; }
is_known() { [ "$(value "$1")" != null ] && [ -n "$(value "$1")" ]; }
is_unknown() { [ "$(value active)" = null ]; }
is_steered() { says_status "steer  $1: native"; }

# check_active: the median of some looks is near the number of flows.
check_active()
{
	local n

	busywait 10000 is_known active > /dev/null
	check_err $? "not known: $($sluice status)"
	n=$(median active)
	within "$n" $((flows * 3 / 4)) $((flows * 4 / 3))
	check_err $? "$n flows in progress are told, there are $flows: $($sluice status)"
}

test_endless()
{
	conf_with in0 static
	daemon_start
	busywait 10000 is_steered in0
	check_err $? "not steered: $(cat "$log")"
	endless $flows
	sleep 2
	check_active
	[ "$(value elephant_share)" = null ]
	check_err $? "a share is told although no flow gets an entry: $($sluice status)"
}

# Now the flows get entries, and assignments: their buckets do not count them any more.
test_large()
{
	local share

	conf_with in0 learn
	kill -HUP "$daemon"
	busywait 15000 is_known elephant_share > /dev/null
	check_err $? "the share of large flows is not known: $($sluice status)"
	busywait 15000 has_flows
	check_err $? "no flow is assigned: $($sluice status)"
	sleep 5	# to 100 KB of each
	check_active
	share=$(median elephant_share)
	within "$share" 0.9 1
	check_err $? "large flows have a share of $share, they are all there is"
	share=$(median ect_share)
	within "$share" 0.9 1
	check_err $? "$share of DCTCP's bytes are ECN-capable"
	$sluice status | grep -q 'flows: [0-9]* in progress .*of the bytes by large ones'
	check_err $? "not in the status: $($sluice status)"
	$sluice queue show sl0 1:1 | grep -q 'flows .*in progress'
	check_err $? "not shown with the queue: $($sluice queue show sl0 1:1)"
}
has_flows() { [ "$($sluice flow show in0 | grep -c learned)" -ge $((flows / 2)) ]; }

hardly_large() { within "$(value elephant_share)" 0 0.1; }
test_short()
{
	local share

	stop_pid "$load"
	short 40
	busywait 20000 hardly_large	# what the others had sent goes out first
	check_err $? "large flows have a share of $(value elephant_share), there are none"
	share=$(median active)
	within "$share" 0 12
	check_err $? "$share flows in progress are told, of forty short ones a second"
	stop_pid "$load"
}

# A server: packets leave by the interface through which answers come, and count as these do.
test_answers()
{
	conf_with sl0 learn
	kill -HUP "$daemon"
	busywait 15000 is_steered sl0
	check_err $? "not steered: $(cat "$log")"
	endless $flows
	sleep 2
	check_active
	[ "$(value elephant_share)" = null ]
	check_err $? "answers cannot tell who sent how much: $($sluice status)"
}

test_two_queues()
{
	tc qdisc add dev in0 root sluice
	busywait 5000 is_unknown
	check_err $? "with two queues a flow's queue is a guess: $($sluice status)"
	tc qdisc del dev in0 root
	busywait 5000 is_known active > /dev/null
	check_err $? "not known with one queue again: $($sluice status)"
	stop_pid "$load"
	diag "$($sluice status | head -n 1)"
	daemon_stop "$daemon"
}

setup || skip_all "cannot set up the links"
run_test test_endless "flows in progress are counted by the buckets they occupy"
run_test test_large "the share of large flows is told, flows with an assignment are counted"
run_test test_short "short flows are not large"
run_test test_answers "a server's flows are counted by what comes back"
run_test test_two_queues "with two queues nothing is told"
tap_end
