#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm
# Where a qdisc's directory is and how long it lives: parents, replacement, rename, namespaces,
# deletion under traffic, permissions, unloading.
. "$(dirname "$0")/../lib.sh"
. selftests/module/common.bash
module_setup
require_tool unshare setpriv
link_setup || exit 1

gone()
{
	[ ! -e "$net/$1/sluice" ]
	check_err $? "$net/$1/sluice is still there"
}

# dirs DEV: names of the directories, sorted.
dirs() { (cd "$net/$1/sluice" && echo *); }

test_mq()
{
	ip link add sl1 numtxqueues 3 type veth peer name sl2
	ip link set sl1 up
	tc qdisc add dev sl1 root handle 5: mq
	# Replaced one by one, then as default children of another mq.
	tc qdisc add dev sl1 parent 5:2 handle a0: sluice
	check_err $? "sluice under mq"
	check_equal "directories" "$(dirs sl1)" "5:2"
	tc qdisc del dev sl1 root
	gone sl1
	sysctl -qw net.core.default_qdisc=sluice
	check_err $? "default_qdisc=sluice"
	tc qdisc add dev sl1 root handle 1f: mq
	check_equal "directories" "$(dirs sl1)" "1f:1 1f:2 1f:3"
	check_write 7 $net/sl1/sluice/1f:1/qth_min
	check_write 8 $net/sl1/sluice/1f:3/qth_min
	check_equal "each has its own" "$(cd $net/sl1/sluice && cat */qth_min | tr '\n' ' ')" \
		"7 60000 8 "
	$nl show sl1 1f:3 | grep -q '^option qth_min 8$'
	check_err $? "the dump of a default child has no options"
	# The new mq's children appear while the old one's still live.
	tc qdisc replace dev sl1 root handle 20: mq
	check_equal "directories" "$(dirs sl1)" "20:1 20:2 20:3"
	tc qdisc del dev sl1 root
	gone sl1
	ip link del sl1
}

# A real device gets mq or a single default qdisc when it comes up.
test_default_root()
{
	ip link add sl3 type ifb 2> /dev/null && ip link add sl4 numtxqueues 2 type ifb || {
		sysctl -qw net.core.default_qdisc=pfifo_fast
		return 4
	}
	ip link set sl3 up
	ip link set sl4 up
	check_equal "one queue" "$(dirs sl3)" root
	check_equal "two queues" "$(dirs sl4)" "0:1 0:2"
	sysctl -qw net.core.default_qdisc=pfifo_fast
	ip link del sl3
	ip link del sl4
}

# A new handle in the same place: the directory stays, and speaks for the new qdisc.
test_replace()
{
	tc qdisc add dev sl0 root handle 10: sluice
	q=$net/sl0/sluice/root
	check_write 123 "$q/qth_min"
	tc qdisc replace dev sl0 root handle 20: sluice
	check_err $? "replace by another handle"
	check_files "60000 0" qth_min manual_gen
	check_write 124 "$q/qth_min"
	$nl show sl0 root | grep -q '^option qth_min 124$'
	check_err $? "a write did not reach the new qdisc"

	# Without another handle it is the same qdisc that goes on.
	tc qdisc replace dev sl0 root sluice
	check_files "124 1" qth_min manual_gen

	# A replacement that fails after its initialisation: the old one shows again.
	$nl replace sl0 root/30 badrate qth_min=5 2> /dev/null
	check_fail $? "a malformed rate estimator was accepted"
	check_files "124 1" qth_min manual_gen
	tc qdisc show dev sl0 | grep -q 'sluice 20: root'
	check_err $? "the old qdisc is gone"

	tc qdisc replace dev sl0 root handle 40: pfifo
	gone sl0
	$nl add sl0 root/50 badrate 2> /dev/null
	gone sl0
	tc qdisc del dev sl0 root
}

test_rename()
{
	tc qdisc add dev sl0 root sluice
	ip link set sl0 down
	ip link set sl0 name slr0
	check_write 55 $net/slr0/sluice/root/qth_min
	$nl show slr0 root | grep -q '^option qth_min 55$'
	check_err $? "a write under the new name did not arrive"
	ip link set slr0 name sl0
	q=$net/sl0/sluice/root
	check_files 55 qth_min
	tc qdisc del dev sl0 root
	ip link set sl0 up
	ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev sl0 nud permanent
}

