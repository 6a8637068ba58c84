#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=240
#
# "sluice lab run" on this host: every way of steering does what its name says, what the host has not is
# absent, a killed campaign leaves nothing behind and goes on.

. "$(dirname "$0")/../lib.sh"
require_root
require_tool ip ethtool nsenter taskset sysctl sqlite3
require_build build/sluice build/sluiced build/selftests/lab/native_cell build/selftests/lab/rr \
	build/selftests/lab/loadgen
ensure_bpffs
[ "$(nproc)" -ge 2 ] || skip_all "needs two CPUs"
sluice=build/sluice
plan=selftests/lab/plans/native-test.plan

sql() { sqlite3 -cmd '.timeout 5000' "$tmpdir/$1.db" "$2"; }
# value DB POLICY METRIC [CLASS]
value()
{
	sql "$1" "SELECT printf('%.6f', value) FROM tidy WHERE policy = '$2' AND metric = '$3' AND
		class = '${4:-}' AND value IS NOT NULL"
}
# holds EXPRESSION MESSAGE
holds() { awk "BEGIN { exit !($1) }"; check_err $? "$2: $1"; }

native_xdp()
{
	ns_create snd rcv
	veth_pair snd eth0 - rcv "nx$$" - && in_ns rcv $sluice load "nx$$" native > /dev/null 2>&1 &&
		in_ns rcv $sluice unload "nx$$" > /dev/null
}

# Namespaces whose maker is gone. Others may be at work on this host meanwhile.
orphans()
{
	ip netns | awk '$1 ~ /^sl-(snd|rcv)-[0-9]+$/ { print $1 }' |
		while read -r ns; do [ -d "/proc/${ns##*-}" ] || echo "$ns"; done
}
# Directories of blocks of the native lab.
blocks() { grep -ls '^steering=' build/lab/block.*/*.job | xargs -r dirname | sort -u; }
no_orphans() { [ "$(orphans)" = "$before" ]; }

# Nothing of a block is left on the host.
clean() { no_orphans && [ -z "$(blocks)" ] && [ "$(sysctl -n net.core.rps_sock_flow_entries)" = "$entries" ]; }

test_policies()
{
	local last=$(($(nproc) - 1)) p

	$sluice lab run $plan "$tmpdir/a.db" 2> "$tmpdir/err"
	check_err $? "$(tail -n 1 "$tmpdir/err")"
	[ "$(sql a "SELECT count(*) FROM runs WHERE state = 'done'")" = 9 ]
	check_err $? "not all are done: $($sluice lab status "$tmpdir/a.db")"
	for p in none rps rfs hash greedy rsspp p2c tree agent; do
		holds "$(value a $p cpu_ns_per_packet) > 500" "$p has no cost"
		holds "$(value a $p rr_p50_us) > 1" "$p has no latency"
		holds "$(value a $p packets) > 500" "$p has no packets"
		holds "$(value a $p rr_lost_share) < 0.5" "$p loses requests"
	done
	for p in hash greedy rsspp p2c tree agent; do
		holds "$(value a $p steered_packets) > 500" "$p steers nothing"
		holds "$(value a $p cpu_ns_per_packet cpumap) > 100" "$p: the cpumap's threads have done nothing"
	done
	for p in greedy rsspp p2c tree agent; do
		holds "$(value a $p cpu_ns_per_packet daemon) > 0" "$p has no daemon"
	done
	holds "$(value a rps packets_share $last) > $(value a none packets_share $last)" \
		"RPS brings no packets to another CPU"
	[ "$(sql a "SELECT group_concat(DISTINCT policy) FROM tidy WHERE metric = 'cpu_ns_per_packet' AND
		class = '' AND status = 'censored'")" = "$(sql a "SELECT group_concat(name) FROM (SELECT name FROM
		policies WHERE name IN ('rps', 'rfs') ORDER BY id)")" ]
	check_err $? "whose CPU time is not all seen is not told"
	[ "$(sql a "SELECT count(DISTINCT seed) FROM runs")" = 1 ]
	check_err $? "arrivals are not the same for all policies"
	clean
	check_err $? "something is left: $(orphans) $(blocks)"
	$sluice lab report "$tmpdir/a.db" > "$tmpdir/report"
	check_err $? "no report"
	# Of one workload: against the reference, which has no pairs with itself, and means.
	[ "$(awk '/^Ways of steering/ { on = 1 } on && $2 == "baseline" && $3 == 0 { print $1 }' "$tmpdir/report" |
		sort -u)" = hash ] && [ "$(grep -c '^rsspp ' "$tmpdir/report")" = 2 ]
	check_err $? "the report: $(cat "$tmpdir/report")"
}

# Without the program: loading it is what takes its time.
kernel_plan()
{
	sed '/^online/d; /^learned/d; /^baseline/d; s/^candidate = .*/candidate = rps/
		s/^reference = .*/reference = none/' $plan
}

