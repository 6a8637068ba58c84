#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: none
#
# The trend in K, against Linux: paired sweeps of ten steps over six workloads, in our simulator and on the
# lab's network (topology.sh: the kernel's DCTCP and the sluice qdisc, in the VM), from the same
# arrivals. Prints Kendall's tau for each workload, of the means over the seeds (ktrend.c says of what).
# Takes some four minutes a workload and seed, nearly all of them in the VM; it is no test of the suite.
#
#	make all tests
#	selftests/lab/ktrend_kernel.sh [SEED ...]		(2 3)
#
# Outputs stay in build/ktrend/kernel; what is there already is not run again. The values of K come in
# another order with each seed and workload, so that a machine that becomes slower favours none. A run whose
# queue did not drain at 95 % of the rate while it was busy, or whose flows began later than 5 ms
# on average (then the machine stood still), is invalid: after all others it is repeated once, and
# if that is no better the first counts, and the last line says so. KTREND_ONLY (a regular expression) chooses workloads,
# KTREND_KS (a list) values of K for a first look, LAB_RATE_MBIT and LAB_BURST the network.
set -u

: "${LAB_RATE_MBIT:=20}"
: "${LAB_BURST:=24k}"
: "${KTREND_ONLY:=}"
: "${KTREND_KS:=}"
: "${KTREND_SECONDS:=8}"
out=build/ktrend/kernel
LATE_US=5000
ktrend=build/selftests/lab/ktrend

# Name, RTT, file of sizes, and further arguments of "ktrend flows".
workloads()
{
	grep -E "${KTREND_ONLY:-.}" <<-END
	mixed,20ms,80% 20000 mixed.txt --load 80
	mixed,40ms,60% 40000 mixed.txt --load 60
	mixed,20ms,40%,1-endless 20000 mixed.txt --load 40 --endless 1
	mixed,40ms,30%,2-endless 40000 mixed.txt --load 30 --endless 2
	rpc,10ms,20%,2-endless 10000 rpc.txt --load 20 --endless 2
	incast-6,20ms,2-endless 20000 rpc.txt --load 5 --endless 2 --incast 6
	END
}

# --- in the VM --------------------------------------------------------------------

say() { printf '[%4d s] %s\n' $SECONDS "$*" >&2; }

