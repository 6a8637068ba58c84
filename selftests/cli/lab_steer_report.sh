#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=120
#
# "sluice lab report" on a campaign of the native lab whose truth is known: each way of steering against the
# plan's reference, by pairs of the same trial, and nothing about thresholds.

. "$(dirname "$0")/../lib.sh"
require_tool sqlite3 awk
require_build build/sluice
sluice=build/sluice
db=$tmpdir/x.db
id=$(awk '/define STORE_APPLICATION_ID/ { print $3 }' user/lab/store.h)
version=$(awk '/define STORE_VERSION/ { print $3 }' user/lab/store.h)

# A campaign of queues becomes one of steering: "learned" costs twice what "double" costs in each trial, whose
# cost grows from one trial to the next; of "online" it is a trial less in which that is known.
make_db()
{
	{ echo "PRAGMA synchronous = OFF; PRAGMA application_id = $id; PRAGMA user_version = $version;"
	  cat user/lab/schema.sql
	  awk -f selftests/cli/lab_campaign.awk -v kind=truth
	  echo "UPDATE plan SET executor = 'native', endpoint = 'cpu_ns_per_packet', reference = 'double';
		INSERT INTO metrics SELECT a.id, 'cpu_ns_per_packet', '', 0, 6, 1,
			1000.0 * (1 + r.trial) * (1 + (p.name = 'learned')), 100, 0, 'ok'
		FROM attempts a JOIN runs r ON r.id = a.run JOIN policies p ON p.id = r.policy
		WHERE a.state = 'valid' AND NOT (p.name = 'online' AND r.trial = 0);"
	} | sqlite3 "$db"
}

# row POLICY: its line of the first table.
row() { awk -v name="$1" '/^Ways of steering/ { on = 1 } on && $1 == name { print; exit }' "$tmpdir/text"; }

test_table()
{
	local trials

	make_db
	trials=$(sqlite3 "$db" "SELECT count(*) FROM results WHERE policy = 'double'")
	$sluice lab report "$db" > "$tmpdir/text"
	check_err $? "no report"
	row learned | grep -q " $trials  *100\.0 \[100\.0, 100\.0\]"
	check_err $? "twice the CPU time: $(row learned)"
	row double | grep -qE '^double +[a-z]+ +0 +- +- +- +-$'
	check_err $? "the reference has pairs with itself: $(row double)"
	row static:12112 | grep -q " 0\.0 \[0\.0, 0\.0\]"
	check_err $? "what costs the same: $(row static:12112)"
	! grep -qE 'opportunity|best static' "$tmpdir/text"
	check_err $? "it talks of thresholds"
	grep -q 'until a request is answered' "$tmpdir/text"
	check_err $? "it does not say what p50 is of"
}

test_page()
{
	$sluice lab report "$db" -o "$tmpdir/page.html" > /dev/null
	check_err $? "no page"
	grep -q 'Ways of steering' "$tmpdir/page.html"
	check_err $? "the page has no table"
}

run_test test_table "each way of steering against the reference, in pairs"
run_test test_page "the page has it, too"
tap_end
