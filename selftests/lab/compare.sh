#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: none
#
# The measuring half of scripts/quickstart.sh, run where the module can be loaded: trains the
# daemon on one list of arrivals, then compares three policies on another one, in rotated order.
#
# usage: selftests/lab/compare.sh OUTPUT_DIRECTORY TRAIN_S TRIAL_S TRIALS
set -u
out=$(realpath -m "$1") train_s=$2 trial_s=$3 trials=$4

. "$(dirname "$0")/../lib.sh"
. selftests/lab/topology.sh
tap_done=1	# no TAP here

say() { printf '[%3d s] %s\n' $SECONDS "$*"; }

lab_require
[ -d /sys/module/sch_sluice ] || load_module
say "lab: 2 senders - router (XDP steering; ${LAB_RATE_MBIT} Mbit/s bottleneck, qdisc sluice) -" \
	"receiver; RTT $((LAB_RTT_US / 1000)) ms, $LAB_CC"
lab_up && lab_server || { echo "compare: cannot build the lab's network" >&2; exit 1; }
checkpoint=$out/checkpoint

# Different seeds: what was learned is judged on arrivals that were not seen.
lab_arrivals "$tmpdir/train" "$train_s" 11 || exit 1
lab_arrivals "$tmpdir/trial" "$trial_s" 22 || exit 1
say "learning for $train_s s on $(grep -vc '^#' "$tmpdir/train") flow arrivals, with exploration"
lab_run learn "$tmpdir/train" "$out/train.json" yes "$checkpoint" --progress 2>&1 ||
	say "learning failed; the learning rows below start without a checkpoint"

policies=(fixed bdp learn)
results=() failed=0
for ((trial = 0; trial < trials; trial++)); do
	for ((i = 0; i < 3; i++)); do
		policy=${policies[(i + trial) % 3]}
		result=$out/$policy-$trial.json
		say "trial $((trial + 1)) of $trials: $policy, $trial_s s," \
			"$(grep -vc '^#' "$tmpdir/trial") flow arrivals"
		# Every trial starts from the same checkpoint, in the product's default mode: it
		# learns on, and does not explore.
		rm -f "$out/checkpoint.trial"
		[ ! -e "$checkpoint" ] || cp "$checkpoint" "$out/checkpoint.trial"
		lab_run "$policy" "$tmpdir/trial" "$result" no "$out/checkpoint.trial" 2>&1 ||
			failed=1
		results+=("$result")
	done
done
rm -f "$out/checkpoint.trial"
say "done"
echo
build/selftests/lab/table "${results[@]}" | tee "$out/table.txt"
exit $failed
