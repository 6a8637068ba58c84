#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm timeout=600
# Qdiscs, their directories and the module come and go by the thousand while files are read and
# written. (place.sh has one of each: replacement, rename, move, deletion, unloading.)
#
#	selftests/module/lifetime.sh [ROUNDS]
#
# ROUNDS of creation and destruction, SLUICE_CHURN_ROUNDS or 200 by default; 10000 is the proof:
#
#	scripts/vm_run.sh --timeout 1800 -- selftests/module/lifetime.sh 10000
. "$(dirname "$0")/../lib.sh"
. selftests/module/common.bash
module_setup
require_tool mount umount
link_setup || exit 1

rounds=${1:-${SLUICE_CHURN_ROUNDS:-200}}
# The smallest thing a qdisc allocates is its settings, 256 bytes; if each round lost them, it would
# show. Beyond that slabs keep pages of their own for each CPU.
tolerance_kib=$((rounds * 128 / 1024))
[ $tolerance_kib -ge 256 ] || tolerance_kib=256

refcnt() { cat /sys/module/sch_sluice/refcnt; }
refcnt_is() { [ "$(refcnt)" = "$1" ]; }
refs()
{
	busywait 10000 refcnt_is "$1"
	check_err $? "the module has $(refcnt) references, expected $1"
}

# hammer DIRECTORY NAME: reads and writes everything below it, there or not, until TERM; the numbers
# of reads and writes that succeeded go to $tmpdir/NAME.
hammer()
{
	local reads=0 writes=0 file

	trap 'echo "$reads $writes" > "$tmpdir/$2"; exit 0' TERM
	while true; do
		for file in "$1"/* "$1"/stats/*; do
			[ ! -f "$file" ] || ! read -r _ < "$file" || reads=$((reads + 1))
		done
		! printf %d $((RANDOM % 60000)) > "$1/qth_min" || writes=$((writes + 1))
		! printf '1 2 3 10 5' > "$1/learned" || writes=$((writes + 1))
		! printf 1 > "$1/sojourn" || writes=$((writes + 1))
	done 2> /dev/null
}

# hammered NAME...: ends these, in the order of their $pids; each must have met living files.
hammered()
{
	local name reads=0 writes=0 i=0

	for name; do
		stop_pid "${pids[i]}" 10000
		i=$((i + 1))
		read -r reads writes < "$tmpdir/$name"
		diag "$name: $reads reads and $writes writes succeeded"
		[ "$reads" -gt 0 ] && [ "$writes" -gt 0 ]
		check_err $? "$name never met a qdisc: $reads reads, $writes writes"
	done
}

# Slabs that cannot be reclaimed, and per-CPU memory, when caches and RCU's leftovers are gone.
used_kib()
{
	echo 3 > /proc/sys/vm/drop_caches
	awk '/^(SUnreclaim|Percpu):/ { sum += $2 } END { print sum }' /proc/meminfo
}
used_at_most()
{
	used=$(used_kib)
	echo "$used"
	[ "$used" -le "$1" ]
}

# churn N: creates and destroys a qdisc so often, as the root and with another handle as its successor.
churn()
{
	awk -v n="$1" 'BEGIN {
		for (i = 0; i < n; i += 2) {
			print "qdisc add dev sl0 root handle 1: sluice"
			print "qdisc replace dev sl0 root handle 2: sluice"
			print "qdisc del dev sl0 root"
		}
	}' > "$tmpdir/batch"
	tc -batch "$tmpdir/batch" > "$tmpdir/out" 2>&1
	check_err $? "tc -batch: $(tail -n 2 "$tmpdir/out")"
}

test_churn()
{
	local before start pids=()

	start hammer $net/sl0/sluice/root churn1
	pids=("$pid")
	start hammer $net/sl0/sluice/root churn2
	pids+=("$pid")
	churn 100		# what grows once has grown
	before=$(used_kib)
	start=$(now_ms)
	churn "$rounds"
	diag "$rounds qdiscs made and destroyed in $(($(now_ms) - start)) ms"
	hammered churn1 churn2
	[ ! -e $net/sl0/sluice ]
	check_err $? "a directory is left"
	refs 0
	used=$(busywait 15000 used_at_most $((before + tolerance_kib)))
	check_err $? "memory grew from $before to $used KiB, tolerance $tolerance_kib"
	diag "SUnreclaim + Percpu: $before KiB before, $used KiB after (tolerance $tolerance_kib)"
}

# A device with 16 default children goes, with traffic on it and files open.
test_many_queues()
{
	local i fd pids=()

	sysctl -qw net.core.default_qdisc=sluice
	for i in 1 2; do
		ip link add sl1 numtxqueues 16 address 02:00:00:00:00:11 type veth peer name sl2
		ip address add 10.9.1.1/24 dev sl1
		ip link set sl1 up
		ip link set sl2 up
		tc qdisc replace dev sl1 root handle 5: mq
		ip neigh add 10.9.1.2 lladdr 02:00:00:00:00:0f dev sl1 nud permanent
		[ -d $net/sl1/sluice/5:10 ]
		check_err $? "16 queues: $(echo $net/sl1/sluice/*)"
		start hammer $net/sl1/sluice/5:1 queues1
		pids=("$pid")
		start hammer $net/sl1/sluice/5:10 queues2
		pids+=("$pid")
		exec {fd}< $net/sl1/sluice/5:7/stats/packets
		$udp send 10.9.1.2 5000 1000000 $payload 2 2> /dev/null &
		pids+=($!)
		busywait 5000 any_packets
		check_err $? "no traffic"
		ip link del sl1
		check_err $? "ip link del"
		hammered queues1 queues2
		kill "${pids[2]}" 2> /dev/null
		wait "${pids[2]}" 2> /dev/null
		read -r -u "$fd" _ 2> /dev/null
		check_fail $? "a file of a deleted device still reads"
		exec {fd}<&-
		refs 1
	done
	sysctl -qw net.core.default_qdisc=pfifo_fast
	refs 0
}
any_packets() { cat $net/sl1/sluice/*/stats/packets | grep -qv '^0$'; }

