#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: none
#
# One run of the lab, for a person: builds the network of topology.sh, runs the daemon with one
# policy, replays a list of arrivals, and writes what was measured as JSON. In the VM:
#
#	scripts/vm_run.sh -- selftests/lab/run_policy.sh --policy bdp --duration 10 --out build/x.json
set -u

usage() {
	cat <<-END
	usage: selftests/lab/run_policy.sh --policy fixed|bdp|learn [--duration S] [--seed N]
	       [--load X] [--dist NAME|FILE] [--cc NAME] [--explore] [--checkpoint FILE]
	       [--elephants K] [--out FILE]

	fixed: the qdisc's defaults; bdp: the daemon sets K = C * RTT / 7; learn: its agents decide,
	--explore lets them try settings that do not look best. Prints the table of table.c.
	LAB_RATE_MBIT, LAB_RTT_US and LAB_BURST change the network; see topology.sh.
	END
}

policy='' out='' duration=10 seed=1 load=0.6 dist=mixed explore=no checkpoint=none options=()
while [ $# -gt 0 ]; do
	case $1 in
	--policy) policy=$2 ;;
	--duration) duration=$2 ;;
	--seed) seed=$2 ;;
	--load) load=$2 ;;
	--dist) dist=$2 ;;
	--cc) LAB_CC=$2 ;;
	--checkpoint) checkpoint=$(realpath -m "$2") ;;
	--elephants) options+=(--elephants "$2") ;;
	--out) out=$(realpath -m "$2") ;;
	--explore) explore=yes; shift; continue ;;
	--help) usage; exit 0 ;;
	*) usage >&2; exit 1 ;;
	esac
	shift 2
done
[ -n "$policy" ] || { usage >&2; exit 1; }

. "$(dirname "$0")/../lib.sh"
. selftests/lab/topology.sh
tap_done=1	# no TAP here

lab_require
[ -d /sys/module/sch_sluice ] || load_module
lab_up && lab_server || { echo "run_policy: cannot build the lab's network" >&2; exit 1; }
lab_arrivals "$tmpdir/plan" "$duration" "$seed" "$load" "$dist" || exit 1
lab_run "$policy" "$tmpdir/plan" "${out:=$tmpdir/result.json}" "$explore" "$checkpoint" \
	--progress "${options[@]}" || exit 1
build/selftests/lab/table "$out"
