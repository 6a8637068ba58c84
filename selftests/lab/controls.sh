#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: none
#
# The guard's control experiments, by a person: real daemons, the real qdisc, real TCP. What they show is in
# Documentation/guard.md. In the VM:
#
#	scripts/vm_run.sh --virtual-time --timeout 3000 -- selftests/lab/controls.sh all
set -u

usage() {
	cat <<-END
	usage: selftests/lab/controls.sh sweep|negative|positive|aa|drift|all [--quick]

	sweep     J, flow completion times and goodput of fixed thresholds
	negative  bad and subtly bad policies: each one's trial, and being put into force by a word
	positive  a policy that is better by 10 %, which the sweep has shown: time to promotion
	aa        100 candidates that are what they would replace: false promotions
	drift     traffic of another sort: time to fall back, time to a better policy

	Tables go to standard output, progress to standard error. all takes about 45 minutes, --quick,
	with shorter and fewer trials, 10. LINK_KBIT and LINK_RTT_US change the network, LINKS how many A/A has
	at a time.
	END
}

what=${1:-} quick=
[ "${2:-}" != --quick ] || quick=1
case $what in
sweep|negative|positive|aa|drift|all) ;;
--help) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac

. "$(dirname "$0")/../lib.sh"
. selftests/lab/links.sh
tap_done=1	# no TAP here

slice_s=5
bound_s=$((13 * slice_s))	# trial_worst(): 4 * 3 strikes, and one
fates=") (rejected|promoted|refused): "	# in the log
static=0.25			# share of C * RTT
elephants=1 load=0.2		# of each link, unless it says otherwise

say() { printf '[%4d s] %s\n' $SECONDS "$*" >&2; }

# when: the wall clock in seconds, as the daemon's history has it.
when() { echo "${EPOCHREALTIME/,/.}"; }

# flows I FROM TO: mean and worst FCT of flows up to 10 KB that began then, in ms, and how many.
flows()
{
	awk -v began="$(cat "$tmpdir/link$1/began")" -v from="$2" -v to="$3" '{
		t = began + $1 / 1e9
		if (t < from || t >= to || $2 > 10000 || !$3)
			next
		ms = $3 / 1e6; n++; sum += ms
		if (ms > worst) worst = ms
	} END { if (n) printf "%.0f / %.0f (%d)", sum / n, worst, n; else printf "-" }' \
		"$tmpdir/link$1/times"
}

# event I NAME FIELD: of the latest such event.
event() { link_history "$1" "[.history[] | select(.event == \"$2\")] | last | .$3"; }

# wait_for TIMEOUT_S COUNT WORDS FIRST LAST: until the logs of these links' daemons have that many lines with one of
# the words (an extended regular expression).
wait_for()
{
	local end=$((SECONDS + $1)) count=$2 words=$3 i n text logs=() out

	for ((i = $4; i <= $5; i++)); do
		logs+=("$tmpdir/link$i/log")
	done
	while [ $SECONDS -lt $end ]; do
		out=
		for i in "${logs[@]}"; do
			text=$(< "$i") n=0
			while [[ $text =~ $words ]]; do
				n=$((n + 1)) text=${text#*"${BASH_REMATCH[0]}"}
			done
			[ $n -ge "$count" ] || out+=" ${i#"$tmpdir"/}"
		done
		[ -n "$out" ] || return 0
		nap 3
	done
	say "waited in vain for '$words': $out"
	return 1
}

# --- sweep ------------------------------------------------------------------------------------

shares="0.03 0.125 0.25 0.5 1 2 4 8"

# sweep FIRST_LINK SECONDS: J of each share, in $tmpdir/sweep: share, J, J of the static one meanwhile.
sweep()
{
	local i=$1 share

	for share in $shares; do
		write_bdp "$share" "$tmpdir/k$share.model"
		link_daemon "$i" "$tmpdir/k$share.model" "static = $static" "watch_slices = 4" \
			"harm = 20" "tolerance = 20" "retry_s = 0" "qth_low = 1"
		i=$((i + 1))
	done
	links_answer "$1" $((i - 1)) || return 1
	say "sweep: daemons are up"
	for ((i = $1; i < $1 + 8; i++)); do
		link_load "$i" "$2" $elephants $load 1
	done
	for ((i = $1; i < $1 + 8; i++)); do
		link_load_wait "$i"
	done
	printf '\n| K / (C RTT) | J | J of %s meanwhile | blocks | FCT up to 10 KB, ms: mean / p99 | goodput Mbit/s |\n|---|---|---|---|---|---|\n' $static
	i=$1
	: > "$tmpdir/sweep"
	for share in $shares; do
		link_policy "$i" ".trial | \"$share \(.arms.incumbent.reward) \(.arms.static.reward) \(.blocks)\"" |
			tee -a "$tmpdir/sweep" |
			awk -v load="$(jq -r '"\(.fct.small.mean_us / 1000) \(.fct.small.p99_us / 1000) \(.goodput_bps / 1e6)"' "$tmpdir/link$i/load.json")" \
			'{ split(load, l, " ")
			printf "| %s | %.3f | %.3f | %d | %.0f / %.0f | %.2f |\n", $1, $2, $3, $4, l[1], l[2], l[3] }'
		link_stop "$i"
		i=$((i + 1))
	done
}

