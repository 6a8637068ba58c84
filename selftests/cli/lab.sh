#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=300
#
# "sluice lab run|status|export" in the simulator: a campaign that is killed, stopped or out of disk
# loses nothing and goes on; plans and databases that do not fit are refused before anything runs.

. "$(dirname "$0")/../lib.sh"
require_tool jq sqlite3
require_build build/sluice
sluice=build/sluice
plan=selftests/lab/plans/test.plan

sql() { sqlite3 "$tmpdir/$1.db" "$2"; }
# One row a run: what must be the same however a campaign came to its end.
values() { sql "$1" "SELECT run, workload, policy, trial, printf('%.9g', J) FROM results ORDER BY run"; }

test_campaign()
{
	$sluice lab run $plan "$tmpdir/a.db" --jobs 2 2> "$tmpdir/err"
	check_err $? "$(tail -n 1 "$tmpdir/err")"
	grep -q '^40 of 40 runs done, 0 failed' "$tmpdir/err"
	check_err $? "the last line is '$(tail -n 1 "$tmpdir/err")'"
	# All policies of a workload and trial had the same arrivals, and their flows.
	[ "$(sql a "SELECT max(n) FROM (SELECT count(DISTINCT seed) AS n FROM runs
		GROUP BY workload, configuration, trial)")" = 1 ] &&
		[ "$(sql a "SELECT count(DISTINCT seed) FROM runs")" = 8 ]
	check_err $? "arrivals are not the same for all policies, or not others for another trial"
	# In an order by chance, block by block.
	[ "$(sql a "SELECT count(DISTINCT o) FROM (SELECT group_concat(policy) AS o FROM (SELECT *
		FROM runs ORDER BY position) GROUP BY block)")" -gt 1 ]
	check_err $? "the policies' order is the same in all blocks"
	[ "$(sql a "SELECT sum(evaluations) FROM test_evaluations")" = 20 ]
	check_err $? "20 runs on test workloads are not counted"
	[ "$(sql a "SELECT count(*) FROM attempts WHERE sluice IS NULL OR kernel IS NULL OR host IS NULL OR
		calibration IS NULL OR duration_s IS NULL")" = 0 ]
	check_err $? "an attempt does not say what it ran on"
	# No p99 of less than 1,000 flows, no p999 of less than 10,000.
	[ "$(sql a "SELECT count(*) FROM metrics WHERE value IS NOT NULL AND (name = 'fct_p99_us' AND n <
		1000 OR name = 'fct_p999_us' AND n < 10000)")" = 0 ]
	check_err $? "a quantile is told from too few flows"
	$sluice lab run $plan "$tmpdir/a.db" 2> "$tmpdir/err" && [ "$(sql a "SELECT count(*) FROM
		attempts")" = 40 ]
	check_err $? "what was done was done again"
	[ ! -e "$tmpdir/a.db-wal" ] && [ ! -e "$tmpdir/a.db.lock" ]
	check_err $? "a second file stayed beside the database"
}

test_show()
{
	$sluice lab status "$tmpdir/a.db" | grep -q '^40 of 40 runs done'
	check_err $? "status"
	[ "$($sluice -j lab status "$tmpdir/a.db" | jq '.outcomes | map(.done) | add')" = 40 ]
	check_err $? "status as JSON"
	$sluice lab status --plan "$tmpdir/a.db" | cmp -s - $plan
	check_err $? "status --plan"
	$sluice lab export "$tmpdir/a.db" -o "$tmpdir/a.csv"
	check_err $? "export"
	[ "$(head -n 1 "$tmpdir/a.csv" | tr ',' '\n' | wc -l)" = 27 ] &&
		[ "$(wc -l < "$tmpdir/a.csv")" = $(($(sql a "SELECT count(*) FROM metrics") + 1)) ]
	check_err $? "the export has not a row for each value"
	[ "$(sql a "SELECT count(*) || ' ' || max(evaluations) FROM looks")" = "1 20" ]
	check_err $? "the export does not count as a look at test results"
	! $sluice lab export "$tmpdir/a.db" > /dev/full 2> "$tmpdir/err"
	check_err $? "an export that cannot be written succeeded"
}

