#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: none
#
# A soak: the real daemon and real TCP under traffic that changes every minute, for as long as one wants. Where the
# module can be loaded it is the ECN agent, with the real qdisc, in the VM:
#
#	scripts/vm_run.sh --virtual-time --timeout 3600 -- selftests/lab/soak.sh 30
#
# and elsewhere the steering agent, with the real XDP program, in network namespaces of its own.
set -u

usage() {
	cat <<-END
	usage: selftests/lab/soak.sh [MINUTES [DIRECTORY]]

	MINUTES: 2 to 10080, 30 unless given. Traffic changes each minute, by a list of six. Samples go into DIRECTORY
	(build/soak) as they come: memory.tsv every 10 s, minutes.tsv every minute. At the end there are a table and a
	verdict; the exit status is 1 if that is not "sound".

	In the VM one daemon (the built-in model, novelty test, watch, trials, learning in the background) has two
	links; two others have the static threshold of [guard] static and the same arrivals. LINK_KBIT and LINK_RTT_US
	change the links, BACKGROUND_MINUTES (5) how often a candidate is made.
	Elsewhere the steering agent learns and explores on one link; another one, with the same arrivals, is not steered.
	END
}

minutes=${1:-30} out=${2:-build/soak}
case $minutes in
--help) usage; exit 0 ;;
''|*[!0-9]*) usage >&2; exit 2 ;;
esac
[ "$minutes" -ge 2 ] && [ "$minutes" -le 10080 ] || { usage >&2; exit 2; }

. "$(dirname "$0")/../lib.sh"
tap_done=1	# no TAP here
period_s=60 load_s=54 sample_s=10
export SLUICE_SOCKET=$tmpdir/socket

say() { printf '[%5d s] %s\n' $SECONDS "$*" >&2; }

# Names of files, and ln J of whom over whose: soak_up, soak_load N (begins the minute's), soak_wait, soak_pairs.
if [ -n "${SLUICE_IN_VM:-}" ]; then
	. selftests/lab/soak_ecn.bash
else
	. selftests/lab/soak_steer.bash
fi

# ask ARGUMENT...: on a busy machine the daemon may need longer than "sluice" waits.
ask()
{
	local i

	for i in 1 2 3 4 5; do
		build/sluice "$@" 2>> "$out/log" && return
	done
	return 1
}

# The kernel's counters, without a process.
sample()
{
	local key value rest rss=0 peak=0 threads=0 fds ticks

	while read -r key value rest; do
		case $key in
		VmRSS:) rss=$value ;;
		VmHWM:) peak=$value ;;
		Threads:) threads=$value ;;
		esac
	done < "/proc/$daemon/status" || return 1
	fds=("/proc/$daemon/fd/"*)
	read -r -a ticks < "/proc/$daemon/stat"
	printf '%d\t%d\t%d\t%d\t%d\t%d\n' $((SECONDS - began)) "$rss" "$peak" "${#fds[@]}" "$threads" \
		$((ticks[13] + ticks[14])) >> "$out/memory.tsv"
}

# compare LEARNED STATIC: ln(J of one link / J of another) over the same arrivals, and flows that count. J is lab.md's,
# but that flows' times take the place of slowdowns, which makes no difference between links that are alike.
compare()
{
	awk -v a="$(jq .goodput_bps "$tmpdir/link$1/load.json")" \
		-v b="$(jq .goodput_bps "$tmpdir/link$2/load.json")" '
		function class(bytes) { return bytes <= 10000 ? 0 : bytes <= 100000 ? 1 : bytes <= 1000000 ? 2 : 3 }
		NR == FNR { if ($3) first[FNR] = $3; next }
		$3 && FNR in first { c = class($2); n[c]++; all++; one[c] += first[FNR]; other[c] += $3 }
		END {
			split("0.3 0.3 0.2 0.2", w, " ")
			for (c in n) { sum += w[c + 1] * log(one[c] / other[c]); of += w[c + 1] }
			if (!of || !(a > 0) || !(b > 0)) print "nan", all + 0
			else printf "%.5f %d\n", sum / of - 0.2 * log(a / b), all
		}' "$tmpdir/link$1/times" "$tmpdir/link$2/times"
}

# minute N: the traffic of a period of a minute on all links, and what came of it.
minute()
{
	local n=$1 status agent policy end=$((SECONDS + period_s))

	soak_load "$n" || return 1
	while [ $SECONDS -lt $end ]; do
		sample || return 1
		nap $((end - SECONDS < sample_s ? end - SECONDS : sample_s))
	done
	soak_wait || return 1
	status=$(ask -j status) && agent=$(ask -j agent show) || return 1
	policy=$(build/sluice -j policy show 2> /dev/null) || policy={}
	printf '%d\t%d\t%s\t%s\t%s\t%s\n' "$n" $((n % ${#traffic[@]})) "$(soak_pairs)" \
		"$(jq -r '"\(.epochs) \(.epochs_skipped) \(.epochs_late_us.p50) \(.epochs_late_us.p99)"' <<< "$status")" \
		"$(jq -r "$soak_agent" <<< "$agent")" \
		"$(jq -r '"\(.states // 0) \(.novel // 0) \(.stage // "-") \(.incumbent.name // "-" | gsub(" "; "_"))"' \
			<<< "$policy")" | tr ' ' '\t' >> "$out/minutes.tsv"
	say "period $((n + 1)), $(((SECONDS - began) / 60)) of $minutes minutes: $(tail -n 1 "$out/minutes.tsv" | tr '\t' ' ')"
}

mkdir -p "$out" && : > "$out/memory.tsv" && : > "$out/minutes.tsv" || exit 1
soak_up || { tail -n 3 "$out/log" >&2; exit 1; }
daemon=$(ask -j status | jq .pid)
[ -n "$daemon" ] || exit 1
say "links and daemon are up"

began=$SECONDS died=
# On a busy machine a period takes longer than it should, and there are fewer.
for ((n = 0; SECONDS - began < minutes * period_s; n++)); do
	minute "$n" || { died="period $((n + 1))"; break; }
done
[ -n "$died" ] || build/sluice -j policy history > "$out/history.json" 2> /dev/null
LC_ALL=C awk -f selftests/lab/soak.awk -v minutes="$minutes" -v died="$died" -v hz="$(getconf CLK_TCK)" \
	-v reference="$soak_reference" -v kinds="$soak_kinds" "$out/memory.tsv" "$out/minutes.tsv"
verdict=$?
[ -n "$died" ] || jq -r '.history[]? | "\(.event): \(.reason // "")"' "$out/history.json" |
	sort | uniq -c | sort -rn | head -n 12
exit $verdict
