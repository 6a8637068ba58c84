#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# The trend in K: paired sweeps of ten steps over six workloads, in our simulator and in ns-3 3.37 with
# its TcpDctcp, from the same arrivals. Prints Kendall's tau for each workload (selftests/lab/ktrend.c
# says of what). Takes some five minutes of a CPU, nearly all of it in ns-3, and is no test of the suite.
#
#	apt-get install g++ libns3-dev
#	make tests
#	selftests/lab/ns3/ktrend.sh [SEED]
#
# Outputs stay in build/ktrend; what is there already is not run again.

set -eu
cd "$(dirname "$0")/../../.."
seed=${1:-1}
ktrend=build/selftests/lab/ktrend
dist=selftests/lab/dist
out=build/ktrend/$seed
mkdir -p "$out"

[ -x $ktrend ] || { echo "$ktrend is not built: make tests" >&2; exit 1; }
if [ ! -x build/ktrend/dctcp ] || [ selftests/lab/ns3/dctcp.cc -nt build/ktrend/dctcp ]; then
	g++ -O2 -std=c++17 -Wall -o build/ktrend/dctcp selftests/lab/ns3/dctcp.cc -lns3-core \
		-lns3-network -lns3-internet -lns3-point-to-point -lns3-traffic-control
fi

# Name, file of sizes, and further arguments of "ktrend flows".
workloads()
{
	cat <<-END
	mixed,0.5ms,60% mixed.txt --seconds 1 --rtt-us 500 --load 60
	mixed,0.5ms,80% mixed.txt --seconds 1 --rtt-us 500 --load 80
	mixed,2ms,60% mixed.txt --seconds 1 --rtt-us 2000 --load 60
	mixed,2ms,30%,2-endless mixed.txt --seconds 2 --rate-mbps 250 --rtt-us 2000 --load 30 --endless 2
	rpc,0.5ms,20%,4-endless rpc.txt --seconds 1 --rate-mbps 250 --rtt-us 500 --load 20 --endless 4
	incast-16,0.5ms,2-endless rpc.txt --seconds 1 --rate-mbps 250 --rtt-us 500 --load 5 --endless 2 --incast 16
	END
}

rows=()
while read -r name sizes arguments; do
	base=$out/$name
	# shellcheck disable=SC2086	# several words
	$ktrend flows --seed "$seed" $arguments $dist/$sizes > "$base.flows"
	$ktrend run "$base.flows" > "$base.sluice"
	touch "$base.ns3"
	while read -r k _; do
		grep -q "^$k " "$base.ns3" || build/ktrend/dctcp "$base.flows" "$k" >> "$base.ns3"
	done < "$base.sluice"
	echo "$name: done" >&2
	rows+=("$name" "$base.ns3" "$base.sluice")
done < <(workloads)
$ktrend compare "${rows[@]}"