control_sweep() { links_up 8 && say "links are up" && sweep 0 $((quick ? 60 : 180)); }

# --- negative control -----------------------------------------------------------------------------

bad=()		# names
worst_share=8	# by the sweep, if there was one

bad_models()
{
	local share J static_J rest least=0

	if [ -s "$tmpdir/sweep" ]; then
		while read -r share J static_J rest; do
			awk -v d="$(awk "BEGIN { print $J - $static_J }")" -v least=$least \
				'BEGIN { exit !(d < least) }' || continue
			least=$(awk "BEGIN { print $J - $static_J }")
			worst_share=$share
		done < "$tmpdir/sweep"
	fi
	bad=("far too small" "far too large" "twice the static" "half the static" "bad at high load"
		"flipped tree 1" "flipped tree 2" "worst of the sweep")
	write_bdp 0.005 "$tmpdir/bad0.model"
	write_bdp 16 "$tmpdir/bad1.model"
	write_bdp 0.5 "$tmpdir/bad2.model"
	write_bdp 0.125 "$tmpdir/bad3.model"
	# Doubles K in every interval that has marks; without load there are none.
	build/sluice policy write rules 0.9999 1e9 $static "$tmpdir/bad4.model"
	build/selftests/lab/flip_model shipped-tree 1 "$tmpdir/bad5.model" > /dev/null
	build/selftests/lab/flip_model shipped-tree 2 "$tmpdir/bad6.model" > /dev/null
	write_bdp "$worst_share" "$tmpdir/bad7.model"
}

# begin_negative FIRST_LINK SECONDS
begin_negative()
{
	local i

	bad_models
	write_bdp $static "$tmpdir/good.model"
	for ((i = 0; i < 8; i++)); do
		link_daemon $(($1 + i)) "$tmpdir/good.model" "static = $static" "alpha = 0.05" \
			"watch_slices = 4" "retry_s = 0" "qth_low = 1" "trial_blocks = $((quick ? 24 : 60))"
	done
	links_answer "$1" $(($1 + 7)) || return 1
	for ((i = 0; i < 8; i++)); do
		link_load $(($1 + i)) "$2" $elephants $load 2
	done
	nap 10
	for ((i = 0; i < 8; i++)); do
		link_sluice $(($1 + i)) policy promote "$tmpdir/bad$i.model" > "$tmpdir/link$(($1 + i))/offer" 2>&1
	done
	say "negative: offered ${#bad[@]}"
}

# end_negative FIRST_LINK TIMEOUT_S
end_negative()
{
	local i l from

	wait_for "$2" 1 "$fates" "$1" $(($1 + 7))
	for ((i = 0; i < 8; i++)); do
		l=$(($1 + i))
		link_load_stop $l
		link_history $l '.history[] | "\(.time) \(.event) \(.policy)"' >&2
	done
	printf '\n| policy (K static is %s C RTT) | fate | reason | s to it | slices ended early | s of visible harm (bound %d) | worst slice, J below the static | J against static | small FCT in the trial, ms: mean / worst (flows) | before it |\n|---|---|---|---|---|---|---|---|---|---|\n' \
		$static $bound_s
	for ((i = 0; i < 8; i++)); do
		l=$(($1 + i))
		from=$(event $l trial time)
		# Quantities of the last event about the candidate.
		link_history $l '[.history[] | select(.event == "rejected" or .event == "promoted" or .event == "refused")]
			| last | "\(.time)|\(.event)|\(.reason)|\(.harmful)|\(.harm_s)|\(.worst)|\(.against_static.mean) [\(.against_static.low), \(.against_static.high)]"' \
			> "$tmpdir/fate"
		IFS='|' read -r time fate reason harmful harm_s worst against < "$tmpdir/fate"
		printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "${bad[i]}" "$fate" "$reason" \
			"$(awk "BEGIN { printf \"%.0f\", $time - $from }" 2> /dev/null)" "$harmful" \
			"$(round 1 "$harm_s")" "$(round 2 "$worst")" "$(round 2 "$against")" \
			"$(flows $l "$from" "$time")" "$(flows $l 0 "$from")"
		link_stop $l
	done
}