test_kill()
{
	local i had=0 now

	for i in 1 2 3 4 5 6; do
		$sluice lab run $plan "$tmpdir/k.db" --jobs 1 2> /dev/null &
		sleep "0.$((RANDOM % 20 + 5))"
		kill -9 $! 2> /dev/null
		wait $! 2> /dev/null
		now=$(sqlite3 -readonly "$tmpdir/k.db" "SELECT count(*) FROM attempts WHERE state = 'valid'" \
			2> /dev/null || echo 0)
		[ "$now" -ge "$had" ]
		check_err $? "$had runs were measured, $now are left"
		had=$now
	done
	$sluice lab run $plan "$tmpdir/k.db" 2> "$tmpdir/err"
	check_err $? "it does not go on: $(tail -n 1 "$tmpdir/err")"
	[ "$(values k)" = "$(values a)" ]
	check_err $? "a campaign that was killed ends with other values"
	[ "$(sql k "SELECT count(*) FROM attempts WHERE state = 'running'")" = 0 ] &&
		[ "$(sql k "SELECT count(*) FROM runs WHERE state = 'done'")" = 40 ]
	check_err $? "runs are not all done"
	diag "$(sql k "SELECT count(*) FROM attempts WHERE state = 'interrupted'") attempts interrupted"
}

# Policies that the runner makes: without the family that they run on, once, and as the seed says.
fit_plan()
{
	sed -e 's/^baseline = .*/baseline = bdp fit:bdp fit:linear/' -e 's/^oracle = .*/online = learn learn-on/' \
		-e 's/^learned = .*/learned = fit:bandit:1 fit:bandit:2/' \
		-e 's/^train = .*/train = mid-rate web/' \
		-e 's/^static = .*/& ramp:12112:96896:0.5/; s/^candidate = .*/candidate = fit:linear/' \
		"$@" $plan > "$tmpdir/fit.plan"
}

crcs() { sql "$1" "SELECT fit, crc FROM fits WHERE family = '$2' ORDER BY fit"; }

test_fits()
{
	local before

	fit_plan
	$sluice lab run "$tmpdir/fit.plan" "$tmpdir/f.db" --jobs 2 2> "$tmpdir/err"
	check_err $? "$(tail -n 1 "$tmpdir/err")"
	grep -q '^80 of 80 runs done, 0 failed' "$tmpdir/err"
	check_err $? "the last line is '$(tail -n 1 "$tmpdir/err")'"
	# Both families to test have one model, made from both to train; these have one from each other.
	[ "$(sql f "SELECT group_concat(family || '<' || others, ' ') FROM (SELECT * FROM fits WHERE
		fit = 'linear' ORDER BY family)")" = "<load web load<web web<load" ]
	check_err $? "made from others than it should: $(sql f "SELECT family, others FROM fits")"
	[ "$(sql f "SELECT count(DISTINCT fit) || ' ' || count(*) FROM fits")" = "5 15" ]
	check_err $? "not three of each: $(sql f "SELECT fit, family FROM fits")"
	[ "$(sql f "SELECT count(DISTINCT crc) FROM fits WHERE fit LIKE 'bandit:%' AND family = ''")" = 2 ]
	check_err $? "two seeds made the same bandit"
	[ "$(sql f "SELECT min(mixes) || ' ' || max(mixes) FROM fits")" = "2 4" ]
	check_err $? "two arrivals of each workload are not what it has seen"
	# The agent from scratch has no time to learn; the one that goes on decides by itself.
	[ "$(sql f "SELECT sum(value) FROM tidy WHERE metric = 'decisions_own' AND policy = 'learn'")" = 0.0 ] &&
		[ "$(sql f "SELECT sum(value) > 100 FROM tidy WHERE metric = 'decisions_own' AND
			policy = 'learn-on'")" = 1 ]
	check_err $? "whose decisions these are is not counted"
	[ "$(sql f "SELECT count(DISTINCT J) FROM results WHERE workload = 'incast-8' AND trial = 0 AND
		policy IN ('ramp:12112:96896:0.5', 'static:12112', 'static:96896')")" = 3 ]
	check_err $? "the ramp is no ramp"
	# Killed while they are made: what is there stays, and all ends the same.
	$sluice lab run "$tmpdir/fit.plan" "$tmpdir/g.db" --jobs 1 2> /dev/null &
	busywait 20000 has_fits g
	kill -9 $!
	wait $! 2> /dev/null
	before=$(sql g "SELECT fit, family, crc, made_unix_s FROM fits ORDER BY made_unix_s LIMIT 2")
	$sluice lab run "$tmpdir/fit.plan" "$tmpdir/g.db" 2> "$tmpdir/err"
	check_err $? "it does not go on: $(tail -n 1 "$tmpdir/err")"
	[ "$(sql g "SELECT fit, family, crc, made_unix_s FROM fits ORDER BY made_unix_s LIMIT 2")" = "$before" ]
	check_err $? "what had been made was made again"
	[ "$(values g)" = "$(values f)" ]
	check_err $? "killed while policies were made, it ends with other values"
}

