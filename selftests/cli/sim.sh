#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=60
#
# "sluice sim run": the same seed is the same run, knobs do what they do in a qdisc, and what is
# said wrong is refused.

. "$(dirname "$0")/../lib.sh"
require_tool jq
require_build build/sluice build/selftests/lab/ladder
sluice=build/sluice
sizes=$tmpdir/sizes
printf '# bytes share\n1000 0\n20000 50\n1000000 100\n' > "$sizes"

run() { $sluice -j sim run "$sizes" seconds 2 "$@"; }

test_runs()
{
	local a b

	a=$(run); check_err $? "sim run"
	b=$(run seed 1 rtt_us 1000)
	[ "$a" = "$b" ]; check_err $? "two runs with the same parameters differ"
	[ "$a" != "$(run seed 2)" ]; check_err $? "another seed changes nothing"
	jq -e '.flows.finished > 100 and .flows.finished == .flows.started and
	       ([.classes[].flows] | add) == .flows.finished and .queue.utilisation > 0.3' \
		<<< "$a" > /dev/null
	check_err $? "the books do not balance: $a"
	$sluice sim run "$sizes" seconds 1 | grep -q '^queue: .* of the rate used'
	check_err $? "no text"
}

# A low threshold keeps the queue short for the same flows; without ECN nothing is marked.
test_knobs()
{
	local low high

	low=$(run qth_min 10000 qth_max 10000)
	high=$(run qth_min 400000 qth_max 400000)
	[ "$(jq .flows.started <<< "$low")" = "$(jq .flows.started <<< "$high")" ]
	check_err $? "the arrivals depend on the threshold"
	jq -es '.[0].queue.backlog_mean_bytes * 2 < .[1].queue.backlog_mean_bytes' \
		<<< "$low$high" > /dev/null
	check_err $? "the threshold does not matter"
	run ecn 0 | jq -e '.queue.ce_packets == 0' > /dev/null; check_err $? "marks without ECN"
	run ecn 0 drop_non_ect 1 | jq -e '.queue.early_drops > 0 and .flows.unfinished == 0' > /dev/null
	check_err $? "no early drops, or flows that do not recover from them"
}

refused()	# PATTERN ARGUMENT...
{
	local out status pattern=$1

	shift
	out=$($sluice sim "$@" 2>&1 > /dev/null); status=$?
	[ $status != 0 ] && [[ $out == "sluice: "*$pattern* ]]
	check_err $? "sim $*: status $status, $out"
}

test_refused()
{
	refused "no file of flow sizes" run
	refused "there is no 'sim walk'" walk "$sizes"
	refused "No such file" run "$tmpdir/none"
	refused "there is no parameter 'k'" run "$sizes" k 5
	refused "rtt_us must be 1 to" run "$sizes" rtt_us 0
	refused "rtt_us must be 1 to" run "$sizes" rtt_us
	refused "qth_min must not be above" run "$sizes" qth_min 9 qth_max 8
	refused "nothing to simulate" run "$sizes" load_percent 0
	printf '5 0\n1 100\n' > "$tmpdir/bad"
	refused "bad:2: sizes and shares must not decrease" run "$tmpdir/bad"
}

# The ladder runs to its end, and an oracle is not beaten by what it was chosen from.
test_ladder()
{
	local ladder=build/selftests/lab/ladder

	$ladder --seconds 0.5 --train 10 --seeds 1 --rate-mbps 200 "$sizes" > "$tmpdir/ladder"
	check_err $? "ladder"
	[ "$(grep -c '^static\|^best static' "$tmpdir/ladder")" = 10 ] &&
		[ "$(grep -c '^best static\|^C RTT / 7\|^learned' "$tmpdir/ladder")" = 3 ]
	check_err $? "rows are missing: $(cat "$tmpdir/ladder")"
	! grep '^static\|^best' "$tmpdir/ladder" | grep -q ' -[0-9]'
	check_err $? "better than the oracle: $(cat "$tmpdir/ladder")"
}

run_test test_runs "a run can be repeated, and its books balance"
run_test test_knobs "knobs do what they do in a qdisc, to the same arrivals"
run_test test_ladder "the ladder has its rows"
run_test test_refused "what is said wrong is refused with a sentence"
tap_end
