#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: none
#
# How long packets wait in a cpumap ring when a busy process shares the target CPU, and what the
# priority of the cpumap's kernel thread does to that. The thread is an ordinary one of nice 0
# (cpumap/CPU/map:ID), so the scheduler makes it take turns.
#
# usage: selftests/bench/hog.sh [RUNS [SECONDS]]	(5 runs of 3 s for each row)
#
#	snd: CPU 0, 1000 packets/s ------ veth ------ rcv: XDP, cpumap to CPU 1, the hog
. "$(dirname "$0")/../lib.sh"
tap_done=1	# no TAP here
runs=${1:-5} seconds=${2:-3} target=1
require_root
require_tool ip ethtool nsenter bpftool ping taskset renice chrt
require_build build/sluice
ensure_bpffs
[ "$(nproc)" -ge 2 ] || { echo "hog: needs two CPUs" >&2; exit 1; }

dev=h$$
ns_create snd rcv
veth_pair snd s0 10.6.0.1/24 rcv $dev 10.6.0.2/24 || exit 1
on_rcv() { in_ns rcv "$@"; }
defer on_rcv build/sluice unload $dev

busy() { exec taskset -c $target nice -n "$1" bash -c 'while :; do :; done'; }

# one SCENARIO: a line "P50 P99" in us.
one()
{
	local pins thread hog=''

	on_rcv build/sluice load $dev cpus $target > /dev/null || return 1
	pins=$(ls -d /sys/fs/bpf/sluice/*-$dev)
	# Time every packet, not one in 64.
	bpftool map update pinned "$pins/config" key 0 0 0 0 \
		value 1 0 0 0  0 0 0 0  0 0 0 0  0 0 0 0 || return 1
	thread=cpumap/$target/map:$(bpftool -j map show pinned "$pins/cpus" |
		sed 's/.*"id":\([0-9]*\).*/\1/')
	thread=$(grep -lx "$thread" /proc/[0-9]*/comm 2> /dev/null | tr -dc '0-9\n' | head -n 1)
	[ -n "$thread" ] || { echo "hog: no cpumap thread" >&2; return 1; }
	case $1 in
	idle) ;;
	hog_nice19) start busy 19; hog=$pid ;;
	*) start busy 0; hog=$pid ;;
	esac
	case $1 in
	thread_nice-20) renice -n -20 -p "$thread" > /dev/null || return 1 ;;
	thread_fifo) chrt -f -p 1 "$thread" || return 1 ;;
	esac
	in_ns snd taskset -c 0 ping -q -i 0.001 -w "$seconds" 10.6.0.2 > /dev/null
	[ -z "$hog" ] || stop_pid "$hog"
	on_rcv build/sluice -j cpu show $dev | awk '
		/"wait_p50_ns": [0-9]/ { gsub(",", ""); p50 = $2 / 1e3 }
		/"wait_p99_ns": [0-9]/ { gsub(",", ""); p99 = $2 / 1e3 }
		END { print p50 + 0, p99 + 0 }'
	on_rcv build/sluice unload $dev
}

scenarios=(idle hog hog_nice19 thread_nice-20 thread_fifo)
for ((run = 0; run < runs; run++)); do
	for ((i = 0; i < ${#scenarios[@]}; i++)); do
		scenario=${scenarios[(i + run) % ${#scenarios[@]}]}
		one "$scenario" >> "$tmpdir/$scenario" || exit 1
	done
done

column_of() { awk -v c="$1" '{ print $c }' "$tmpdir/$2" | sort -g | awk '{ v[NR] = $1 }
	END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
	      printf "%.0f (%.0f-%.0f)", m, v[1], v[NR] }'; }
printf 'kernel %s, %s CPUs, %s runs of %s s; ring wait in us, median (range) over runs\n' \
	"$(uname -r)" "$(nproc)" "$runs" "$seconds"
printf '%-16s %-24s %s\n' scenario p50 p99
for scenario in "${scenarios[@]}"; do
	printf '%-16s %-24s %s\n' "$scenario" "$(column_of 1 "$scenario")" \
		"$(column_of 2 "$scenario")"
done
