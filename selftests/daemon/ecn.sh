#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm timeout=300
#
# The daemon and the qdisc: knobs really change under DCTCP traffic; whatever becomes of the
# daemon, the kernel returns to the baseline and traffic goes on; the operator wins.
#
#	sl0 10.9.0.1 ----------- veth ----------- eth0 10.9.0.2
#	TBF 50 Mbit/s, sluice as its child        namespace rcv
. "$(dirname "$0")/../lib.sh"
. selftests/daemon/common.bash
require_root
require_tool tc ip nsenter ethtool jq
require_build $sluiced $sluice $loadgen
load_module

q=/sys/class/net/sl0/sluice/1:1
rate_mbit=50
lease_ms=1000
stand_down_s=5

setup()
{
	modprobe -qa sch_tbf tcp_dctcp
	bottleneck_link 10.9.0 || return 1
	tc qdisc add dev sl0 root handle 1: tbf rate ${rate_mbit}mbit burst 16k limit 8000000 &&
		tc qdisc add dev sl0 parent 1:1 handle 10: sluice || return 1
	tcp_load 240 dctcp 10.9.0.2
}

value() { cat "$q/$1"; }
source_is() { [ "$(value source)" = "$1" ]; }
in_force() { $sluice queue show sl0 1:1 | grep -q "in force qth_min $1 qth_max $2 "; }
sent() { value stats/packets; }

# changes: how often the triple in force differs between readings within two seconds.
changes()
{
	local before now n=0 end

	end=$(($(now_ms) + 2000))
	before=$(value generation)
	while [ "$(now_ms)" -lt $end ]; do
		now=$(value generation)
		[ "$now" = "$before" ] || n=$((n + 1))
		before=$now
	done
	echo $n
}

traffic_flows()
{
	local before

	before=$(sent)
	busywait 3000 sent_more_than $((before + 100))
}
sent_more_than() { [ "$(sent)" -gt "$1" ]; }

test_learns()
{
	local n before

	write_conf <<-END
	[ecn]
	policy = learn
	explore = yes
	epsilon = 0.3
	lease_ms = $lease_ms
	[steer]
	policy = static
	[guard]
	stand_down_s = $stand_down_s
	watch_slices = 0
	END
	source_is baseline
	check_err $? "source is $(value source) before the daemon runs"
	daemon_start
	check_err $? "no answer: $(tail -n 3 "$log")"
	busywait 20000 source_is learned
	check_err $? "no learned triple: $($sluice status)"
	n=$(changes)
	[ "$n" -ge 2 ]
	check_err $? "$n changes in two seconds, expected 2 or more"
	before=$(value lease_expired)
	sleep 2
	[ "$(value lease_expired)" = "$before" ]
	check_err $? "a lease ran out under a living daemon"
	[ "$(awk '{ print NF }' $q/learned)" = 5 ]
	check_err $? "learned reads $(value learned)"
}

# The capacity that was measured is the rate of the token bucket, within a tenth.
test_capacity()
{
	local mbit

	busywait 5000 says_status "under control; capacity"
	mbit=$($sluice status | sed -n 's/.*capacity \([0-9]*\)\.[0-9]* Mbit.*/\1/p')
	[ "${mbit:-0}" -ge $((rate_mbit * 9 / 10)) ] &&
		[ "${mbit:-0}" -le $((rate_mbit * 11 / 10)) ]
	check_err $? "capacity is ${mbit:-unknown} Mbit/s, the bottleneck $rate_mbit"
}

test_reasons()
{
	$sluice agent show > "$tmpdir/agent"
	check_err $? "agent show failed"
	grep -q "sl0 1:1 .*qth .* -> .*guard: allowed" "$tmpdir/agent"
	check_err $? "no change with its reason in: $(cat "$tmpdir/agent")"
}

test_operator_wins()
{
	local end

	$sluice queue set sl0 1:1 qth_min 30000 qth_max 90000
	check_err $? "queue set failed"
	end=$(($(now_ms) + stand_down_s * 500))
	busywait 1000 says_status "the operator wrote a knob"
	check_err $? "no stand-down: $($sluice status)"
	while [ "$(now_ms)" -lt $end ]; do
		source_is baseline && in_force 30000 90000
		check_err $? "the daemon wrote during its stand-down: $($sluice queue show sl0 1:1)"
	done
	busywait 10000 source_is learned
	check_err $? "the daemon did not come back after its stand-down"
}