# round DIGITS TEXT: all numbers in it.
round()
{
	awk -v digits="$1" -v text="$2" 'BEGIN {
		n = split(text, word, " ")
		for (i = 1; i <= n; i++) {
			match(word[i], /-?[0-9]+\.?[0-9]*(e-?[0-9]+)?/)
			if (RLENGTH > 0)
				word[i] = substr(word[i], 1, RSTART - 1) sprintf("%." digits "f", substr(word[i], RSTART, RLENGTH)) substr(word[i], RSTART + RLENGTH)
			printf "%s%s", (i > 1 ? " " : ""), word[i]
		}
	}'
}

control_negative()
{
	links_up 8 && begin_negative 0 $((quick ? 600 : 1500)) && end_negative 0 $((quick ? 500 : 1400))
}

# --- positive control -------------------------------------------------------------------------------

better=0.25 mis_set=0.5	# shares: about 10 % apart in J, see the sweep

# By the sweep: the pair of neighbours whose J differ by what is nearest to 0.1.
choose_pair()
{
	[ -s "$tmpdir/sweep" ] || return 0
	read -r better mis_set < <(awk '{ share[NR] = $1; d[NR] = $2 - $3 } END {
		best = 9
		for (i = 1; i <= NR; i++)
			for (k = 1; k <= NR; k++) {
				gain = d[i] - d[k]
				off = gain - 0.1; off = off < 0 ? -off : off
				if (gain > 0.07 && off < best) { best = off; a = share[i]; b = share[k] }
			}
		print a, b
	}' "$tmpdir/sweep")
}

# Links with a trial each, in which the policy in force is the static one, and links that change between the
# same two policies from slice to slice as long as that takes.
pos_trials=4 pos_fixed=2
begin_positive()
{
	local i

	choose_pair
	write_bdp "$better" "$tmpdir/better.model"
	write_bdp "$mis_set" "$tmpdir/mis_set.model"
	for ((i = 0; i < pos_trials; i++)); do
		link_daemon $(($1 + i)) "$tmpdir/mis_set.model" "static = $mis_set" "alpha = 0.05" \
			"retry_s = 0" "qth_low = 1" "trial_blocks = 200"
	done
	for ((; i < pos_trials + pos_fixed; i++)); do
		# One slice of two each: a fixed run of either, side by side for all of the time.
		link_daemon $(($1 + i)) "$tmpdir/better.model" "static = $mis_set" "harm = 20" \
			"tolerance = 20" "retry_s = 0" "qth_low = 1" "watch_slices = 2"
	done
	links_answer "$1" $(($1 + pos_trials + pos_fixed - 1)) || return 1
	for ((i = 0; i < pos_trials + pos_fixed; i++)); do
		link_load $(($1 + i)) "$2" $elephants $load $((3 + i))
	done
	nap 10
	for ((i = 0; i < pos_trials; i++)); do
		link_sluice $(($1 + i)) policy rollback > /dev/null	# to the static one
		link_sluice $(($1 + i)) policy promote "$tmpdir/better.model" > /dev/null
	done
	say "positive: K = $better C RTT is offered in place of $mis_set"
}

