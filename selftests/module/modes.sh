#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm
# Marking when a packet leaves, by packets instead of bytes, by waiting time; what is counted
# for each triple; who waits for a change is told. The gate is common.bash's.
. "$(dirname "$0")/../lib.sh"
. selftests/module/common.bash
module_setup
require_build build/selftests/module/poll_attr
cp build/selftests/module/poll_attr "$tmpdir/bin"
link_setup || exit 1

# fill COUNT TOS PAYLOAD [KNOB=VALUE...]: into a closed gate; sets $passed.
fill()
{
	local count=$1 tos=$2 bytes=$3

	shift 3
	gated "$@"
	check_err $? "cannot set up the queue"
	receiver 5000 "$count"
	$udp send 10.9.0.2 5000 "$count" "$bytes" "$tos"
	read -r passed < "$q/stats/packets"
	check_range "packets that passed the closed gate" "$passed" 1 16
}

# Ten packets or more behind a leaving one mark it; open_gate adds one to the queue.
test_dequeue()
{
	fill 40 2 $payload mark_dequeue=1 qth_min=10000 qth_max=10000
	check_files "0 0" stats/ce_packets stats/early_drops
	open_gate
	received 5000
	check_equal "marks received" "$ce" $((40 - passed + 1 - 10))
	check_equal "first marked" "$first_ce" "$passed"
	check_equal "reordered" "$reordered" 0
	check_files "$ce $((ce * frame)) 0" stats/ce_packets stats/ce_bytes stats/ce_sojourn_packets
	dump sl0 1:1
	check_equal "overlimits in tc" "${tc[overlimits]}" "$ce"
	ungate
	# What is not ECN-capable cannot be marked, and is still judged on arrival.
	gated mark_dequeue=1 qth_min=10000 qth_max=10000 drop_non_ect=1
	$udp send 10.9.0.2 5000 20 $payload 0
	read -r passed < "$q/stats/packets"
	check_files "$((20 - passed - 10)) 10" stats/early_drops stats/backlog_packets
	ungate
}

# Packets of 142 bytes count as 1500: the threshold is at the tenth, not at the hundred-and-fifth.
test_packet_mode()
{
	fill 40 2 100 packet_mode=1 qth_min=15000 qth_max=15000
	open_gate
	received 5000
	check_equal "first marked" "$first_ce" $((passed + 10))
	check_equal "marks received" "$ce" $((40 - passed - 10))
	ungate
	fill 40 2 100 packet_mode=0 qth_min=15000 qth_max=15000
	open_gate
	received 5000
	check_equal "marks received in bytes" "$ce" 0
	ungate
	# A GSO packet counts its segments: two of 8 are 24000. (TBF would segment them; HTB does not.)
	tc qdisc add dev sl0 root handle 2: htb default 1
	tc class add dev sl0 parent 2: classid 2:1 htb rate 32kbit burst 1600 cburst 1600 quantum 2000
	$nl add sl0 2:1/20 packet_mode=1 qth_min=24000 qth_max=24000
	q=$net/sl0/sluice/2:1
	$udp send 10.9.0.2 5000 48 $payload 2 8
	read -r passed < "$q/stats/packets"
	check_equal "segments that passed, modulo 8" $((passed % 8)) 0
	check_files $((48 - passed - 16)) stats/ce_packets
	ungate
}

# Those that waited too long are marked, also with the histogram off; those that did not are not.
test_ce_threshold()
{
	local old

	fill 20 2 $payload ce_threshold_us=$((1500000 * slow)) sojourn=0 qth_min=1000000 qth_max=1000000
	old=$passed
	pause 1700
	receiver 5001 5
	$udp send 10.9.0.2 5001 5 $payload 2
	open_gate
	received 5000
	check_equal "marks of those that waited" "$ce" $((20 - old))
	check_equal "first marked" "$first_ce" "$old"
	received 5001
	check_equal "marks of those that did not" "$ce" 0
	check_files "$((20 - old)) $((20 - old)) $(((20 - old) * frame)) 0" stats/ce_packets \
		stats/ce_sojourn_packets stats/ce_sojourn_bytes stats/sojourn_samples
	ungate
}

# source generation packets ce_packets of an epoch.
check_epoch() { check_files "$2" "$1"/{source,generation,packets,ce_packets}; }

test_epochs()
{
	local elapsed

	tc qdisc add dev sl0 root sluice
	q=$net/sl0/sluice/root
	check_files "0 0" epoch/since_ns epoch_before/since_ns
	$udp send 10.9.0.2 5000 10 $payload 2
	check_epoch epoch "0 0 10 0"
	check_write "0 0 0 60000 7" "$q/learned"
	check_epoch epoch "0 0 10 0"		# until a packet comes
	$udp send 10.9.0.2 5000 5 $payload 2
	check_epoch epoch "1 7 5 5"
	check_epoch epoch_before "0 0 10 0"
	check_write "0 0 0 60000 7" "$q/learned"	# renewed: the same one
	$udp send 10.9.0.2 5000 1 $payload 2
	check_epoch epoch "1 7 6 6"
	check_write 190000 "$q/qth_max"
	$udp send 10.9.0.2 5000 3 $payload 2
	check_epoch epoch "0 1 3 0"
	check_epoch epoch_before "1 7 6 6"
	read -r elapsed < "$q/epoch_before/elapsed_ns"
	check_range "its nanoseconds" "$elapsed" 1 60000000000
	check_files "19 6" stats/packets stats/ce_packets
	tc qdisc del dev sl0 root
}

# notified MS COMMAND...: whether the file "source" notifies within that time after COMMAND.
notified()
{
	local ms=$1

	shift
	: > "$tmpdir/poll"
	start poll_attr "$q/source" "$ms" > "$tmpdir/poll"
	busywait 5000 grep -q ready "$tmpdir/poll"
	"$@"
	busywait $((ms + 2000)) pid_gone "$pid"
	grep -q changed "$tmpdir/poll"
}
lease() { check_write "1000 2000 300000 $1 $2" "$q/learned"; }

test_notify()
{
	tc qdisc add dev sl0 root sluice
	q=$net/sl0/sluice/root
	notified 5000 lease 60000 1; check_err $? "a learned triple did not notify"
	notified 5000 $nl change sl0 root qth_min=5; check_err $? "a netlink change did not notify"
	notified 500 true; check_fail $? "notified though nothing happened"
	# The lease ends, and no packet comes.
	lease $((800 * slow)) 2
	notified 10000 true; check_err $? "the end of a lease did not notify"
	check_files "baseline 1" source lease_expired
	# It goes while somebody waits, and while work is due.
	lease 300 3
	tc qdisc del dev sl0 root
	sleep 0.5
	[ ! -e "$q" ]; check_err $? "$q is still there"
}

run_test test_dequeue "marking when a packet leaves, by what is behind it"
run_test test_packet_mode "the ramp over packets"
run_test test_ce_threshold "marking by waiting time"
run_test test_epochs "counters for each triple in force"
run_test test_notify "who polls is told of changes and of a lease's end"
tap_end