# numbers FILE KEY...: the first of each name, as words "KEY VALUE".
numbers()
{
	awk -v keys="${*:2}" 'BEGIN { n = split(keys, name); for (i in name) key["\"" name[i] "\":"] = i }
		$1 in key && !(key[$1] in v) { gsub(/[",]/, "", $2); v[key[$1]] = $2 }
		END { for (i = 1; i <= n; i++) printf "%s %s ", name[i], v[i] }' "$1"
}

# measure BASE ENDLESS K: replays the plan with this K; a line of the log, and the points' line when it counts.
measure()
{
	local base=$1 endless=$2 k=$3 begin=$SECONDS watch queue load

	in_ns rtr tc qdisc del dev out0 parent $LAB_PARENT &&
		in_ns rtr tc qdisc add dev out0 parent $LAB_PARENT handle 10: sluice &&
		lab_sluice queue set out0 $LAB_PARENT qth_min "$k" qth_max "$k" max_p 1000000 \
			limit_bytes 4000000 limit_pkts 100000 > /dev/null || return 1
	start in_ns rtr build/selftests/lab/watch out0 $LAB_PARENT > "$tmpdir/queue"
	watch=$pid
	lab_send "$base.plan" "$LAB_CC" --elephants "$endless" --times "$tmpdir/times" \
		> "$tmpdir/load" || return 1
	stop_pid "$watch"
	queue=$(numbers "$tmpdir/queue" drain_bps saturated_s avg_backlog_bytes packets ce_packets drops)
	load=$(numbers "$tmpdir/load" late_mean_us retransmits elephant_goodput_bps)
	echo "$k $queue$load" >> "$base.log"
	line=$($ktrend measured "$base.flows" "$k" "$tmpdir/times" $((SECONDS - begin))) || return 1
	say "K $k: $line"
	# Without a busy interval (null) the drain rate says nothing.
	awk -v rate="$LAB_RATE_MBIT" -v late="$LATE_US" '{ exit $2 != "null" && $2 < 0.95e6 * rate ||
		$14 > late ? 2 : 0 }' <<< "$queue$load"
}

# sweep BASE ENDLESS ROTATION: what is not there yet. Invalid runs are written down, too.
sweep()
{
	local base=$1 endless=$2 ks=() i k line status

	mapfile -t ks < <(awk '{ print $1 }' "$base.sluice")
	for ((i = 0; i < ${#ks[@]}; i++)); do
		k=${ks[(i * 7 + $3) % ${#ks[@]}]}	# neighbours do not follow each other
		[ -z "$KTREND_KS" ] || grep -qw "$k" <<< "$KTREND_KS" || continue
		! grep -qs "^$k " "$base.kernel" || continue
		measure "$base" "$endless" "$k"
		status=$?
		case $status in
		0) ;;
		2) say "K $k: invalid"; echo "$k" >> "$base.invalid" ;;
		*) say "K $k failed"; return 1 ;;
		esac
		echo "$line" >> "$base.kernel"
	done
}

# again BASE ENDLESS: repeats what was invalid, and keeps what is valid then.
again()
{
	local base=$1 endless=$2 k line

	[ -e "$base.invalid" ] || return 0
	mapfile -t ks < "$base.invalid"
	for k in "${ks[@]}"; do
		measure "$base" "$endless" "$k" || continue
		sed -i "/^$k\$/d" "$base.invalid"
		sed -i "s/^$k .*/$line/" "$base.kernel"
	done
}

# each COMMAND: for every seed and workload.
each()
{
	local name rtt seed rotation=0 _

	for seed in "${seeds[@]}"; do
		while read -r name rtt _; do
			say "$1 $name, seed $seed"
			in_ns rcv tc qdisc change dev eth0 root netem delay "${rtt}us" limit 20000 || exit 1
			"$1" "$out/$seed/$name" "$(awk '$2 == "endless" { print $3 }' \
				"$out/$seed/$name.flows")" $((rotation += 3)) < /dev/null || exit 1
		done < <(workloads)
	done
}

in_vm()
{
	. selftests/lib.sh
	. selftests/lab/topology.sh
	tap_done=1	# no TAP here
	lab_require
	load_module
	lab_up && lab_server || { echo "ktrend: cannot build the lab's network" >&2; exit 1; }
	seeds=("$@")
	each sweep
	each again
}

if [ "${1:-}" = --in-vm ]; then
	shift
	in_vm "$@"
	exit
fi

# --- outside ----------------------------------------------------------------------

cd "$(dirname "$0")/../.." || exit
[ $# -gt 0 ] || set -- 2 3
[ -x $ktrend ] || { echo "$ktrend is not built: make all tests" >&2; exit 1; }
for seed; do
	mkdir -p "$out/$seed"
	while read -r name rtt sizes arguments; do
		base=$out/$seed/$name
		# shellcheck disable=SC2086	# several words
		$ktrend flows --seed "$seed" --seconds "$KTREND_SECONDS" --rate-mbps "$LAB_RATE_MBIT" \
			--rtt-us "$rtt" --lab-burst "$((${LAB_BURST%k} * 1024))" $arguments \
			"selftests/lab/dist/$sizes" > "$base.flows" &&
			$ktrend plan "$base.flows" > "$base.plan" &&
			$ktrend run "$base.flows" > "$base.sluice" || exit 1
	done < <(workloads)
done
scripts/vm_run.sh --timeout 7200 -- env LAB_RATE_MBIT="$LAB_RATE_MBIT" LAB_BURST="$LAB_BURST" \
	KTREND_ONLY="$KTREND_ONLY" KTREND_KS="$KTREND_KS" \
	selftests/lab/ktrend_kernel.sh --in-vm "$@" || exit 1
[ -z "$KTREND_KS" ] || exit 0

rows=()
while read -r name _; do
	kernel=() ours=()
	for seed; do
		kernel+=("$out/$seed/$name.kernel") ours+=("$out/$seed/$name.sluice")
	done
	$ktrend mean "${kernel[@]}" > "$out/$name.kernel" && $ktrend mean "${ours[@]}" > "$out/$name.sluice" ||
		exit 1
	rows+=("$name" "$out/$name.kernel" "$out/$name.sluice")
done < <(workloads)
$ktrend compare "${rows[@]}"
for seed; do cat "$out/$seed"/*.invalid 2> /dev/null; done | awk 'END { if (NR) print NR, "invalid runs count" }'