# A namespace dies with everything in it, seen through its sysfs by somebody outside.
test_namespace_dies()
{
	local fd pids

	ns_create dying
	mkdir "$tmpdir/sys"
	in_ns dying ip link add sl1 type veth peer name sl2
	in_ns dying ip link set sl1 up
	in_ns dying tc qdisc add dev sl1 root sluice
	in_ns dying mount -t sysfs sysfs "$tmpdir/sys"
	defer umount "$tmpdir/sys"
	start hammer "$tmpdir/sys/class/net/sl1/sluice/root" dying
	pids=("$pid")
	exec {fd}<> "$tmpdir/sys/class/net/sl1/sluice/root/qth_min"
	refs 3		# the qdisc, its directory and the device's
	busywait 5000 changed "$tmpdir/sys/class/net/sl1/sluice/root"
	ip netns del "$ns_dying"
	refs 0
	hammered dying
	printf 5 2> /dev/null 1>&"$fd"
	check_fail $? "a file of a dead namespace takes a write"
	exec {fd}>&-
	umount "$tmpdir/sys"
}
changed() { ! grep -q '^0$' "$1/manual_gen"; }

# What is open when the device gets another name goes on; when it moves, the qdisc dies.
test_open_files()
{
	local fd

	ns_create other
	ip link add sl1 type veth peer name sl2
	tc qdisc add dev sl1 root sluice
	exec {fd}> $net/sl1/sluice/root/qth_min
	ip link set sl1 name slr1
	printf 77 2> "$tmpdir/out" 1>&"$fd"
	check_err $? "a file opened under the old name: $(cat "$tmpdir/out")"
	check_equal "qth_min under the new name" "$(cat $net/slr1/sluice/root/qth_min)" 77
	ip link set slr1 netns "$ns_other"
	check_err $? "move"
	printf 78 2> /dev/null 1>&"$fd"
	check_fail $? "a file of a qdisc that died by a move takes a write"
	exec {fd}>&-
	refs 0
	in_ns other ip link del slr1
}

# Unloading races with creation, readers and writers; who uses it keeps it.
test_unload()
{
	local i pids unloaded=0 ko
	ko=build/kmod/$(uname -r)/sch_sluice.ko

	sysctl -qw net.core.default_qdisc=sluice
	rmmod sch_sluice 2> /dev/null
	check_fail $? "rmmod succeeded while sluice is the default qdisc"
	sysctl -qw net.core.default_qdisc=pfifo_fast

	start hammer $net/sl0/sluice/root unload
	pids=("$pid")
	for ((i = 0; i < 6; i++)); do
		tc qdisc add dev sl0 root sluice
		check_err $? "tc qdisc add in round $i"
		rmmod sch_sluice 2> /dev/null
		check_fail $? "rmmod succeeded in round $i, with a qdisc"
		tc qdisc replace dev sl0 root handle 7: sluice &
		tc qdisc del dev sl0 root 2> /dev/null
		rmmod sch_sluice 2> /dev/null && unloaded=$((unloaded + 1))
		wait $!
		tc qdisc del dev sl0 root 2> /dev/null
		[ -d /sys/module/sch_sluice ] || insmod "$ko"
		check_err $? "insmod in round $i"
	done
	hammered unload
	diag "unloaded $unloaded times beside a creation"
	refs 0
	rmmod sch_sluice && insmod "$ko"
	check_err $? "rmmod and insmod at the end"
}

run_test test_churn "$rounds qdiscs come and go below readers and writers, memory is given back"
run_test test_many_queues "16 queues die with their device under traffic"
run_test test_namespace_dies "a namespace dies with its qdisc"
run_test test_open_files "open files live through a rename and end with a move"
run_test test_unload "unloading beside creation, readers and writers"
tap_end