has_fits() { [ "$(sql "$1" "SELECT count(*) > 1 FROM fits" 2> /dev/null)" = 1 ]; }

# Every family held out in its turn: of the workload of its own family a model knows nothing.
test_left_out()
{
	local own other

	fit_plan -e '/^train/d; s/^test = .*/test = mid-rate web incast-8/; s/^trials = .*/trials = 1/; /^online/d'
	$sluice lab run "$tmpdir/fit.plan" "$tmpdir/own.db" 2> "$tmpdir/err"
	check_err $? "$(tail -n 1 "$tmpdir/err")"
	[ "$(sql own "SELECT others FROM fits WHERE fit = 'linear' AND family = 'incast'")" = "load web" ]
	check_err $? "made from others than it should: $(sql own "SELECT family, others FROM fits")"
	sed -i 's/incast-8/incast-32/' "$tmpdir/fit.plan"
	$sluice lab run "$tmpdir/fit.plan" "$tmpdir/changed.db" 2> "$tmpdir/err"
	check_err $? "$(tail -n 1 "$tmpdir/err")"
	own=$(crcs own incast) other=$(crcs own web)
	[ -n "$own" ] && [ "$own" = "$(crcs changed incast)" ]
	check_err $? "another incast changes what was made without it"
	[ "$(sql changed "SELECT crc FROM fits WHERE fit = 'linear' AND family = 'web'")" != \
		"$(grep '^linear' <<< "$other" | cut -d'|' -f2)" ]
	check_err $? "another incast changes nothing of what was made with it"
}

# What cannot be made is a failure of its own runs, and no other's.
test_unfit()
{
	fit_plan -e 's/mid-rate web/bursty switching/; s/^trials = .*/trials = 1/' \
		-e 's/^seed = .*/&\nattempts = 2/' -e 's/^learned = .*/learned = shipped/; /^online/d'
	$sluice lab run "$tmpdir/fit.plan" "$tmpdir/u.db" 2> "$tmpdir/err"
	check_err $? "$(tail -n 1 "$tmpdir/err")"
	grep -q "linear without family '' cannot be made: no run of its workloads has anything to learn from" \
		"$tmpdir/err"
	check_err $? "why: $(cat "$tmpdir/err")"
	[ "$(sql u "SELECT failed || ' ' || failed_attempts FROM outcomes WHERE policy = 'fit:linear'")" = "4 8" ] &&
		[ "$(sql u "SELECT sum(failed) FROM outcomes WHERE policy != 'fit:linear'")" = 0 ]
	check_err $? "failures: $(sql u "SELECT policy, failed, failed_attempts FROM outcomes")"
	sql f "UPDATE fits SET crc = 1 WHERE fit = 'linear' AND family = ''"
	refused f "$tmpdir/fit.plan" "holds runs of another plan"
	fit_plan
	refused f "$tmpdir/fit.plan" "the model linear without '' in the table fits is damaged"
}

