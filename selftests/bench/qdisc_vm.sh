#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: none (a benchmark)
# Packets per second through sluice and through stock qdiscs, and what a snapshot of 64 qdiscs
# costs, on a kernel that has the module:
#
#	scripts/vm_run.sh -- selftests/bench/qdisc_vm.sh [ROUNDS [PACKETS]]
#
# In the VM every instruction is EMULATED: only ratios mean anything, and they are weighted by
# what is dear to emulate (atomics, clocks) and not by caches. A host that can load the module gives
# real ones.
#
# pktgen hands PACKETS (20000) ECN-capable packets of 60 bytes to dev_queue_xmit() of a dummy device, ROUNDS
# (21) times for each qdisc, in turns. All hang below the same prio, because fifo and fq_codel let a
# packet pass by an empty queue at the root, and then it is not them that is measured. Each line: the
# median and its ratio to RED's, which is the median over the rounds.
. "$(dirname "$0")/../lib.sh"
. selftests/module/common.bash
module_setup
require_tool modprobe jq
require_build build/selftests/bench/bench_qdisc build/selftests/module/mktree
cp build/selftests/module/mktree build/selftests/bench/bench_qdisc "$tmpdir/bin"

rounds=${1:-21}
count=${2:-20000}
trace=/sys/kernel/tracing

# rows: NAME and what makes the queue below 1:1 of sl0.
rows=(pfifo fq_codel red sluice_plain sluice sluice_ramp sluice_learned sluice_all)
red='limit 4000000 min 60000 max 180000 avpkt 1000 burst 61 bandwidth 1gbit probability 0.1 ecn'
make_row()
{
	case $1 in
	pfifo) tc qdisc add dev sl0 parent 1:1 handle 10: pfifo limit 1000 ;;
	fq_codel) tc qdisc add dev sl0 parent 1:1 handle 10: fq_codel ecn ;;
	red) tc qdisc add dev sl0 parent 1:1 handle 10: red $red ;;
	sluice_plain) $nl add sl0 1:1/10 sojourn=0 ;;
	sluice) $nl add sl0 1:1/10 ;;
	# Each packet is on the ramp, so that a random number is drawn; hardly any is marked.
	sluice_ramp) $nl add sl0 1:1/10 sojourn=0 qth_min=0 qth_max=2147483647 max_p=1 ;;
	sluice_learned) $nl add sl0 1:1/10 sojourn=0 &&
			write "60000 180000 100000 600000 1" $net/sl0/sluice/1:1/learned ;;
	sluice_all) $nl add sl0 1:1/10 sojourn=1 qth_min=0 qth_max=2147483647 max_p=1 &&
			mktree $net/sl0/sluice/1:1/tree 1 600000 backlog:1000:1:2 0,4000000,1 0,4000000,1 ;;
	esac
}

pg() { echo "$1" > /proc/net/pktgen/"$2"; }

# pps: one run of pktgen.
pps()
{
	pg start pgctrl
	sed -n 's/.* \([0-9]*\)pps .*/\1/p' /proc/net/pktgen/sl0
}

throughput()
{
	local round row

	modprobe pktgen && modprobe dummy numdummies=0 || { diag "no pktgen or dummy"; return; }
	ip link add sl0 type dummy
	defer ip link del sl0
	ip link set sl0 up
	pg rem_device_all kpktgend_1
	pg 'add_device sl0' kpktgend_1
	for option in 'xmit_mode queue_xmit' "count $count" 'pkt_size 60' 'delay 0' 'tos 02' \
			'dst 10.9.0.2' 'dst_mac 02:00:00:00:00:02'; do
		pg "$option" sl0 || { diag "pktgen refused '$option'"; return; }
	done
	defer modprobe -r pktgen
	for ((round = 0; round < rounds; round++)); do
		for row in "${rows[@]}"; do
			tc qdisc add dev sl0 root handle 1: prio bands 2 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
			make_row "$row" || { echo "qdisc_vm: cannot make $row: $error" >&2; return; }
			echo "$round $row $(pps)"
			tc qdisc del dev sl0 root
		done
	done > "$tmpdir/pps"
	echo "emulated: $rounds rounds of $count packets through prio and ..."
	jq -Rnr --arg rows "${rows[*]}" '
		def median: sort | .[length / 2 | floor];
		[inputs | split(" ") | {round: .[0], row: .[1], pps: (.[2] | tonumber)}] as $all
		| ($all | map(select(.row == "red") | {(.round): .pps}) | add) as $red
		| $rows | split(" ")[] as $row
		| $all | map(select(.row == $row))
		| "qdisc/\($row) \(map(.pps) | median) pps, ns per packet to red \(map($red[.round] / .pps) | median * 1000 | round / 1000)"
	' "$tmpdir/pps"
}

# 64 qdiscs below one mq. The dump holds RTNL inside of tc_dump_qdisc(), once for each part of it.
snapshot()
{
	local i

	ip link add sl1 numtxqueues 64 type veth peer name sl2
	defer ip link del sl1
	sysctl -qw net.core.default_qdisc=sluice
	tc qdisc add dev sl1 root handle 1: mq
	sysctl -qw net.core.default_qdisc=pfifo_fast
	bench_qdisc
	[ -e $trace/set_graph_function ] || return
	echo tc_dump_qdisc > $trace/set_ftrace_filter || return
	echo function_graph > $trace/current_tracer
	for i in 1 2 3 4 5; do
		: > $trace/trace
		tc -s qdisc show dev sl1 > /dev/null
		awk '/tc_dump_qdisc/ && / us / {
			for (i = 2; i <= NF; i++)
				if ($i == "us") { sum += $(i - 1); n++; if ($(i - 1) > max) max = $(i - 1) }
		} END { printf "%.0f %.0f %d\n", sum, max, n }' $trace/trace
	done | sort -n | awk '{ line[NR] = $0 } END { split(line[int((NR + 1) / 2)], f, " ")
		printf "qdisc/dump_64_rtnl_us %s in %s holds, longest %s (traced)\n", f[1], f[3], f[2] }'
	echo nop > $trace/current_tracer
	: > $trace/set_ftrace_filter
}

throughput
snapshot
tap_done=1