test_hold()
{
	local before

	$sluice queue set sl0 1:1 hold 1
	busywait 1000 source_is hold
	check_err $? "source is $(value source) with hold 1"
	before=$(value generation)
	sleep 1
	source_is hold && [ "$(value generation)" = "$before" ]
	check_err $? "the daemon wrote although it was held"
	says_status "hold is 1"
	check_err $? "status does not tell of the hold"
	$sluice queue set sl0 1:1 hold 0
	busywait 10000 source_is learned
	check_err $? "the daemon did not come back after the hold"
}

test_kill_9()
{
	local expired start took

	expired=$(value lease_expired)
	start=$(now_ms)
	daemon_kill "$daemon"
	busywait 5000 source_is baseline
	check_err $? "source is $(value source) after the daemon died"
	took=$(($(now_ms) - start))
	# A renewal may be a quarter of the lease old; a busy emulated machine takes its time.
	[ $took -ge $((lease_ms / 2)) ] && [ $took -le $((lease_ms + 3000)) ]
	check_err $? "back to the baseline after $took ms, the lease is $lease_ms ms"
	[ "$(value lease_expired)" = $((expired + 1)) ]
	check_err $? "lease_expired went from $expired to $(value lease_expired)"
	in_force 30000 90000
	check_err $? "not the baseline's 30000 and 90000: $($sluice queue show sl0 1:1)"
	traffic_flows
	check_err $? "traffic stopped"
}

test_clean_stop()
{
	local expired

	daemon_start
	busywait 20000 source_is learned
	check_err $? "the restarted daemon does not take control"
	expired=$(value lease_expired)
	daemon_stop "$daemon"
	check_err $? "exit status $?"
	source_is baseline
	check_err $? "source is $(value source) after a clean stop"
	[ "$(value lease_expired)" = "$expired" ]
	check_err $? "the lease ran out instead of being given up"
	[ -s "$tmpdir/checkpoint" ]
	check_err $? "no checkpoint was written"
	traffic_flows
	check_err $? "traffic stopped"
	daemon_start
	said "learned values restored from"
	check_err $? "the checkpoint was not read back"
	daemon_stop "$daemon"
}

# K = 6250000 B/s * 20 ms / 7 = 17857 bytes.
test_rule()
{
	write_conf <<-END
	[ecn]
	policy = bdp
	rate = sl0=${rate_mbit}mbit
	rtt_us = 20000
	END
	daemon_start
	busywait 5000 source_is learned
	check_err $? "no triple: $($sluice status)"
	[ "$(value learned | cut -d ' ' -f 1,2)" = "17857 17857" ]
	check_err $? "learned is $(value learned), expected 17857 17857"
	daemon_stop "$daemon"
}

test_fixed()
{
	local before

	write_conf <<-END
	[ecn]
	policy = fixed
	END
	before=$(value generation)
	daemon_start
	sleep 1
	source_is baseline && [ "$(value generation)" = "$before" ]
	check_err $? "policy fixed wrote: $(value learned)"
	daemon_stop "$daemon"
}

# A qdisc that comes and goes while the daemon runs.
test_replaced()
{
	write_conf <<-END
	[ecn]
	policy = bdp
	rate = sl0=${rate_mbit}mbit
	END
	: > "$log"
	daemon_start
	busywait 5000 source_is learned
	tc qdisc del dev sl0 parent 1:1
	busywait 2000 said "the sluice qdisc is gone"
	check_err $? "the daemon did not notice that the qdisc is gone"
	tc qdisc add dev sl0 parent 1:1 handle 10: sluice
	busywait 5000 source_is learned
	check_err $? "the new qdisc is not controlled: $($sluice status)"
	[ "$(wc -l < "$log")" -lt 20 ]
	check_err $? "$(wc -l < "$log") lines of log"
	daemon_stop "$daemon"
}

