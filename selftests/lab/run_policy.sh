#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: none
#
# One run of the lab: builds the network of topology.sh, runs the daemon with one policy, replays a
# list of arrivals, and writes what was measured as one JSON object. Any failure becomes a result
# too: {"policy": ..., "error": "..."}.
set -u

usage() {
	cat <<-END
	usage: selftests/lab/run_policy.sh --policy fixed|bdp|learn --plan FILE --out FILE
	       [--cc NAME] [--explore] [--checkpoint FILE] [--elephants K] [--progress]

	fixed  the qdisc's defaults; bdp: the daemon sets K = C * RTT / 7; learn: its agents decide.
	--explore lets them try settings that do not look best; --checkpoint is read and written.
	LAB_RATE_MBIT, LAB_RTT_US and LAB_BURST change the network; see topology.sh.
	END
}

policy='' plan='' out='' cc=dctcp explore=no checkpoint=none options=()
while [ $# -gt 0 ]; do
	case $1 in
	--policy) policy=$2; shift 2 ;;
	--plan) plan=$(realpath "$2"); shift 2 ;;
	--out) out=$(realpath -m "$2"); shift 2 ;;
	--cc) cc=$2; shift 2 ;;
	--checkpoint) checkpoint=$(realpath -m "$2"); shift 2 ;;
	--elephants) options+=(--elephants "$2"); shift 2 ;;
	--explore) explore=yes; shift ;;
	--progress) options+=(--progress); shift ;;
	--help) usage; exit 0 ;;
	*) usage >&2; exit 1 ;;
	esac
done
[ -n "$policy" ] && [ -n "$plan" ] && [ -n "$out" ] || { usage >&2; exit 1; }

. "$(dirname "$0")/../lib.sh"
. selftests/lab/topology.sh
tap_done=1	# no TAP from here

fail()
{
	printf '{"policy": "%s", "error": "%s"}\n' "$policy" "${1//[\"\\]/}" > "$out"
	echo "run_policy: $policy: $1" >&2
	[ ! -s "$tmpdir/sluiced.log" ] || tail -n 5 "$tmpdir/sluiced.log" >&2
	exit 1
}

lab_require
[ -d /sys/module/sch_sluice ] || load_module
lab_up 2> "$tmpdir/up.log" || fail "cannot build the lab's network: $(tail -n 1 "$tmpdir/up.log")"
lab_server "$cc" || fail "the receiver does not start"
lab_daemon "$policy" "$explore" "$checkpoint" || fail "the daemon does not start"

start in_ns rtr build/selftests/lab/watch out0 $LAB_PARENT > "$tmpdir/queue" 2> "$tmpdir/watch.log"
watch=$pid
lab_send "$plan" "$cc" "${options[@]}" > "$tmpdir/load" || fail "the load generator failed"
kill "$watch" && wait "$watch" || fail "the queue was not watched: $(cat "$tmpdir/watch.log")"
for i in 0 1; do
	lab_sluice -j cpu show "in$i" > "$tmpdir/cpu$i" || fail "cannot read the steering of in$i"
done
lab_sluice -j agent show > "$tmpdir/agent" || fail "the daemon does not answer any more"
stop_pid "$lab_daemon"	# writes its checkpoint

printf '{"policy": "%s", "cc": "%s", "explore": "%s", "rate_bps": %d, "rtt_us": %d,
"load": %s,\n"queue": %s,\n"steering": [%s,\n%s],\n"agent": %s}\n' "$policy" "$cc" "$explore" \
	"${LAB_RATE_MBIT}000000" "$LAB_RTT_US" "$(cat "$tmpdir/load")" "$(cat "$tmpdir/queue")" \
	"$(cat "$tmpdir/cpu0")" "$(cat "$tmpdir/cpu1")" "$(cat "$tmpdir/agent")" > "$out"
