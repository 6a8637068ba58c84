#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The same DCTCP flows through the same bottleneck, in "sluice sim run" and in ns-3 3.37 (Debian's
# libns3-dev): how much faster the simulator is, and how far their flow completion times are apart.
#
#     selftests/bench/ns3/run.sh SIZES [SECONDS [RATE_KBPS [RTT_US [K_BYTES]]]]
#
# CPU time of ns-3 is that of its event loop alone, of sluice that of the whole process.
set -eu

[ $# -ge 1 ] || { sed -n 's/^# \{0,1\}//; 4,9p' "$0"; exit 2; }
sizes=$1 seconds=${2:-5} rate=${3:-1000000} rtt=${4:-1000} k=${5:-48000}
limit=20000000
here=$(dirname "$0")
root=$here/../../..
sluice=$root/build/sluice

[ -e /usr/include/ns3/tcp-dctcp.h ] || { echo "needs the package libns3-dev" >&2; exit 4; }
[ -x "$sluice" ] || { echo "run make first" >&2; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

bin=$root/build/selftests/bench/ns3_bottleneck
mkdir -p "${bin%/*}"
if [ ! -e "$bin" ] || [ "$here/bottleneck.cc" -nt "$bin" ]; then
	g++ -O2 -std=c++17 -Wall -o "$bin" "$here/bottleneck.cc" -lns3-core -lns3-network \
		-lns3-internet -lns3-point-to-point -lns3-traffic-control -lns3-stats -lns3-bridge
fi

TIMEFORMAT=%U
{ time "$sluice" -j sim run "$sizes" seconds "$seconds" rate_kbps "$rate" rtt_us "$rtt" load_percent 60 \
	qth_min "$k" qth_max "$k" limit_bytes $limit flow_log "$dir/log" > "$dir/sluice.json"; } 2> "$dir/took"
"$bin" "$dir/log" "$rate" "$rtt" "$k" $limit "$seconds" > "$dir/fct" 2> "$dir/ns3"

mine=$(cat "$dir/took")
theirs=$(awk '{ print $2 }' "$dir/ns3")
echo "sluice: $mine CPU s, $(jq -c '[.flows.finished, .queue.packets, .queue.ce_packets]' "$dir/sluice.json") flows finished, packets, marks"
echo "ns-3:   $(cat "$dir/ns3")"
awk -v a="$mine" -v b="$theirs" -v s="$seconds" 'BEGIN {
	if (a < 0.01) a = 0.01
	printf "sim/ns3/ratio %.0f  (simulated s per s: %.2f against %.3f)\n", b / a, s / a, s / b }'

# Flow by flow: ours over theirs, by size.
join <(grep -v '^#' "$dir/log" | awk '{ print $1, $2, $3 }' | sort) \
	<(awk '{ print $1, $3 }' "$dir/fct" | sort) |
	awk '{ print ($2 <= 1e4 ? "1 <=10KB" : $2 <= 1e5 ? "2 <=100KB" : $2 <= 1e6 ? "3 <=1MB" : "4 >1MB"), $3, $4, $3 / $4 }' |
	sort -k 1,1n -k 5,5g |
	awk '
	function show() {
		if (n)
			printf "%-8s %6d flows, mean fct us %.1f against %.1f; ratio p10 %.2f, median %.2f, p90 %.2f\n",
			       name, n, a / n / 1e3, b / n / 1e3, r[int(n * 0.1) + 1], r[int((n + 1) / 2)],
			       r[int(n * 0.9) + (n * 0.9 < n ? 1 : 0)]
		n = a = b = 0
	}
	$1 != class { show(); class = $1; name = $2 }
	{ r[++n] = $5; a += $3; b += $4 }
	END { show() }'