test_absent()
{
	kernel_plan | sed 's/^rate_mbps.*/&\nrx_ring = 64/' > "$tmpdir/ring.plan"
	$sluice lab run "$tmpdir/ring.plan" "$tmpdir/ring.db" 2> "$tmpdir/err"
	[ "$(sql ring "SELECT group_concat(DISTINCT state) FROM runs")" = absent ]
	check_err $? "a veth has a ring: $(tail -n 1 "$tmpdir/err")"
	sed 's/rx_ring = 64/cpus = 64/' "$tmpdir/ring.plan" > "$tmpdir/cpus.plan"
	$sluice lab run "$tmpdir/cpus.plan" "$tmpdir/cpus.db" 2> "$tmpdir/err"
	[ "$(sql cpus "SELECT count(*) FROM attempts WHERE state = 'absent' AND error LIKE '%this host has % CPUs%'")" = 3 ]
	check_err $? "64 CPUs: $(tail -n 3 "$tmpdir/err")"
}

test_killed()
{
	local pid

	kernel_plan > "$tmpdir/k.plan"
	$sluice lab run "$tmpdir/k.plan" "$tmpdir/k.db" 2> /dev/null &
	pid=$!
	busywait 60000 begun k
	check_err $? "it does not begin"
	kill -9 $pid
	wait $pid 2> /dev/null
	# The directory is the runner's, who had no time for it.
	busywait 30000 no_orphans
	check_err $? "namespaces are left: $(orphans)"
	blocks | xargs -r rm -rf
	$sluice lab run "$tmpdir/k.plan" "$tmpdir/k.db" 2> "$tmpdir/err"
	[ "$(sql k "SELECT count(*) FROM runs WHERE state = 'done'")" = 3 ]
	check_err $? "it does not go on: $(tail -n 1 "$tmpdir/err")"
}
begun() { [ "$(sql "$1" "SELECT count(*) > 0 FROM attempts" 2> /dev/null)" = 1 ]; }

# bad PATTERN SED: the plan, changed so, is refused with a sentence that has this.
bad()
{
	sed "$2" $plan > "$tmpdir/bad.plan"
	refused "$1" lab run "$tmpdir/bad.plan" "$tmpdir/bad.db"
}

test_refused()
{
	bad "'mixed-rtt' needs a link with a rate" 's/^test = .*/test = mixed-rtt/'
	bad "'elephants-mice' needs a link" 's/^test = .*/test = elephants-mice/'
	bad "the native lab has no policy 'least'" 's/^baseline = .*/& least/'
	bad "'bdp' decides of queues" 's/^baseline = .*/& bdp/'
	bad "rtt_us is nothing that the native lab has" 's/^seconds = .*/&\nrtt_us = 100/'
	bad "'none' steers packets, which is of the native lab alone" 's/^executor = .*/executor = kernel/'
	bad "rx_ring is nothing that the simulator has: take it away, or say executor = native" \
		's/^executor = .*/executor = simulator/; s/^default.*//; s/^baseline.*/baseline = bdp/; s/^learned.*/learned = shipped/; s/^online.*//; s/^candidate.*/candidate = shipped/; s/^reference.*/reference = bdp/; s/^metric.*/metric = J/; s/^seconds.*/&\nrx_ring = 64/'
	[ ! -e "$tmpdir/bad.db" ]
	check_err $? "a refused plan made a database"
}

native_xdp || skip_all "no native XDP on a veth here"
[ -z "$(blocks)" ] || skip_all "another campaign is under way in this tree: $(blocks)"
before=$(orphans)
entries=$(sysctl -n net.core.rps_sock_flow_entries)
run_test test_policies "every way of steering does what its name says"
run_test test_absent "what the host has not is absent"
run_test test_killed "a killed campaign leaves nothing and goes on"
run_test test_refused "plans that the native lab cannot do are refused"
tap_end