# Longer than it takes to stop it.
slow_plan() { sed 's/^trials = .*/trials = 40/; s/^seconds = .*/seconds = 6/' $plan > "$tmpdir/slow.plan"; }

test_stop()
{
	slow_plan
	# A shell starts background processes with SIGINT ignored.
	env --default-signal=INT $sluice lab run "$tmpdir/slow.plan" "$tmpdir/s.db" 2> "$tmpdir/err" &
	busywait 10000 has_attempts s
	kill -INT $!
	wait $!
	[ $? = 1 ]
	check_err $? "it does not say that it is not done"
	grep -q 'stopped; the same command goes on' "$tmpdir/err"
	check_err $? "it does not say how it ended: $(tail -n 1 "$tmpdir/err")"
	[ ! -e "$tmpdir/s.db-wal" ] && [ "$(sql s "SELECT count(*) FROM attempts WHERE state = 'running'")" = 0 ]
	check_err $? "it was not left clean"
}

has_attempts() { [ -s "$tmpdir/$1.db" ] && [ "$(sql "$1" "SELECT count(*) > 2 FROM attempts" 2> /dev/null)" = 1 ]; }

test_two()
{
	local first

	$sluice lab run "$tmpdir/slow.plan" "$tmpdir/two.db" 2> /dev/null &
	first=$!
	busywait 10000 has_attempts two
	refused two "$tmpdir/slow.plan" "another 'sluice lab run' (process $first) works on"
	kill "$first"
	wait "$first"
}

# refused DATABASE PLAN SENTENCE: it says so, and does nothing.
refused()
{
	$sluice lab run "$2" "$tmpdir/$1.db" 2> "$tmpdir/err"
	[ $? = 1 ] && grep -qF -- "$3" "$tmpdir/err" && [ "$(wc -l < "$tmpdir/err")" = 1 ]
	check_err $? "instead of '$3': $(cat "$tmpdir/err")"
}

# bad SENTENCE SED...: the plan changed so is refused, and no database is made.
bad()
{
	local sentence=$1

	shift
	sed "$@" $plan > "$tmpdir/bad.plan"
	cmp -s $plan "$tmpdir/bad.plan" && check_err 1 "sed $* changes nothing"
	refused none "$tmpdir/bad.plan" "$sentence"
	[ ! -e "$tmpdir/none.db" ]
	check_err $? "a database was made for a plan that says '$sentence'"
}

