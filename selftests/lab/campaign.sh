#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=500
#
# A campaign in the kernel lab: real runs, in a VM that the runner boots itself, and again after a kill.
. "$(dirname "$0")/../lib.sh"
require_tool qemu-system-x86_64 sqlite3
require_build build/sluice build/sluiced build/selftests/lab/cell build/selftests/lab/qwatch \
	build/selftests/lab/loadgen

plan=selftests/lab/plans/kernel-test.plan
db=$tmpdir/k.db
ask() { sqlite3 "$db" "$1"; }
some_valid() { [ -f "$db" ] && [ "$(ask "SELECT count(*) FROM attempts WHERE state = 'valid'" 2> /dev/null)" -ge 1 ]; }
no_vm() { ! pgrep -f "$boot" > /dev/null; }

test_killed()
{
	local runner

	start build/sluice lab run $plan "$db" > "$tmpdir/log" 2>&1
	runner=$pid
	busywait 240000 some_valid
	check_err $? "no run was valid: $(tail -n 3 "$tmpdir/log")"
	boot=$(find build/lab -maxdepth 1 -name 'block.*' -newer "$plan" -printf '%f\n' | tail -n 1)
	{ kill -9 "$runner"; wait "$runner"; } 2> /dev/null
	busywait 10000 no_vm
	check_err $? "the VM outlives the runner"
	[ "$(ask 'PRAGMA integrity_check')" = ok ]
	check_err $? "the database is damaged"
	build/sluice lab status "$db" > "$tmpdir/status"
	check_err $? "a database whose runner was killed cannot be looked at"
}
run_test test_killed "a killed runner takes its VM along and leaves what it measured"

test_resumed()
{
	local before

	before=$(ask "SELECT group_concat(id) FROM attempts WHERE state = 'valid'")
	build/sluice lab run $plan "$db" > "$tmpdir/log" 2>&1
	check_err $? "it does not go on: $(tail -n 3 "$tmpdir/log")"
	[ "$(ask "SELECT count(*) FROM attempts WHERE state = 'valid' AND id IN ($before)")" = \
		"$(tr , '\n' <<< "$before" | wc -l)" ]
	check_err $? "what was measured before is not there any more"
	[ "$(ask "SELECT group_concat(state || n, ' ') FROM (SELECT state, count(*) AS n FROM runs
		GROUP BY state ORDER BY state)")" = "absent1 done4" ]
	check_err $? "not four runs done and one absent: $(build/sluice lab status "$db")"
}
run_test test_resumed "it goes on with what is left; a qdisc that the kernel has not is absent"

test_measured()
{
	local what

	for what in J goodput_share queue_bytes slowdown_mean; do
		[ "$(ask "SELECT count(DISTINCT run) FROM tidy WHERE metric = '$what' AND whole AND value > 0")" = 4 ]
		check_err $? "$what is not there for all"
	done
	[ "$(ask "SELECT count(*) FROM tidy WHERE metric = 'decisions_own' AND whole AND n > 20")" = 2 ]
	check_err $? "the daemon's decisions are not counted"
	[ "$(ask "SELECT min(drain_share) >= 0.95 AND max(drain_share) <= 1.05 FROM tidy")" = 1 ]
	check_err $? "the link did not drain at its rate"
	# Nothing of a run goes on into the next: packets are those of its own link's time.
	[ "$(ask "SELECT max(value) < 1.1 FROM tidy WHERE metric = 'throughput_share'")" = 1 ]
	check_err $? "a link sent more than it can"
	build/sluice lab report "$db" > "$tmpdir/report"
	check_err $? "no report of it"
}
run_test test_measured "what was measured is of all policies alike"
tap_end
