#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm timeout=240
#
# The whole lab, short: the daemon learns on real DCTCP connections through steering and the
# bottleneck, and leaves nothing behind.
. "$(dirname "$0")/../lib.sh"
. selftests/lab/topology.sh
lab_require
require_build build/sluiced build/sluice build/selftests/lab/watch build/selftests/lab/table
load_module

result=$tmpdir/result.json
field() { awk -v key="\"$1\":" '$1 == key { gsub(/[",]/, "", $2); print $2; exit }' "$result"; }

test_plan()
{
	local other

	lab_arrivals "$tmpdir/plan" 8 5 0.7
	check_err $? "arrivals cannot be drawn"
	lab_arrivals "$tmpdir/again" 8 5 0.7
	cmp -s "$tmpdir/plan" "$tmpdir/again"
	check_err $? "the same seed drew other arrivals"
	lab_arrivals "$tmpdir/again" 8 6 0.7
	cmp -s "$tmpdir/plan" "$tmpdir/again"
	check_fail $? "another seed drew the same arrivals"
	# 0.7 of the rate, within what 400 random sizes allow.
	other=$(awk -v rate="$LAB_RATE_MBIT" '!/^#/ { n += $2 }
		END { load = n * 8 / 8 / rate / 1e6; print (load > 0.4 && load < 1.1) ? "" : load }' \
		"$tmpdir/plan")
	[ -z "$other" ]
	check_err $? "load is $other instead of 0.7"
}
run_test test_plan "arrivals are reproducible and of the load asked for"

lab_up && lab_server
check_err $? "the network of the lab cannot be built"
tap_result "topology comes up"

lab_run learn "$tmpdir/plan" "$result" yes "$tmpdir/checkpoint" --elephants 1 2> "$tmpdir/run.log"
check_err $? "$(cat "$tmpdir/run.log" "$tmpdir/sluiced.log")"
tap_result "a run with the learning daemon completes"

test_connections()
{
	[ "$(field failed)" = 0 ]
	check_err $? "$(field failed) connections were lost"
	[ "$(field flows)" -gt 50 ] && awk '/"all"/ { all = 1 } all && /"count"/ {
		gsub(/[^0-9]/, ""); exit !($0 > 50) }' "$result"
	check_err $? "of $(field flows) flows too few completed"
}
run_test test_connections "no connection is lost"

test_marks()
{
	[ "$(awk '/"queue"/ { q = 1 } q && /"ce_packets"/ { gsub(/[^0-9]/, ""); print; exit }' \
		"$result")" -gt 0 ]
	check_err $? "the queue marked nothing"
	# What the senders' TCP learned from the receiver.
	[ "$(field ce_packets)" -gt 0 ]
	check_err $? "no CE mark reached a receiver"
}
run_test test_marks "the queue marks CE and DCTCP's receivers echo it"

test_knobs()
{
	[ "$(field changes)" -gt 3 ]
	check_err $? "the triple in force changed $(field changes) times"
	[ "$(field lease_expired)" = 0 ]
	check_err $? "$(field lease_expired) leases ran out under a living daemon"
}
run_test test_knobs "the daemon moves the thresholds"

test_steering()
{
	local cpus

	cpus=$(awk '/"sent_packets"/ { gsub(/[^0-9]/, "", $2); if ($2 > 0) n++ } END { print n + 0 }' \
		"$result")
	[ "$cpus" -ge 4 ]
	check_err $? "packets went to $cpus targets on two interfaces"
}
run_test test_steering "packets are steered to several CPUs"

test_checkpoint()
{
	[ -s "$tmpdir/checkpoint" ]
	check_err $? "the daemon wrote no checkpoint when it stopped"
}
run_test test_checkpoint "the checkpoint is written at stop"

test_table()
{
	build/selftests/lab/table "$result" > "$tmpdir/table"
	check_err $? "the table cannot be printed"
	grep -q 'goodput' "$tmpdir/table" && grep -qE 'valid trials .*of 1' "$tmpdir/table"
	check_err $? "the table is incomplete: $(cat "$tmpdir/table")"
	sed 's/"drain_bps": [0-9.e+]*/"drain_bps": 1000000.0/' "$result" > "$tmpdir/slow.json"
	build/selftests/lab/table "$tmpdir/slow.json" | grep -q 'INVALID'
	check_err $? "a run below 95 % of the rate is not shown as invalid"
	sed 's/"drain_bps": [0-9.e+]*/"drain_bps": '"$LAB_RATE_MBIT"'000000.0/' "$result" \
		> "$tmpdir/fast.json"
	build/selftests/lab/table "$tmpdir/fast.json" | grep -q 'INVALID'
	check_fail $? "a run at the rate is shown as invalid"
}
run_test test_table "the table shows a run, and an invalid one as such"

test_down()
{
	local names="$ns_snd0 $ns_snd1 $ns_rtr $ns_rcv" name

	run_deferred
	for name in $names; do
		[ ! -e "/run/netns/$name" ]
		check_err $? "$name is left"
	done
	[ -z "$(ls /sys/fs/bpf/sluice 2> /dev/null)" ]
	check_err $? "pins are left: $(ls /sys/fs/bpf/sluice 2> /dev/null)"
	[ ! -d /sys/module/sch_sluice ]
	check_err $? "the module cannot be removed"
}
run_test test_down "everything is taken down"
tap_end
