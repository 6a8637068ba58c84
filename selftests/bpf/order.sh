#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=300
#
# Does a move reorder? Two CPUs, more than a million packets of five hundred
# flows, their buckets moved five thousand times a second, on a veth. The
# receiver counts packets that come after a later one of their flow; and the
# same experiment must see reordering when the hold is switched off.
#
#	+------- snd -------+          +------------ rcv -------------+
#	| order send        |----------| xdp_steer -> cpumap -> recv  |
#	| 10.9.0.1/24       |          | 10.9.0.2/24      order move  |
#	+-------------------+          +------------------------------+

. "$(dirname "$0")/../lib.sh"
require_root
require_tool ip ethtool
require_build build/sluice build/selftests/lab/order
[ "$(nproc)" -gt 1 ] || skip_all "needs two CPUs"
ensure_bpffs

sluice=build/sluice
order=build/selftests/lab/order
dev=rcv$$
ns_create snd rcv
veth_pair snd snd$$ 10.9.0.1/24 rcv $dev 10.9.0.2/24 || skip_all "cannot make a veth pair"
in_ns snd ethtool -K snd$$ tx off > /dev/null

# field FILE NAME: the value of "NAME=value" in it.
field() { sed -n "s/.*\b$2=\([0-9]*\).*/\1/p" "$1"; }
bound() { in_ns rcv ss -Huln "sport = :7000" | grep -q .; }

# with_traffic COMMAND…: fills received and shown in $tmpdir while COMMAND runs.
with_traffic()
{
	local receiver sender

	in_ns rcv $sluice load $dev cpus 0,1 qsize 2048 > /dev/null; check_err $? "load"
	start in_ns rcv $order recv 7000 > "$tmpdir/received"
	receiver=$pid
	busywait 3000 bound; check_err $? "the receiver did not come up"
	start in_ns snd $order send 10.9.0.2 7000 500 3000000 > "$tmpdir/sent"
	sender=$pid
	"$@"
	busywait 60000 pid_gone "$sender"; check_err $? "the sender did not end"
	# The receiver ends when what is in its socket is read.
	sleep 1
	stop_pid "$receiver"
	in_ns rcv $sluice -j cpu show $dev > "$tmpdir/shown"
	in_ns rcv $sluice unload $dev; check_err $? "unload"
	sed 's/^/# /' "$tmpdir/received"
}

# moves SECONDS [no-hold]
moves()
{
	in_ns rcv $order move $dev 5000 "$@" > "$tmpdir/moved"; check_err $? "move"
	sed 's/^/# /' "$tmpdir/moved"
}

# shown NAME: the number in "cpu show", of the whole run.
shown() { sed -n "s/^ *\"$1\": \([0-9]*\),*/\1/p" "$tmpdir/shown"; }

test_hold_keeps_order()
{
	with_traffic moves 8
	[ "$(field "$tmpdir/received" received)" -ge 1000000 ]
	check_err $? "fewer than a million packets arrived"
	[ "$(field "$tmpdir/moved" busy)" -ge 1000 ]
	check_err $? "fewer than 1000 moves from a CPU with a non-empty ring"
	[ "$(field "$tmpdir/moved" forced)" = 0 ]; check_err $? "moves were forced"
	[ "$(field "$tmpdir/received" reordered)" = 0 ]
	check_err $? "the receiver saw packets out of order"
	[ "$(field "$tmpdir/moved" numbered)" -ge 10000 ]
	check_err $? "hardly any packet's order was checked in the kernel"
	[ "$(field "$tmpdir/moved" overtaken)" = 0 ]
	check_err $? "the kernel counted packets out of order"
}

# The kernel looks at some flows only; its share must be what the receiver finds, within a factor of 2.
shares_agree()
{
	awk -v a="$(shown reordered)" -v n="$(shown order_checked)" \
	    -v b="$(field "$tmpdir/received" reordered)" -v m="$(field "$tmpdir/received" received)" \
	    'BEGIN { r = (a / n) / (b / m); print "# share in the kernel / at the receiver:", r
		     exit !(r > 0.5 && r < 2) }'
}

test_without_hold()
{
	local attempt

	# Packets change places only where rings hold some: on a machine with other things to do
	# the sender may be too slow for that.
	for attempt in 1 2 3; do
		with_traffic moves 5 no-hold
		[ "$(field "$tmpdir/received" reordered)" -lt 100 ] || break
	done
	[ "$(field "$tmpdir/moved" forced)" -ge 100 ]; check_err $? "no move was forced"
	[ "$(field "$tmpdir/received" reordered)" -ge 100 ]
	check_err $? "the receiver saw no reordering: the other test proves nothing"
	shares_agree; check_err $? "the kernel's counter and the receiver do not agree"
}

# load ARGUMENT…: what cannot leave a CPU in order, since the ring there never drains between two
# packets of a flow, is refused with the advice to try again. The sender is not paced: follow it.
load()
{
	local attempt

	for attempt in {1..10}; do
		in_ns rcv $sluice load $dev "$@" > /dev/null 2> "$tmpdir/refused" && return 0
		sed 's/^/# /' "$tmpdir/refused"
		grep -q 'try again later' "$tmpdir/refused" || return 1
	done
	return 1
}

# An entry that goes or changes has its CPU evacuated; in the meantime every packet has a way.
retargets()
{
	local how

	for how in 'cpus 0' 'cpus 0,1' 'cpus 1' 'cpus 0,1 qsize 1024' 'cpus 0,1 qsize 4096'; do
		load $how; check_err $? "load $how"
	done
	in_ns rcv $sluice flow set $dev udp 10.9.0.1:9 10.9.0.2:7000 cpu 1; check_err $? "flow set"
	load cpus 0; check_err $? "load with an assigned flow"
	in_ns rcv $sluice flow show $dev | grep -q "udp 10.9.0.1:9 10.9.0.2:7000 by its bucket"
	check_err $? "a flow is assigned to a CPU that is no target"
}

test_evacuation()
{
	with_traffic retargets
	[ "$(shown completed)" -ge 500 ]; check_err $? "$(shown completed) moves, some 2000 were due"
	[ "$(shown forced)" = 0 ]; check_err $? "$(shown forced) moves were forced"
	[ "$(field "$tmpdir/received" reordered)" = 0 ]
	check_err $? "the receiver saw packets out of order"
	! grep -q '"no_cpu"' "$tmpdir/shown"; check_err $? "packets found no cpumap entry"
}

run_test test_hold_keeps_order "a million packets, thousands of moves, none out of order"
run_test test_without_hold "without the hold the same experiment sees reordering"
run_test test_evacuation "CPUs go, come and change their ring under traffic, in order"
tap_end