end_positive()
{
	local i l from time fate blocks against

	wait_for "$2" 1 "$fates" "$1" $(($1 + pos_trials - 1))
	printf '\nK = %s C RTT against %s, fixed: J differs by' "$better" "$mis_set"
	for ((i = pos_trials; i < pos_trials + pos_fixed; i++)); do
		link_policy $(($1 + i)) '.trial | " \(.against_static.mean) (\(.blocks) pairs of slices)"' |
			tr '\n' ' '
	done
	printf '\n\n| link | fate | minutes to it | blocks | J against the one in force, which is the static one | before promotion, small FCT ms: mean / worst (flows) |\n|---|---|---|---|---|---|\n'
	for ((i = 0; i < pos_trials; i++)); do
		l=$(($1 + i))
		link_load_stop $l
		from=$(event $l trial time)
		link_history $l '[.history[] | select(.event == "rejected" or .event == "promoted")]
			| last | "\(.time)|\(.event)|\(.blocks)|\(.against_static.mean) [\(.against_static.low), \(.against_static.high)]"' \
			> "$tmpdir/fate"
		IFS='|' read -r time fate blocks against < "$tmpdir/fate"
		if [ "$fate" = null ]; then
			fate="running" time=$(when)
			link_policy $l '.trial | "\(.blocks)|\(.against_static.mean) [\(.against_static.low), \(.against_static.high)]"' > "$tmpdir/fate"
			IFS='|' read -r blocks against < "$tmpdir/fate"
		fi
		printf '| %d | %s | %s | %s | %s | %s |\n' $((i + 1)) "$fate" \
			"$(awk "BEGIN { printf \"%.1f\", ($time - $from) / 60 }")" "$blocks" \
			"$(round 3 "$against")" "$(flows $l "$from" "$time")"
	done
	for ((i = 0; i < pos_trials + pos_fixed; i++)); do
		link_load_stop $(($1 + i))
		link_stop $(($1 + i))
	done
}

control_positive()
{
	[ -z "$quick" ] || pos_trials=3 pos_fixed=1
	links_up 6 && begin_positive 0 $((quick ? 400 : 1500)) && end_positive 0 $((quick ? 360 : 1400))
}

# --- A/A -----------------------------------------------------------------------------------------

: "${LINKS:=20}"
: "${AA_BLOCKS:=20}"