test_netns_move()
{
	ns_create other
	ip link add sl1 type veth peer name sl2
	tc qdisc add dev sl1 root sluice
	[ -d $net/sl1/sluice/root ]
	check_err $? "no directory"
	ip link set sl1 netns "$ns_other"
	check_err $? "move"
	in_ns other tc qdisc show dev sl1 | grep -q sluice
	check_fail $? "the qdisc moved along; this test must follow it"
	sysfs_ns other test ! -e $net/sl1/sluice
	check_err $? "the directory moved along"
	in_ns other tc qdisc add dev sl1 root sluice
	sysfs_ns other cat $net/sl1/sluice/root/qth_min > "$tmpdir/out"
	check_equal "qth_min in the other namespace" "$(cat "$tmpdir/out")" 60000
	[ ! -e $net/sl1 ]
	check_err $? "sl1 is visible here"
	in_ns other ip link del sl1
}

# Only who may administer the device's namespace may write.
test_permissions()
{
	local f=$net/sl0/sluice/root/qth_min sh
	sh='{ printf 9 > "$0"; } 2> "$1" && exit 1; grep -q "$2" "$1"'

	tc qdisc add dev sl0 root sluice
	: > "$tmpdir/denied"
	chmod 777 "$tmpdir"
	chmod 666 "$tmpdir/denied"
	setpriv --reuid 65534 --regid 65534 --clear-groups \
		bash -c "$sh" $f "$tmpdir/denied" "Permission denied"
	check_err $? "an unprivileged user: $(cat "$tmpdir/denied")"
	setpriv --inh-caps -net_admin --bounding-set -net_admin \
		bash -c "$sh" $f "$tmpdir/denied" "Operation not permitted"
	check_err $? "root without CAP_NET_ADMIN: $(cat "$tmpdir/denied")"
	unshare --user --map-root-user \
		bash -c "$sh" $f "$tmpdir/denied" "Operation not permitted"
	check_err $? "root of a user namespace: $(cat "$tmpdir/denied")"
	setpriv --inh-caps -net_admin --bounding-set -net_admin bash -c "$sh" \
		$net/sl0/sluice/root/learned "$tmpdir/denied" "Operation not permitted"
	check_err $? "learned without CAP_NET_ADMIN: $(cat "$tmpdir/denied")"
	q=$net/sl0/sluice/root
	check_files "60000 0" qth_min manual_gen
	tc qdisc del dev sl0 root

	# In a network namespace of its own the same root may, and the files are its own.
	setpriv --reuid 65534 --regid 65534 --clear-groups \
		unshare --user --map-root-user --net --mount bash -c '
		mount -t sysfs sysfs /sys &&
		ip link add sl1 type veth peer name sl2 && tc qdisc add dev sl1 root sluice &&
		echo 9 > /sys/class/net/sl1/sluice/root/qth_min &&
		[ "$(cat /sys/class/net/sl1/sluice/root/qth_min)" = 9 ] &&
		[ -O /sys/class/net/sl1/sluice/root/qth_min ] &&
		[ -O /sys/class/net/sl1/sluice/root/stats ]' 2> "$tmpdir/denied"
	check_err $? "root of its own network namespace: $(cat "$tmpdir/denied")"
}

# Everything is changed under traffic, by all three writers; no packet is lost or overtaken.
test_change_under_traffic()
{
	local i n=0 sender

	tc qdisc add dev sl0 root handle 1: tbf rate 4mbit burst 5000 limit 100mb
	$nl add sl0 1:1/10 limit_pkts=1000000 limit_bytes=100000000
	q=$net/sl0/sluice/1:1
	receiver 5000 4000
	start $udp send 10.9.0.2 5000 4000 $payload 2
	sender=$pid
	while [[ $(< "$tmpdir/rcv.5000") != *packets=* ]] && [ $n -lt 5000 ]; do
		for i in qth_min:$((n % 7 * 1000)) limit_pkts:$((100000 + n)) sojourn:$((n % 2)) \
				max_p:$((n % 1000)); do
			check_write "${i#*:}" "$q/${i%:*}"
		done
		check_write "$((n % 5)) $((n % 5 * 9000)) 900000 $((10 + n % 50)) $n" "$q/learned"
		[ $((n % 10)) != 0 ] || $nl change sl0 1:1 qth_min=0 qth_max=$((100000 + n))
		n=$((n + 1))
	done
	wait "$sender"
	received 5000 20000
	[ $n -gt 20 ]
	check_err $? "only $n rounds of changes"
	check_equal "packets, reordered" "$packets $reordered" "4000 0"
	dump sl0 1:1
	check_equal "drops, marks" "${tc[drops]} ${stats[ce_packets]}" "0 $ce"
	check_equal "packets" "${stats[packets]} ${tc[packets]}" "4000 4000"
	ungate
}

