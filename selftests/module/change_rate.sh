#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm
# A thousand changes a second by netlink, by sysfs and by the daemon's file, each, while packets
# go through: none is lost or overtaken, and the books of the parents balance. Below TBF, which cuts GSO
# packets into segments, and below HTB, which does not.
. "$(dirname "$0")/../lib.sh"
. selftests/module/common.bash
module_setup
require_build build/selftests/module/change_load
cp build/selftests/module/change_load "$tmpdir/bin"
link_setup || exit 1
# A veth delivers on the CPU that sends, and what two CPUs deliver may change places there. One CPU
# takes it all, in the order in which it left the qdisc.
sysfs_ns rcv bash -c 'echo 1 > /sys/class/net/eth0/queues/rx-0/rps_cpus' || exit 1
sysctl -qw net.core.netdev_max_backlog=100000

rate=1000
seconds=${SLUICE_CHANGE_SECONDS:-3}
# A rate that the sender exceeds, and what each writer gets done at least. The debug kernel is slow.
flow_rate=20mbit least=50
[ -z "${SLUICE_VM_DEBUG:-}" ] || flow_rate=2mbit least=10

# shaped tbf|htb RATE: sluice below it, with room for everything. Sets $q and $parent.
shaped()
{
	case $1 in
	tbf)
		parent=1:1
		tc qdisc add dev sl0 root handle 1: tbf rate "$2" burst 4000 limit 100mb ;;
	htb)
		parent=2:1
		tc qdisc add dev sl0 root handle 2: htb default 1
		tc class add dev sl0 parent 2: classid 2:1 htb rate "$2" burst 4000 cburst 4000 \
			quantum 2000 ;;
	esac && $nl add sl0 "$parent/20" limit_pkts=1000000 limit_bytes=100000000 qth_min=50000 qth_max=50000
	check_err $? "cannot set up $1"
	q=$net/sl0/sluice/$parent
}

# begin_changes / end_changes: all three writers; sets $changes to the number of the operator's writes.
begin_changes()
{
	local by

	writers=()
	for by in netlink sysfs learned; do
		start change_load sl0 "$parent" $by $rate $seconds > "$tmpdir/$by" 2> "$tmpdir/$by.err"
		writers+=("$pid")
	done
}
end_changes()
{
	local by accepted refused failed per_second text=''

	changes=0
	wait "${writers[@]}"
	for by in netlink sysfs learned; do
		accepted=0 refused=-1 failed=-1 per_second=0
		eval "$(cat "$tmpdir/$by")"
		check_equal "$by: refused, failed" "$refused $failed" "0 0"
		check_range "$by: changes" "$accepted" $least 100000
		[ $by = learned ] || changes=$((changes + accepted))
		text+=" $by $per_second/s"
	done
	diag "achieved:$text"
	check_files $changes manual_gen
}

# backlogs: "BYTESb PACKETSp" of each qdisc on the device.
backlogs() { tc -s qdisc show dev sl0 | awk '$1 == "backlog" { print $2, $3 }'; }

# A packet may leave between the two readings.
balanced()
{
	dump sl0 "$parent"
	[ "$(backlogs | sort -u)" = "${stats[backlog_bytes]}b ${stats[backlog_packets]}p" ]
}

# Traffic lasts as long as the changes, through a queue that is always long.
flowing()	# tbf|htb SEGMENTS
{
	local count=$((seconds * 2400 / $2 * $2)) marks

	shaped "$1" $flow_rate
	receiver 5000 $count
	begin_changes
	$udp send 10.9.0.2 5000 $count $payload 2 "$2"
	end_changes
	received 5000 60000
	check_equal "packets received, reordered" "$packets $reordered" "$count 0"
	dump sl0 "$parent"
	marks=${stats[ce_packets]}
	check_equal "marks received" "$ce" "$marks"
	check_range "marks" "$marks" 1 $count
	check_equal "packets, drops" "${stats[packets]} ${tc[drops]} ${stats[limit_drops]}" "$count 0 0"
	check_equal "backlog, queue length" "${tc[backlog]} ${tc[qlen]}" "0 0"
	check_equal "backlogs of all qdiscs" "$(backlogs | sort -u)" "0b 0p"
	tc -s qdisc show dev sl0 | grep dropped | grep -qv 'dropped 0,'
	check_fail $? "a parent dropped: $(tc -s qdisc show dev sl0)"
	ungate
}

# A closed gate: whatever is changed meanwhile, what is queued stays and the parent has counted the same.
held()		# tbf|htb SEGMENTS
{
	local count=1600

	# HTB lets the class wait for what the first packet cost at this rate.
	shaped "$1" "$([ "$1" = tbf ] && echo 1kbit || echo $((32 / slow))kbit)"
	receiver 5000 $count
	begin_changes
	$udp send 10.9.0.2 5000 $count $payload 2 "$2"
	end_changes
	balanced || balanced || balanced
	check_err $? "backlogs of all qdiscs are $(backlogs | sort -u | xargs), ours ${stats[backlog_bytes]}b \
${stats[backlog_packets]}p"
	check_range "packets that left" "${stats[packets]}" 0 $((count / 10))
	check_range "queue entries" "${stats[backlog_packets]}" $((count * 9 / 10 / $2)) $((count / $2))
	case $1 in
	tbf) tc qdisc change dev sl0 root handle 1: tbf rate 10gbit burst 1mb limit 100mb ;;
	htb) tc class change dev sl0 parent 2: classid 2:1 htb rate 1gbit burst 1mb cburst 1mb \
			quantum 2000 ;;
	esac
	$udp send 10.9.0.2 9 1 $payload 0
	busywait 30000 queue_empty
	check_err $? "the queue does not drain"
	received 5000 20000
	check_equal "packets received, reordered" "$packets $reordered" "$count 0"
	check_equal "backlogs of all qdiscs" "$(backlogs | sort -u)" "0b 0p"
	ungate
}

test_tbf() { flowing tbf 1; }
test_tbf_gso() { flowing tbf 8; }
test_htb() { flowing htb 1; }
test_htb_gso() { flowing htb 8; }
test_held_tbf() { held tbf 1; }
test_held_htb_gso() { held htb 8; }

run_test test_tbf "below TBF: nothing lost or overtaken"
run_test test_tbf_gso "below TBF with GSO packets"
run_test test_htb "below HTB"
run_test test_htb_gso "below HTB with GSO packets"
run_test test_held_tbf "a held queue below TBF: its parent counts the same"
run_test test_held_htb_gso "a held queue of GSO packets below HTB"
tap_end
