#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: none (a benchmark)
# What the daemon costs: CPU time as a share of one core, memory, and how punctual its epochs are.
#
#	selftests/bench/daemon_cost.sh [SECONDS [FLOWS [QUEUES]]]
#	scripts/vm_run.sh --timeout 600 -- selftests/bench/daemon_cost.sh 20
#
# Rows, each of a daemon of its own with epochs of 50 ms and the defaults otherwise, after some
# seconds to settle, over SECONDS (20):
#
#	idle		nothing to do
#	steer		one interface with FLOWS (100000) entries in its flow table, to all CPUs
#	queues		QUEUES (64) sluice qdiscs with traffic, policy model; where the module can be loaded
#	all		both
#	background	both (or what there is) with a learner at its default share
#	busy		the same, with the learner at 100 %
#
# cpu: the process's time on a CPU by its scheduler statistics, main the main thread's alone, in percent
# of one core; rss, peak: MiB; late: median and 99th percentile of the time from when an epoch was
# due until it began, since the start, in microseconds (the bucket of a log2 histogram decides);
# skipped: epochs that were never begun; learn: gradient steps of the learner, its share, transitions.
# Machines differ: "unit" is the CPU time of a fixed computation, in ms, to compare them by. In a VM
# without KVM all is emulated; there, (cpu of "steer" in the VM) / (cpu of "steer" on the host) is how
# much dearer it is.
. "$(dirname "$0")/../lib.sh"
. selftests/daemon/common.bash
require_root
require_tool ip tc ethtool nsenter jq
require_build $sluiced $sluice $loadgen build/selftests/lab/fill_flows
ensure_bpffs

seconds=${1:-20}
n_flows=${2:-100000}
n_queues=${3:-64}
settle=4
dev=sc$$
queues=

# traffic: from snd to rcv where the daemon steers, and through the queues, if there are any.
setup()
{
	ns_create snd rcv
	veth_pair snd eth0 10.9.0.1/24 rcv $dev 10.9.0.2/24 || return 1
	defer in_ns rcv $sluice unload $dev
	[ -n "${SLUICE_IN_VM:-}" ] && [ -e "build/kmod/$(uname -r)/sch_sluice.ko" ] || return 0
	load_module
	modprobe -qa sch_prio sch_tbf dummy
	queues=1
}

# One dummy device for each 16 queues, with prio's 16 bands, and a packet for each queue every 5 ms.
make_queues()
{
	local i band d

	for ((i = 0; i * 16 < n_queues; i++)); do
		d=sq$i
		in_ns rcv ip link add $d type dummy
		in_ns rcv ip link set $d up
		in_ns rcv tc qdisc add dev $d root handle 1: prio bands 16 \
			priomap 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
		for ((band = 1; band <= 16; band++)); do
			in_ns rcv tc qdisc add dev $d parent 1:"$(printf %x $band)" sluice
		done
		in_ns rcv ip address add 10.20.$i.1/24 dev $d
		in_ns rcv ip neigh add 10.20.$i.2 lladdr 02:00:00:00:00:02 dev $d
	done
	start in_ns rcv python3 -c '
import socket, sys, time
out = []
for i in range(int(sys.argv[1])):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, i % 16)
    s.connect(("10.20.%d.2" % (i // 16), 9))
    out.append(s)
while True:
    for s in out:
        s.send(b"x" * 1000)
    time.sleep(0.02)
' "$n_queues"
	traffic=$pid
}

# on_cpu PID: nanoseconds of all its threads.
on_cpu() { cat /proc/"$1"/task/*/schedstat | awk '{ n += $1 } END { printf "%.0f\n", n }'; }
main_on_cpu() { awk '{ print $1 }' "/proc/$1/task/$1/schedstat"; }
field() { awk -v f="$2:" '$1 == f { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }

# row NAME: of the running daemon.
row()
{
	local cpu main skipped epochs t

	sleep $settle
	[ "$1" = idle ] || [ "$1" = queues ] ||
		in_ns rcv build/selftests/lab/fill_flows $dev "$n_flows" || exit 1
	sleep 1
	skipped=$($sluice -j status | jq .epochs_skipped)
	epochs=$($sluice -j status | jq .epochs)
	cpu=$(on_cpu "$daemon")
	main=$(main_on_cpu "$daemon")
	t=$(now_ms)
	sleep "$seconds"
	cpu=$(($(on_cpu "$daemon") - cpu))
	main=$(($(main_on_cpu "$daemon") - main))
	t=$(($(now_ms) - t))
	awk -v name="$1" -v cpu=$cpu -v main=$main -v ms=$t -v rss="$(field "$daemon" VmRSS)" \
		-v peak="$(field "$daemon" VmHWM)" \
		-v skipped=$(($($sluice -j status | jq .epochs_skipped) - skipped)) \
		-v epochs=$(($($sluice -j status | jq .epochs) - epochs)) \
		'BEGIN { printf "%-11s cpu %6.3f %%  main %6.3f %%  rss %5.1f MiB  peak %5.1f MiB  " \
			"epochs %d  skipped %d\n", name, cpu / ms / 1e4, main / ms / 1e4, rss, peak,
			epochs, skipped }'
	$sluice -j status | jq -r '"            late p50 \(.epochs_late_us.p50 | round) us, p99 " +
		"\(.epochs_late_us.p99 | round) us"'
	$sluice -j agent show | jq -r '.background // empty | "            learn \(.steps) steps, " +
		"\(.cpu_percent) % of a core, \(.rows) transitions, \(.lost) lost"'
}

# run NAME STEER QUEUES LEARN: a daemon that does that, and its row.
run()
{
	local steer="" ecn=fixed background=no share=5

	[ -z "$2" ] || steer="interfaces = $dev"
	[ -z "$3" ] || ecn=model
	[ -z "$4" ] || background=yes
	[ "$4" != busy ] || share=100
	write_conf <<-END
	[learn]
	background = $background
	background_cpu = $share
	background_minutes = 1
	[ecn]
	policy = $ecn
	rate = sq0=1gbit sq1=1gbit sq2=1gbit sq3=1gbit
	[steer]
	$steer
	flow_idle_s = 3600
	END
	daemon_start sysfs_ns rcv || { cat "$log" >&2; exit 1; }
	row "$1"
	daemon_stop "$daemon"
}

setup || skip_all "cannot set up the namespaces"
unit=$({ time -p awk 'BEGIN { for (i = 0; i < 5000000; i++) s += i * i; exit s < 0 }'; } 2>&1 |
	awk '$1 == "user" { print $2 * 1000 }')
echo "unit ${unit} ms; $(nproc) CPUs, $n_flows flows, $([ -n "$queues" ] && echo "$n_queues" || echo no) queues, kernel $(uname -r)"
run idle "" "" ""
run steer 1 "" ""
if [ -n "$queues" ]; then
	make_queues
	run queues "" 1 ""
	run all 1 1 ""
fi
run background 1 "$queues" 1
run busy 1 "$queues" busy
tap_done=1