# The device goes while packets are queued, files are read and written.
test_delete_under_traffic()
{
	local i pids=()

	for i in 1 2 3; do
		ip link add sl1 address 02:00:00:00:00:0$i type veth peer name sl2
		ip address add 10.9.1.1/24 dev sl1
		ip link set sl1 up
		ip link set sl2 up
		ip neigh add 10.9.1.2 lladdr 02:00:00:00:00:0f dev sl1 nud permanent
		tc qdisc add dev sl1 root handle 1: tbf rate 5mbit burst 5000 limit 100mb
		tc qdisc add dev sl1 parent 1:1 handle 10: sluice
		$udp send 10.9.1.2 5000 100000 $payload 2 2> /dev/null &
		pids=($!)
		hammer $net/sl1/sluice/1:1 &
		pids+=($!)
		busywait 5000 grep -qv '^0$' $net/sl1/sluice/1:1/stats/packets
		check_err $? "no traffic"
		ip link del sl1
		check_err $? "ip link del"
		wait "${pids[@]}"
	done
}
# Reads and writes as long as the directory exists.
hammer()
{
	while [ -e "$1" ]; do
		echo 1 > "$1/qth_min"
		echo 1 2 3 10 5 > "$1/learned"
		read -r _ < "$1/stats/sojourn_hist"
		read -r _ < "$1/source"
	done 2> /dev/null
}

# The same with the qdisc coming and going below the readers.
test_churn()
{
	local i pids=()

	for i in 1 2; do
		(
			end=$((SECONDS + 4))
			while [ $SECONDS -lt $end ]; do
				hammer $net/sl0/sluice/root
			done
		) &
		pids+=($!)
	done
	for ((i = 0; i < 25; i++)); do
		tc qdisc replace dev sl0 root handle $((i % 3 + 1)): sluice
		[ $((i % 3)) != 0 ] || tc qdisc del dev sl0 root
	done
	wait "${pids[@]}"
	tc qdisc del dev sl0 root 2> /dev/null
	gone sl0
}

test_unload()
{
	tc qdisc add dev sl0 root sluice
	rmmod sch_sluice 2> /dev/null
	check_fail $? "rmmod succeeded while in use"
	exec 9< $net/sl0/sluice/root/stats/packets
	tc qdisc del dev sl0 root
	gone sl0
	rmmod sch_sluice 2> "$tmpdir/out"
	check_err $? "rmmod of an unused module: $(cat "$tmpdir/out")"
	read -r -u 9 _ 2> /dev/null
	check_fail $? "a file that was left open still reads"
	exec 9<&-
	insmod "build/kmod/$(uname -r)/sch_sluice.ko"
	check_err $? "insmod again"
	tc qdisc add dev sl0 root sluice
	check_err $? "use again"
	tc qdisc del dev sl0 root
}

run_test test_mq "under mq, and as mq's default children"
test_error=
if test_default_root; [ $? = 4 ]; then
	tap_skip "as the default qdisc of a device" "this kernel has no ifb"
else
	tap_result "as the default qdisc of a device"
fi
run_test test_replace "replaced by another handle, and by one that fails"
run_test test_rename "a renamed device"
run_test test_netns_move "a device moved to another namespace"
run_test test_permissions "who may write"
run_test test_change_under_traffic "changes under traffic lose and reorder nothing"
run_test test_delete_under_traffic "the device is deleted under traffic"
run_test test_churn "readers and writers while the qdisc comes and goes"
run_test test_unload "unloading is refused while in use, and works afterwards"
tap_end