test_plans()
{
	line() { grep -n "^$1" $plan | cut -d: -f1; }
	local w p

	w="bad.plan:$(line test)" p="bad.plan:$(line baseline)"
	bad "$w: there is no workload 'incest-8'" 's/incast-8/incest-8/'
	bad "$w: there is no family 'webb'" 's/^test = .*/test = family:webb/'
	bad "$w: the workload 'incast-8' is there twice" 's/^test = .*/test = incast-8 incast-8/'
	bad "$w: the workload 'bursty' is to train and to test" 's/^test = .*/test = bursty/'
	bad "no workloads: the product is empty" '/^train/d; /^test/d'
	bad "the primary endpoint has nothing to be measured on" '/^test/d'
	bad "$p: there is no policy 'bpd'" 's/^baseline = .*/baseline = bpd/'
	bad "$p: 'static:5000' is no policy of this kind: write it under 'static ='" 's/^baseline = .*/baseline = static:5000/'
	bad "$p: the policy 'bdp' is there twice" 's/^baseline = .*/baseline = bdp bdp/'
	bad "'fq_codel' is of the kernel lab alone" 's/^baseline = .*/default = fq_codel/'
	bad "'oracle:1' is of the simulator alone" 's/^executor = .*/executor = kernel/'
	bad "'learn-on' is of the simulator alone" 's/^executor = .*/executor = kernel/; s/^oracle = .*/online = learn-on/'
	bad "'fit:nothing': nothing of this name can be fitted" 's/^baseline = .*/baseline = fit:nothing/'
	bad "'fit:linear' takes no number" 's/^baseline = .*/baseline = fit:linear:2/'
	bad "'fit:bandit:0.5': it takes a number of 1..1000000" 's/^baseline = .*/baseline = fit:bandit:0.5/'
	bad "'fit:linear' is no policy of this kind: write it under 'learned ='" 's/^oracle = .*/oracle = fit:linear/'
	bad "there is none beside 'load'" 's/^learned = .*/&  fit:linear/; s/^train = .*/train = mid-rate/; s/^test = .*/test = low-rate/'
	bad "would be judged by another" 's/^learned = .*/& fit:linear/; $a [objective]\n10k = 0.5'
	bad "'ramp:3000:2000:0.5': a ramp is ramp:MIN:MAX:P" 's/^static = .*/& ramp:3000:2000:0.5/'
	bad "'ramp:3000': a ramp is ramp:MIN:MAX:P" 's/^static = .*/& ramp:3000/'
	bad "'static' needs a number" 's/^static = .*/static = static/'
	bad "'static:1e99': it takes a number of" 's/^static = .*/static = static:1e99/'
	bad "static:12112 never marks in a queue of limit_bytes = 5000" 's/^seconds = .*/&\nlimit_bytes = 5000/'
	bad "rate_mbps takes numbers of 1..10000 Mbit/s, not 'fast'" 's/^rate_mbps = .*/rate_mbps = fast/'
	bad "100 is in the list of rate_mbps twice" 's/^rate_mbps = .*/rate_mbps = 100 100/'
	bad "rate_mbps has no value: the product would be empty" 's/^rate_mbps = .*/rate_mbps =/'
	bad "cpumap_qsize is nothing that the simulator has" 's/^rate_mbps = .*/&\ncpumap_qsize = 128/'
	bad "trials = 0 is out of range" 's/^trials = .*/trials = 0/'
	bad "are less than 20 intervals" 's/^seconds = .*/seconds = 1/; s/^rtt_us = .*/rtt_us = 50000/'
	bad "runs, more than 100000: name fewer" 's/^trials = .*/trials = 10000/'
	bad "unknown key 'trails' in [plan]; did you mean 'trials' in [plan]?" 's/^trials/trails/'
	bad "unknown section [policy]" 's/^.policies./[policy]/'
	bad "the candidate 'time:9' is none of the plan's policies" 's/^candidate = .*/candidate = time:9/'
	bad "the one primary endpoint is missing" '/^candidate/d'
	bad "fct_p99_us is of a class of flows" 's/^metric = .*/metric = fct_p99_us/'
	bad "metric = 'fct_p9_us' is none of" 's/^metric = .*/metric = fct_p9_us/'
	bad "all weights of sizes are 0" '$a [objective]\n10k = 0\n100k = 0\n1m = 0\nlarge = 0'
	bad "an A/A plan has one policy" 's/^trials = .*/&\naa = 5/'
	bad "policies that are compared must have the same arrivals" 's/^trials = .*/&\nfresh = yes/'
	bad "neither '[section]' nor 'key = value'" 's/^trials = .*/trials/'
	bad "needs a directory with hpcc/WebSearch_distribution.txt" 's/^test = .*/test = websearch/'
	refused none "$tmpdir/missing.plan" "cannot read the plan"
	refused none "$tmpdir" "is empty or no file"
}

# A database is refused and left as it was.
unfit()
{
	local before

	before=$(cksum < "$tmpdir/$1.db")
	refused "$1" "$2" "$3"
	[ "$(cksum < "$tmpdir/$1.db")" = "$before" ]
	check_err $? "a database that was refused ($3) was changed"
}

