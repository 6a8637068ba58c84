#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=60
#
# "sluice sim run": the same seed is the same run, knobs do what they do in a qdisc, and what is
# said wrong is refused.

. "$(dirname "$0")/../lib.sh"
require_tool jq
require_build build/sluice
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
	run ecn_percent 0 | jq -e '.queue.ce_packets == 0' > /dev/null; check_err $? "marks without ECN"
	run ecn_percent 0 drop_non_ect 1 | jq -e '.queue.early_drops > 0 and .flows.unfinished == 0' > /dev/null
	check_err $? "no early drops, or flows that do not recover from them"
}

holds()	# CONDITION WHAT PARAMETER VALUE... -- leaves its document in $out
{
	local condition=$1 what=$2

	shift 2
	out=$(run "$@"); check_err $? "sim run $*"
	jq -e "$condition" <<< "$out" > /dev/null; check_err $? "$what: $out"
}

# Every kind of workload, sender, link and network, by what only it can bring about.
test_workloads()
{
	printf '500 0\n501 100\n' > "$tmpdir/small"
	printf '0 400000\n1000 800000\n' > "$tmpdir/rates"
	printf '0\n1\n2\n2\n' > "$tmpdir/opportunities"

	holds '[.traffic[] | select(.goodput_bps > 0) | .ecn] | unique == [false, true]' \
		"no mix of flows" ecn_percent 60
	holds '.queue.ce_packets > 0 and .parameters.cc == "cubic"' "CUBIC" cc cubic endless 2
	holds '.queries.flows == 19 and .queries.slowdown_mean >= 1 and .queue.backlog_max_bytes > 200000' \
		"incast" incast_degree 40 load_percent 0 incast_bytes 10000
	holds '.queue.backlog_max_bytes > 60000' "no GSO packet" gso_bytes 65160 endless 1 \
		load_percent 0 qth_min 1 qth_max 1
	holds '.classes[0].flows > 1000' "no small flows of the second file" \
		switch_s 1 switch_sizes "$tmpdir/small"
	holds '.flows.finished == .flows.started' "on and off" on_ms 50 off_ms 200
	# A second of 400 and one of 800 Mbit/s; 2 ms of one packet and one of two, which then repeats.
	holds '.queue.bytes * 8 > 0.95 * 1.2e9 and .queue.bytes * 8 < 1.2e9 and .queue.utilisation > 0.95' \
		"rates of a file" link_trace "$tmpdir/rates" endless 4 load_percent 0
	holds '.queue.bytes > 0.9 * 4000000 and .queue.bytes < 4000000' "opportunities of a file" \
		link_trace "$tmpdir/opportunities" endless 4 load_percent 0
	holds '.queue.bytes * 8 > 0.95 * 1.25e9 and .queue.bytes * 8 < 1.25e9' "steps of the rate" \
		step_ms 100 step_percent 25 endless 4 load_percent 0
	# The near sender of two, one round trip 20 times the other, has more than a fair share.
	holds '.flows.unfinished == 2 and .queue.utilisation > 0.9' "round trips" \
		senders 2 rtt_max_us 20000 endless 2 load_percent 0 qth_min 400000 qth_max 400000
	holds '(.queues | length) == 4 and ([.queues[].utilisation] | min) > 0.95' "parking lot" \
		topology parking_lot hops 4 endless 5 load_percent 0
	holds '(.queues | length) == 2 * 6 + 2 * 2 * 3 and .flows.finished == .flows.started' \
		"leaf and spine" topology leaf_spine leaves 2 spines 3 hosts_per_leaf 3 seconds 1
}

# A line for each flow, and the same arrivals whatever the threshold is.
test_flow_log()
{
	local k

	for k in 10000 400000; do
		holds '.flows.finished > 100' "flows" qth_min $k qth_max $k flow_log "$tmpdir/log.$k"
		[ "$(grep -vc '^#' "$tmpdir/log.$k")" = "$(jq .flows.finished <<< "$out")" ]
		check_err $? "not as many lines as flows"
		grep -v '^#' "$tmpdir/log.$k" | cut -f 1,2 | sort -n > "$tmpdir/arrivals.$k"
	done
	cmp -s "$tmpdir/arrivals.10000" "$tmpdir/arrivals.400000"; check_err $? "arrivals differ"
	! cmp -s "$tmpdir/log.10000" "$tmpdir/log.400000"; check_err $? "nothing differs"
	awk '!/^#/ && ($3 < 1 || $4 < 1 || $5 != 1 || $6 != "dctcp") { exit 1 }' "$tmpdir/log.10000"
	check_err $? "strange flows: $(head -n 3 "$tmpdir/log.10000")"
}

# Flows that cannot end in time are told, not left out.
test_unfinished()
{
	holds '([.classes[].unfinished] | add) == .flows.unfinished - 20 and
	       .flows.unfinished > 20 and
	       ([.classes[] | select(.unfinished > .flows) | .slowdown_p99] | all(. == -1))' \
		"unfinished flows" endless 20 load_percent 150 seconds 1
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
	refused "is nothing to simulate" run "$sizes" load_percent 0
	refused "cc must be reno, dctcp or cubic" run "$sizes" cc bbr
	refused "other_cc must be" run "$sizes" other_cc
	refused "topology must be" run "$sizes" topology ring
	refused "link_trace needs a file" run "$sizes" link_trace
	refused "none/log: No such file" run "$sizes" flow_log "$tmpdir/none/log"
	refused "none: No such file" run "$sizes" link_trace "$tmpdir/none"
	refused "none: No such file" run "$sizes" switch_s 1 switch_sizes "$tmpdir/none"
	refused "switch_s and switch_sizes need each other" run "$sizes" switch_s 1
	refused "on_ms and off_ms need each other" run "$sizes" off_ms 1
	refused "rtt_max_us must not be below" run "$sizes" rtt_max_us 10
	refused "need topology bottleneck" run "$sizes" rtt_max_us 2000 topology leaf_spine
	refused "incast_degree needs" run "$sizes" incast_degree 2 topology parking_lot
	refused "step_ms need topology" run "$sizes" step_ms 2 topology leaf_spine
	refused "more than 65,000 paths" run "$sizes" topology leaf_spine leaves 100 hosts_per_leaf 20
	refused "two hosts" run "$sizes" topology leaf_spine leaves 1 hosts_per_leaf 1
	printf '0\n5\n4\n' > "$tmpdir/back"
	refused "back:3: milliseconds must not decrease" run "$sizes" link_trace "$tmpdir/back"
	refused "not both" run "$sizes" link_trace "$tmpdir/rates" step_ms 1
	printf '5 0\n1 100\n' > "$tmpdir/bad"
	refused "bad:2: sizes and shares must not decrease" run "$tmpdir/bad"
}

run_test test_runs "a run can be repeated, and its books balance"
run_test test_knobs "knobs do what they do in a qdisc, to the same arrivals"
run_test test_workloads "workloads, senders, links and networks are what they are called"
run_test test_flow_log "flows are logged, and arrivals do not depend on knobs"
run_test test_unfinished "unfinished flows are counted"
run_test test_refused "what is said wrong is refused with a sentence"
tap_end