# stays_baseline QTH_MIN QTH_MAX: for a second.
stays_baseline()
{
	local end

	end=$(($(now_ms) + 1000))
	while [ "$(now_ms)" -lt $end ]; do
		source_is baseline && in_force "$1" "$2" || return 1
	done
}

# Without a time it lasts until it is released, whatever becomes of the daemon.
test_until_released()
{
	write_conf <<-END
	[ecn]
	policy = bdp
	rate = sl0=${rate_mbit}mbit
	END
	daemon_start
	busywait 5000 source_is learned
	check_err $? "no triple: $($sluice status)"
	$sluice queue set sl0 1:1 qth_min 31000 qth_max 91000
	busywait 1000 says_status "until 'sluice agent release'"
	check_err $? "no stand-down: $($sluice status)"
	$sluice agent show | grep -q "stands down at sl0 1:1: .*release"
	check_err $? "agent show: $($sluice agent show)"
	stays_baseline 31000 91000
	check_err $? "the daemon wrote: $($sluice queue show sl0 1:1)"
	kill -HUP "$daemon"
	stays_baseline 31000 91000
	check_err $? "a reload ended the stand-down: $($sluice queue show sl0 1:1)"
	daemon_kill "$daemon"
	# One more write, seen by nobody.
	$sluice queue set sl0 1:1 qth_max 92000
	daemon_start
	says_status "until 'sluice agent release'"
	check_err $? "a restart ended the stand-down: $($sluice status)"
	stays_baseline 31000 92000
	check_err $? "the restarted daemon wrote: $($sluice queue show sl0 1:1)"
	[ "$($sluice agent release sl0 1:1)" = "released sl0 1:1" ]
	check_err $? "release says $($sluice agent release sl0 1:1)"
	busywait 5000 source_is learned
	check_err $? "the daemon did not come back: $($sluice status)"
	busywait 1000 test ! -e "$tmpdir/operator"
	check_err $? "the file of what the operator said is still there"
	# Released as soon as written: it is not noticed afterwards.
	$sluice queue set sl0 1:1 qth_max 93000
	$sluice agent release all > /dev/null
	sleep 0.3
	source_is learned
	check_err $? "a release was lost: $($sluice status)"
	# A qdisc made anew is another one.
	$sluice queue set sl0 1:1 qth_max 94000
	busywait 1000 says_status "until 'sluice agent release'"
	daemon_stop "$daemon"
	tc qdisc del dev sl0 parent 1:1
	tc qdisc add dev sl0 parent 1:1 handle 10: sluice
	daemon_start
	busywait 5000 source_is learned
	check_err $? "another qdisc's stand-down was restored: $($sluice status)"
	daemon_stop "$daemon"
}

test_pause()
{
	local what text base

	write_conf <<-END
	[ecn]
	policy = bdp
	rate = sl0=${rate_mbit}mbit
	END
	daemon_start
	base="$(value qth_min) $(value qth_max)"
	for what in "sl0 1:1" sl0 ""; do
		busywait 5000 source_is learned
		check_err $? "no triple before pause $what: $($sluice status)"
		# shellcheck disable=SC2086 # words
		text=$($sluice agent pause $what)
		[[ $text = "paused ${what:-everything}: "* ]]
		check_err $? "pause $what says $text"
		busywait 1000 source_is baseline
		check_err $? "pause $what: source is $(value source)"
		says_status "sl0 1:1: the operator paused the agents here"
		check_err $? "status: $($sluice status)"
		# shellcheck disable=SC2086
		stays_baseline $base
		check_err $? "pause $what: the daemon wrote: $($sluice queue show sl0 1:1)"
		if [ "$what" = sl0 ]; then
			$sluice agent resume sl0 1:1 2> "$tmpdir/err"
			check_fail $? "a part of a pause was resumed"
			grep -q "sl0 1:1 is paused by a pause of sl0" "$tmpdir/err"
			check_err $? "it said: $(cat "$tmpdir/err")"
			kill -HUP "$daemon"
			# shellcheck disable=SC2086
			stays_baseline $base
			check_err $? "a reload ended the pause"
			daemon_kill "$daemon"
			daemon_start
			said "sl0 is paused, as the operator said before the restart"
			check_err $? "the log says $(tail -n 3 "$log")"
			# shellcheck disable=SC2086
			stays_baseline $base
			check_err $? "a restart ended the pause"
		fi
		# shellcheck disable=SC2086
		[ "$($sluice agent resume $what)" = "nothing is paused" ]
		check_err $? "resume $what: $($sluice agent show)"
	done
	busywait 5000 source_is learned
	check_err $? "no triple in the end: $($sluice status)"
	traffic_flows
	check_err $? "traffic stopped"
	[ ! -e "$tmpdir/operator" ]
	check_err $? "the file of what the operator said is still there"
	daemon_stop "$daemon"
}

