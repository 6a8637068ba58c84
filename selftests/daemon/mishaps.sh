#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm timeout=240
#
# What happens to a running daemon: the wall clock jumps, the interface is deleted and comes back
# under its name, the module is reloaded. It goes on, or finds again what is there, and says so
# once.
#
#	sl0 10.9.0.1 ----------- veth ----------- eth0 10.9.0.2
#	TBF 20 Mbit/s, sluice as its child        namespace rcv
. "$(dirname "$0")/../lib.sh"
. selftests/daemon/common.bash
require_root
require_tool tc ip nsenter ethtool jq
require_build $sluiced $sluice $loadgen
load_module

q=/sys/class/net/sl0/sluice/1:1
order=build/selftests/lab/order

value() { cat "$q/$1"; }
source_is() { [ "$(value source 2> /dev/null)" = "$1" ]; }
decisions() { $sluice -j status | jq '.ecn.queues[0].decisions'; }
decided_more_than() { [ "$(decisions)" -gt "$1" ]; }

make_queue()
{
	tc qdisc add dev sl0 root handle 1: tbf rate 20mbit burst 16k limit 8000000 &&
		tc qdisc add dev sl0 parent 1:1 handle 10: sluice
}

make_link()
{
	ip link add sl0 type veth peer name sl9 &&
		ip address add 10.9.0.1/24 dev sl0 &&
		ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:03 dev sl0 &&
		ip link set sl0 up && ip link set sl9 up && make_queue
}

# Datagrams to nobody, some megabits a second, whatever becomes of the interface.
traffic()
{
	while :; do
		$order send 10.9.0.2 6000 8 2000 1
		sleep 0.2
	done > /dev/null 2>&1
}

setup()
{
	modprobe -qa sch_tbf
	make_link || return 1
	defer ip link del sl0
	start traffic
	write_conf <<-END
	[ecn]
	policy = bdp
	rate = sl0=20mbit
	lease_ms = 2000
	END
	daemon_start
}

# Days forth and back, of the clock on the wall: no lease and no epoch knows.
test_clock()
{
	local expired skipped before step

	busywait 10000 source_is learned
	check_err $? "not controlled: $($sluice status)"
	expired=$(value lease_expired)
	skipped=$($sluice -j status | jq .epochs_skipped)
	for step in "+3 days" "-10 days" "+7 days"; do
		before=$(decisions)
		date -s "$step" > /dev/null
		check_err $? "the clock cannot be set"
		busywait 5000 decided_more_than $((before + 5))
		check_err $? "no decisions after $step: $($sluice status)"
		source_is learned && [ "$(value lease_expired)" = "$expired" ]
		check_err $? "$step: source $(value source), leases expired $(value lease_expired)"
	done
	# An epoch that is late on an emulated machine is one; a day of epochs would be millions.
	[ $(($($sluice -j status | jq .epochs_skipped) - skipped)) -lt 100 ]
	check_err $? "epochs were skipped: $($sluice status | head -n 1)"
}

test_interface()
{
	local i

	: > "$log"
	for i in 1 2; do
		ip link del sl0
		busywait 5000 said "sl0 1:1: the sluice qdisc is gone"
		check_err $? "nothing said: $(cat "$log")"
		make_link
		check_err $? "the interface cannot be made again"
		busywait 10000 source_is learned
		check_err $? "round $i: not controlled again: $($sluice status)"
	done
	# Within one epoch, so that its counters seem to go backwards.
	printf 'qdisc del dev sl0 root\nqdisc add dev sl0 root handle 1: tbf rate 20mbit burst 16k
		limit 8000000\nqdisc add dev sl0 parent 1:1 handle 10: sluice\n' |
		tr -d '\t' | sed -e ':a' -e 'N' -e '$!ba' -e 's/16k\n/16k /' | tc -b -
	check_err $? "the qdisc cannot be replaced"
	busywait 10000 source_is learned
	check_err $? "not controlled after it was replaced: $($sluice status)"
	[ "$($sluice -j status | jq '.ecn.queues | length')" = 1 ]
	check_err $? "more queues than there are: $($sluice status)"
	[ "$(grep -vc "qth .*->" "$log")" -le 12 ]
	check_err $? "a storm of lines: $(cat "$log")"
}

test_module()
{
	: > "$log"
	tc qdisc del dev sl0 root
	busywait 3000 rmmod sch_sluice
	check_err $? "the module cannot be removed"
	busywait 10000 said "the module sch_sluice is not loaded"
	check_err $? "not missed: $(cat "$log")"
	load_module
	make_queue
	busywait 10000 source_is learned
	check_err $? "not controlled: $($sluice status)"
	busywait 10000 said "the module sch_sluice is loaded now"
	check_err $? "not said: $(cat "$log")"
	[ "$(grep -vc "qth .*->" "$log")" -le 10 ]
	check_err $? "a storm of lines: $(cat "$log")"
}

# The daemon stops in the middle of everything: the lease ends what it held, and it goes on.
test_stopped()
{
	kill -STOP "$daemon"
	busywait 6000 source_is baseline
	check_err $? "source is $(value source) under a stopped daemon"
	kill -CONT "$daemon"
	busywait 10000 source_is learned
	check_err $? "it did not go on: $($sluice status)"
	daemon_stop "$daemon"
	check_err $? "exit status $?"
	source_is baseline
	check_err $? "source is $(value source) after the stop"
}

setup || skip_all "cannot set up sl0, its qdiscs and the daemon"
run_test test_clock "the wall clock jumps, and nothing else does"
run_test test_interface "an interface that is deleted and comes back is controlled again"
run_test test_module "so is a qdisc of a module that was reloaded"
run_test test_stopped "a daemon that is stopped loses the queue by its lease, and takes it again"
tap_end