# aa FIRST_LINK CANDIDATES BLOCKS: the incumbent is the static policy, so that a trial has one comparison, not two:
# the case that errs more often.
aa()
{
	local waves=$((($2 + LINKS - 1) / LINKS)) wave i text promoted=0
	local seconds=$((waves * ($3 * 2 * slice_s + 40) + 60))

	for ((i = 0; i < LINKS; i++)); do
		write_bdp $static "$tmpdir/alike.model"
		link_daemon $(($1 + i)) "$tmpdir/alike.model" "static = $static" "alpha = 0.05" \
			"retry_s = 0" "qth_low = 1" "trial_blocks = $3" "watch_slices = 0"
	done
	links_answer "$1" $(($1 + LINKS - 1)) || return 1
	for ((i = 0; i < LINKS; i++)); do
		link_load $(($1 + i)) $seconds $elephants 0.1 $((100 + i))
		link_sluice $(($1 + i)) policy rollback > /dev/null	# to the static one
	done
	nap 5
	: > "$tmpdir/aa"
	for ((wave = 0; wave < waves; wave++)); do
		for ((i = 0; i < LINKS; i++)); do
			link_sluice $(($1 + i)) policy promote "$tmpdir/alike.model" > /dev/null
		done
		wait_for $(($3 * 2 * slice_s * 2 + 60)) $((wave + 1)) "$fates" "$1" $(($1 + LINKS - 1))
		# Begin the next one from the static policy again.
		for ((i = 0; i < LINKS; i++)); do
			text=$(< "$tmpdir/link$(($1 + i))/log")
			[[ ${text##*$'\n'} == *") promoted: "* ]] || continue
			link_sluice $(($1 + i)) policy rollback > /dev/null
			promoted=$((promoted + 1))
		done
		say "A/A: $promoted promoted in $((LINKS * (wave + 1))) trials"
	done
	for ((i = 0; i < LINKS; i++)); do
		link_history $(($1 + i)) '.history[] | select(.blocks and .event != "taken back")
			| "\(.event)|\(.reason)|\(.blocks)|\(.voided)|\(.against_static.mean)|\(.harm_s)"'
	done > "$tmpdir/aa"
	echo
	awk -F'|' '{
		n++; promoted += $1 == "promoted"; worse += $2 ~ /worse/; harmful += $2 ~ /harm/
		blocks += $3; voided += $4; sum += $5; sum2 += $5 * $5; harm += $6
	} END {
		printf "%d trials of candidates that are what they would replace, alpha 5 %%: %d promoted; ", n, promoted
		printf "%d rejected as worse, %d as harmful, the others undecided\n", worse, harmful
		printf "%.1f blocks each, %.1f void; sd of the mean difference in J %.3f; %.0f s of harm in all\n",
			blocks / n, voided / n, sqrt(sum2 / n - (sum / n) ^ 2), harm
	}' "$tmpdir/aa"
	for ((i = 0; i < LINKS; i++)); do
		link_load_stop $(($1 + i))
		link_stop $(($1 + i))
	done
}

control_aa() { links_up "$LINKS" && aa 0 $((quick ? LINKS : 100)) $((quick ? 8 : AA_BLOCKS)); }

# --- drift ---------------------------------------------------------------------------------------

# drift FIRST_LINK CALM_S LINKS: few small flows, for which any threshold does, also that of the incumbent, 4 C RTT; then
# long ones beside many small ones. The static one is 1 C RTT here, and 0.25 is offered after the fallback.
drift()
{
	local i l changed fell gone

	write_bdp 4 "$tmpdir/for_long.model"
	write_bdp 0.25 "$tmpdir/for_small.model"
	for ((i = 0; i < $3; i++)); do
		link_daemon $(($1 + i)) "$tmpdir/for_long.model" "static = 1" "alpha = 0.05" \
			"retry_s = 0" "qth_low = 1" "trial_blocks = 120" "watch_slices = 4" "tolerance = 0.15"
	done
	links_answer "$1" $(($1 + $3 - 1)) || return 1
	for ((i = 0; i < $3; i++)); do
		link_load $(($1 + i)) "$2" 0 0.05 $((200 + i))
	done
	nap "$2"
	changed=$(when)
	for ((i = 0; i < $3; i++)); do
		l=$(($1 + i))
		link_policy $l '.trial | "calm: J \(.arms.incumbent.reward), static \(.arms.static.reward), \(.blocks) blocks"' >&2
		link_load $l 1200 2 0.3 $((210 + i))
	done
	say "drift: the traffic has changed"
	wait_for $((quick ? 240 : 480)) 1 "taken back: " "$1" $(($1 + $3 - 1))
	for ((i = 0; i < $3; i++)); do
		link_sluice $(($1 + i)) policy promote "$tmpdir/for_small.model" > /dev/null
	done
	say "drift: fallen back; a candidate for the new traffic is offered"
	wait_for $((quick ? 200 : 480)) 1 "$fates" "$1" $(($1 + $3 - 1))
	printf '\n| link | s from the change to the fallback | reason | s of visible harm | s from there to the end of the trial of a better one | its fate | J against static |\n|---|---|---|---|---|---|---|\n'
	for ((i = 0; i < $3; i++)); do
		l=$(($1 + i))
		fell=$(event $l "taken back" time)
		link_history $l '[.history[] | select(.event == "rejected" or .event == "promoted")]
			| last | "\(.time)|\(.event): \(.reason)|\(.against_static.mean) [\(.against_static.low), \(.against_static.high)]"' > "$tmpdir/fate"
		IFS='|' read -r gone fate against < "$tmpdir/fate"
		printf '| %d | %s | %s | %s | %s | %s | %s |\n' $((i + 1)) \
			"$(awk "BEGIN { printf \"%.0f\", $fell - $changed }")" "$(event $l "taken back" reason)" \
			"$(round 1 "$(event $l "taken back" harm_s)")" \
			"$(awk "BEGIN { printf \"%.0f\", $gone - $fell }")" "$fate" "$(round 2 "$against")"
		link_load_stop $l
		link_stop $l
	done
}

control_drift() { links_up 3 && drift 0 $((quick ? 60 : 180)) $((quick ? 1 : 3)); }

# --- all -------------------------------------------------------------------------------------------

control_all()
{
	local n=$((LINKS > 17 ? LINKS : 17))

	[ -z "$quick" ] || n=13 pos_trials=3 pos_fixed=1
	links_up $n || return 1
	say "$n links are up"
	[ -n "$quick" ] || sweep 0 150
	# Side by side.
	begin_negative 0 $((quick ? 600 : 1500)) &&
		begin_positive 8 $((quick ? 900 : 1500)) || return 1
	drift $((8 + pos_trials + pos_fixed)) $((quick ? 60 : 90)) $((quick ? 1 : 3)) &
	beside=$!
	end_negative 0 $((quick ? 500 : 1400))
	say "negative done"
	wait $beside
	say "drift done"
	end_positive 8 $((quick ? 600 : 1200))
	say "positive done"
	[ -n "$quick" ] || aa 0 100 "$AA_BLOCKS"
}

require_build build/selftests/lab/flip_model
load_module
"control_$what"