transitions() { $sluice -j agent show | jq '.background.rows // 0'; }
learns_from() { [ "$(transitions)" -ge "$1" ]; }

# Whatever decides, a thread of least priority is told of it; and it ends with what it was for.
test_background()
{
	local policy thread

	for policy in model bdp; do
		write_conf <<-END
		[ecn]
		policy = $policy
		rate = sl0=${rate_mbit}mbit
		[learn]
		background = yes
		background_cpu = 20
		transitions = $tmpdir/transitions.$policy
		END
		daemon_start
		busywait 20000 learns_from 20
		check_err $? "$policy: $(transitions) transitions: $($sluice agent show)"
		thread=$(grep -l '^sluice-learner$' /proc/"$daemon"/task/*/comm)
		[ "$(awk '{ print $41 }' "${thread%/comm}/stat")" = 5 ]
		check_err $? "$policy: the thread is not of SCHED_IDLE: '$thread'"
		printf '[learn]\nbackground = no\n' | write_conf
		kill -HUP "$daemon"
		busywait 3000 learner_gone
		check_err $? "$policy: the thread is still there"
		daemon_stop "$daemon"
		[ "$($sluice -j log show "$tmpdir/transitions.$policy.ecn" | jq '.transitions |
			length')" -ge 20 ]
		check_err $? "$policy: nothing in the log of transitions"
	done
}
learner_gone() { ! grep -qs '^sluice-learner$' /proc/"$daemon"/task/*/comm; }

test_atomic_set()
{
	local before

	before="$(value qth_min) $(value qth_max) $(value max_p)"
	$sluice queue set sl0 1:1 qth_min 500000 qth_max 600000 2> "$tmpdir/err"
	check_err $? "raising both failed: $(cat "$tmpdir/err")"
	$sluice queue set sl0 1:1 qth_max 20000 qth_min 10000 2> "$tmpdir/err"
	check_err $? "lowering both failed: $(cat "$tmpdir/err")"
	[ "$(value qth_min) $(value qth_max)" = "10000 20000" ]
	check_err $? "in force: $(value qth_min) $(value qth_max), before $before"
	$sluice queue set sl0 1:1 max_p 5000 qth_min 20001 2> "$tmpdir/err"
	check_fail $? "qth_min above qth_max was accepted"
	grep -q "qth_min may not exceed qth_max" "$tmpdir/err"
	check_err $? "it said: $(cat "$tmpdir/err")"
	[ "$(value qth_min) $(value qth_max) $(value max_p)" = "10000 20000 ${before##* }" ]
	check_err $? "half-applied: $(value qth_min) $(value qth_max) $(value max_p)"
}

setup || skip_all "cannot set up sl0 and its qdiscs"
run_test test_learns "the knobs change under traffic, with leases that hold"
run_test test_capacity "the capacity seen is the bottleneck's"
run_test test_reasons "changes are shown with their reasons"
run_test test_operator_wins "a knob the operator writes sends the daemon away for a while"
run_test test_hold "hold keeps the baseline"
run_test test_kill_9 "kill -9: baseline within the lease, traffic goes on"
run_test test_clean_stop "SIGTERM: baseline at once, the checkpoint is used again"
run_test test_rule "policy bdp sets K = C * RTT / 7"
run_test test_fixed "policy fixed never writes"
run_test test_replaced "a qdisc that is replaced is found again"
run_test test_until_released "without a time, it stays away until it is released"
run_test test_pause "agent pause gives everything up until resume"
run_test test_background "intervals of any policy are learned from in the background"
run_test test_atomic_set "queue set applies all or nothing, in an order that is valid"
tap_end