test_databases()
{
	sed 's/^seed = .*/seed = 8/' $plan > "$tmpdir/other.plan"
	unfit a "$tmpdir/other.plan" "holds runs of another plan, 'test'"
	# Blanks and comments are no other plan.
	sed 's/ = /   =  /; $a # a comment' $plan > "$tmpdir/same.plan"
	$sluice lab run "$tmpdir/same.plan" "$tmpdir/a.db" 2> "$tmpdir/err"
	check_err $? "a comment made another plan of it: $(cat "$tmpdir/err")"
	echo "these are my notes, and they are longer than a header of a database, which has 100 bytes: .........." \
		> "$tmpdir/notes.db"
	unfit notes $plan "is no database of sluice lab"
	sqlite3 "$tmpdir/foreign.db" "CREATE TABLE recipes (name); INSERT INTO recipes VALUES ('soup')"
	unfit foreign $plan "is a database of another program"
	head -c 20000 "$tmpdir/a.db" > "$tmpdir/half.db"
	unfit half $plan "is damaged or was written half"
	cp "$tmpdir/a.db" "$tmpdir/holed.db"
	dd if=/dev/urandom of="$tmpdir/holed.db" bs=4096 seek=9 count=6 conv=notrunc 2> /dev/null
	unfit holed $plan "is damaged or was written half"
	cp "$tmpdir/a.db" "$tmpdir/newer.db"
	sqlite3 "$tmpdir/newer.db" "PRAGMA user_version = 2"
	unfit newer $plan "has version 2 of the schema"
	refused nowhere/at/all $plan "cannot make"
	# What a runner leaves that is killed at its first step.
	: > "$tmpdir/empty.db"
	$sluice lab run $plan "$tmpdir/empty.db" 2> "$tmpdir/err"
	check_err $? "an empty file is no beginning: $(cat "$tmpdir/err")"
	for verb in status export; do
		! $sluice lab $verb "$tmpdir/notes.db" > /dev/null 2> "$tmpdir/err" &&
			grep -q "is no database of sluice lab" "$tmpdir/err"
		check_err $? "$verb takes any file: $(cat "$tmpdir/err")"
		! $sluice lab $verb "$tmpdir/missing.db" > /dev/null 2>&1
		check_err $? "$verb of a database that is not there"
	done
	[ ! -e "$tmpdir/missing.db" ]
	check_err $? "a database was made by looking at it"
}

# In a mount namespace of its own: a file system that becomes full, and gets room again.
full_disk()
{
	mkdir "$tmpdir/disk" && mount -t tmpfs -o size=300k tmpfs "$tmpdir/disk" || return 9
	$sluice lab run "$tmpdir/full.plan" "$tmpdir/disk/d.db" --jobs 1 2> "$tmpdir/err"
	[ $? = 1 ] && grep -q 'is full; nothing that was measured before is lost' "$tmpdir/err" ||
		{ echo "full: $(tail -n 2 "$tmpdir/err")"; return 1; }
	mount -o remount,size=20m "$tmpdir/disk"
	sqlite3 "$tmpdir/disk/d.db" "SELECT count(*) FROM attempts WHERE state = 'valid'" > "$tmpdir/had"
	$sluice lab run "$tmpdir/full.plan" "$tmpdir/disk/d.db" 2> "$tmpdir/err" ||
		{ echo "again: $(tail -n 2 "$tmpdir/err")"; return 1; }
	cp "$tmpdir/disk/d.db" "$tmpdir/d.db"
}

test_full()
{
	local why

	sed 's/^trials = .*/trials = 4/' $plan > "$tmpdir/full.plan"
	export -f full_disk
	export sluice tmpdir
	why=$(unshare --mount bash -c full_disk)
	check_err $? "$why"
	[ "$(cat "$tmpdir/had")" -gt 0 ] && [ "$(sql d "SELECT count(*) FROM runs WHERE state = 'done'")" = 80 ]
	check_err $? "runs were lost, or are not all done"
}

run_test test_campaign "a campaign runs to its end, with the same arrivals for all"
run_test test_show "status and export"
run_test test_kill "killed six times, it goes on and ends the same"
run_test test_fits "policies that the runner makes, each without the family that it runs on"
run_test test_left_out "what is made knows nothing of the family that is left out"
run_test test_unfit "what cannot be made is a failure of its own runs"
run_test test_stop "an interrupt stops it cleanly"
run_test test_two "one runner at a time"
run_test test_plans "plans that cannot be are refused, by line and with a remedy"
run_test test_databases "databases that do not fit are refused and left alone"
if [ "$(id -u)" = 0 ]; then
	run_test test_full "a full disk loses nothing"
else
	tap_skip "a full disk loses nothing" "needs root"
fi
tap_end
