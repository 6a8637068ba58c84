#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm timeout=400
#
# Stock RED, fq_codel and fq in the place of our qdisc, whose module is not needed here: retuning
# costs no packet and keeps their order; the operator's values come back after a stop and after
# kill -9; the operator wins; nothing is touched that was not named.
#
#	sl0 10.9.1.1 ----------- veth ----------- eth0 10.9.1.2
#	TBF 50 Mbit/s, the stock qdisc its child  namespace rcv
. "$(dirname "$0")/../lib.sh"
. selftests/daemon/common.bash
require_root
require_tool tc ip nsenter ethtool
retune=build/selftests/lab/retune
order=build/selftests/lab/order
require_build $sluiced $sluice $loadgen $retune $order
[ -n "${SLUICE_IN_VM:-}" ] || skip_all "loads kernel modules: run it by scripts/vm_run.sh"

rate_mbit=10	# what an emulated CPU has no trouble with
originals=$tmpdir/originals
# As the operator sets them.
red="red limit 1000000 min 20000 max 60000 avpkt 1000 burst 40 bandwidth ${rate_mbit}mbit
	probability 0.04 ecn nodrop"
fq_codel="fq_codel limit 2000 target 50ms interval 500ms"
fq="fq limit 5000 flow_limit 2000 ce_threshold 40ms"

setup()
{
	local module

	for module in sch_tbf sch_red sch_fq_codel sch_fq tcp_dctcp; do
		modprobe -q $module || return 1
	done
	bottleneck_link 10.9.1 || return 1
	# Whoever lets a packet out of the qdisc, one CPU takes it in: veth keeps its order then.
	sysfs_ns rcv bash -c 'echo 1 > /sys/class/net/eth0/queues/rx-0/rps_cpus' || return 1
	child red
	tcp_load 290 dctcp 10.9.1.2
}

# child KIND: a new bottleneck with it, as the operator would make it.
child()
{
	tc qdisc replace dev sl0 root handle 1: tbf rate ${rate_mbit}mbit burst 16k limit 8000000
	tc qdisc del dev sl0 parent 1:1 2> /dev/null
	# shellcheck disable=SC2086 # words
	tc qdisc add dev sl0 parent 1:1 handle 10: ${!1}
}

# The qdisc's line, with all that tc can tell, less RED's limit.
shown()
{
	tc -d qdisc show dev sl0 | grep ' 10: ' | sed 's/ limit [0-9]*b / /'
}
json() { tc -j -d qdisc show dev sl0; }
# json_has KEY VALUE [JSON]. Without a process more than it takes: they are slow here.
json_has()
{
	local text=${3:-$(json)}

	[[ $text =~ \"$1\":$2[,}] ]]
}
shown_is() { [ "$(shown)" = "$1" ]; }
dropped() { tc -s qdisc show dev sl0 | grep -o 'dropped [0-9]*' | awk '{ n += $2 } END { print n }'; }
listens() { in_ns rcv ss -Huln "sport = :$1" | grep -q .; }
# fields FILE: turns its one line of name=value into variables got_name.
fields()
{
	local word words

	read -r -a words < "$1"
	for word in "${words[@]}"; do
		declare -g "got_$word"
	done
}

# Numbered UDP packets share the queue with what four DCTCP flows have standing in it.
check_retuning()
{
	local kind=$1 before after seconds=2 receiver tuner

	before=$(dropped)
	start in_ns rcv $order recv 6000 > "$tmpdir/recv"
	receiver=$pid
	busywait 5000 listens 6000
	start $retune sl0 1:1 50 $seconds $rate_mbit > "$tmpdir/retune" 2> "$tmpdir/err"
	tuner=$pid
	$order send 10.9.1.2 6000 8 1000 1 > "$tmpdir/send"
	wait $tuner
	check_err $? "$kind: retune: $(cat "$tmpdir/err")"
	sleep 0.5
	stop_pid $receiver
	fields "$tmpdir/send"
	fields "$tmpdir/recv"
	fields "$tmpdir/retune"
	diag "$kind: sent $got_sent written $got_written marked $got_marked"
	[ "$got_received" = "$got_sent" ]
	check_err $? "$kind: $((got_sent - got_received)) of $got_sent packets were lost"
	[ "$got_reordered" = 0 ]
	check_err $? "$kind: $got_reordered packets were reordered"
	after=$(dropped)
	[ "$after" = "$before" ]
	check_err $? "$kind: tc counts $after drops, before $before"
	# An emulated machine may miss a beat.
	[ "$got_written" -ge $((seconds * 35)) ]
	check_err $? "$kind: only $got_written changes in $seconds s"
	[ "$got_refused $got_different" = "0 0" ]
	check_err $? "$kind: $got_refused changes refused, $got_different read back otherwise"
	[ "$got_backlog" -gt 15000 ] && [ "$got_marked" -gt 0 ]
	check_err $? "$kind: no queue to lose: backlog $got_backlog, marked $got_marked"
}

test_retune_red()
{
	local now

	child red
	check_retuning red
	now=$(json)
	json_has min "$got_min" "$now" && json_has max "$got_max" "$now"
	check_err $? "written $got_min and $got_max, tc shows $now"
	json_has ewma 0 "$now" && json_has ecn true "$now" && json_has nodrop true "$now"
	check_err $? "not on the instantaneous queue, or without its flags: $now"
	[ "$got_limit" = 1000000 ]
	check_err $? "the queue's limit was 1000000 and is $got_limit"
}

test_retune_step()
{
	local before now others='s/ ce_threshold [^ ]*//'

	child "$1"
	before=$(shown | sed "$others")
	check_retuning "$1"
	now=$(json)
	json_has ce_threshold "$got_ce_threshold" "$now"
	check_err $? "written $got_ce_threshold, tc shows $now"
	now=$(shown | sed "$others")
	[ "$now" = "$before" ]
	check_err $? "other options changed: $before to $now"
}
test_retune_fq_codel() { test_retune_step fq_codel; }
test_retune_fq() { test_retune_step fq; }

# A size table, which only a root qdisc can have; a change that does not repeat it takes it away.
test_size_table()
{
	local before

	ip link add sl1 type veth peer name sl2
	defer ip link del sl1
	tc qdisc add dev sl1 root handle 10: stab overhead 8 fq
	before=$(tc -d qdisc show dev sl1 | sed 's/ ce_threshold [^ ]*//')
	[[ $before = *"overhead 8"* ]]
	check_err $? "tc shows $before"
	$retune sl1 root 20 0.2 100 > "$tmpdir/retune"
	fields "$tmpdir/retune"
	[ "$got_written" -ge 2 ] && [ "$got_refused $got_different" = "0 0" ]
	check_err $? "$(cat "$tmpdir/retune")"
	[ "$(tc -d qdisc show dev sl1 | sed 's/ ce_threshold [^ ]*//')" = "$before" ]
	check_err $? "$before became $(tc -d qdisc show dev sl1)"
}

# The rule K = C * RTT / 7 = 1250000 B/s * 50 ms / 7 = 8928 bytes; as a time, 7142 us.
write_rule()	# INTERFACES
{
	write_conf <<-END
	[ecn]
	policy = bdp
	interfaces = $1
	originals = $originals
	rate = sl0=${rate_mbit}mbit
	rtt_us = 50000
	[guard]
	stand_down_s = 3
	END
}
red_ruled()
{
	local now

	now=$(json)
	json_has min 8928 "$now" && json_has max 8928 "$now"
}
# CoDel's clock has 1.024 us.
codel_ruled() { json_has ce_threshold 7141; }

test_stop()
{
	local before

	child red
	before=$(shown)
	write_rule sl0
	daemon_start
	busywait 8000 red_ruled
	check_err $? "not controlled: $(json) $($sluice status)"
	says_status "through stock red, which lacks lease, generation,"
	check_err $? "status does not tell what is lacking: $($sluice status)"
	said "red: no lease: what is written stays"
	check_err $? "the log does not tell what is lacking: $(cat "$log")"
	$sluice queue show > "$tmpdir/show"
	grep -q "sl0 1:1 (handle 10:) stock red; under control" "$tmpdir/show" &&
		grep -q "qth_min 8928 qth_max 8928 max_p 1000000" "$tmpdir/show" &&
		grep -q "lacks  *no lease" "$tmpdir/show"
	check_err $? "queue show: $(cat "$tmpdir/show")"
	[ -s "$originals" ]
	check_err $? "the operator's values are not noted"
	daemon_stop "$daemon"
	check_err $? "exit status $?"
	shown_is "$before"
	check_err $? "after the stop $(shown), not $before"
	[ ! -e "$originals" ]
	check_err $? "the note stayed"
}

# kill_ruled KIND RULED: what the daemon wrote outlives it; $before is what the operator had.
kill_ruled()
{
	child "$1"
	before=$(shown)
	write_rule sl0
	daemon_start
	busywait 8000 "$2"
	check_err $? "$1: not controlled: $(json) $($sluice status)"
	daemon_kill "$daemon"
	"$2"
	check_err $? "$1: the values went with the daemon: $(json)"
	: > "$log"
}

# The next daemon is to control sluice qdiscs only. It clears up, and touches nothing else.
test_kill_red()
{
	local before

	kill_ruled red red_ruled
	write_rule '*'
	daemon_start
	busywait 3000 shown_is "$before"
	check_err $? "after the restart $(shown), not $before"
	said "the operator's values (red: min 20000 max 60000 probability 0.04) are restored"
	check_err $? "it was not said: $(cat "$log")"
	said "left alone: 1 red"
	check_err $? "that RED is left alone was not said: $(cat "$log")"
	sleep 1
	shown_is "$before" && [ ! -e "$originals" ]
	check_err $? "$before became $(shown) although sl0 was not named"
	daemon_stop "$daemon"
}

# The next daemon goes on, from what the operator had: no threshold at all.
test_kill_fq_codel()
{
	local before

	kill_ruled fq_codel codel_ruled
	daemon_start
	busywait 3000 said "(fq_codel: no ce_threshold) are restored"
	check_err $? "it was not said: $(cat "$log")"
	busywait 8000 codel_ruled
	check_err $? "the new daemon does not control it: $(json) $($sluice status)"
	# An interface that is no longer named is released, too.
	write_rule '*'
	kill -HUP "$daemon"
	busywait 3000 shown_is "$before"
	check_err $? "after the reload $(shown), not $before"
	daemon_stop "$daemon"
}

test_operator_wins()
{
	local end before

	child fq_codel
	write_rule sl0
	daemon_start
	busywait 8000 codel_ruled
	check_err $? "not controlled: $(json) $($sluice status)"
	tc qdisc change dev sl0 parent 1:1 handle 10: fq_codel ce_threshold 20480us
	end=$(($(now_ms) + 1500))
	busywait 1500 says_status "the operator wrote a knob"
	check_err $? "no stand-down: $($sluice status)"
	said "somebody else changed this fq_codel"
	check_err $? "it was not said: $(cat "$log")"
	while [ "$(now_ms)" -lt $end ]; do
		json_has ce_threshold 20480
		check_err $? "the daemon wrote during its stand-down: $(json)"
	done
	busywait 8000 codel_ruled
	check_err $? "the daemon did not come back after its stand-down"
	# And what is changed while there is no daemon is the operator's, too.
	daemon_kill "$daemon"
	tc qdisc change dev sl0 parent 1:1 handle 10: fq_codel ce_threshold 30720us
	write_rule '*'
	daemon_start
	busywait 3000 said "it stays so"
	check_err $? "it was not said: $(cat "$log")"
	json_has ce_threshold 30720
	check_err $? "the operator's value is gone: $(json)"
	daemon_stop "$daemon"
}

# With the automatic choice, an interface with a qdisc of ours has its stock ones left to the operator.
test_gives_way()
{
	local sender

	ip link add sl3 type veth peer name sl4
	defer ip link del sl3
	ip link set sl3 up
	ip link set sl4 up
	ip address add 10.9.2.1/24 dev sl3
	ip neigh add 10.9.2.2 lladdr 02:00:00:00:00:03 dev sl3
	tc qdisc add dev sl3 root handle 1: prio
	# Where prio puts what has no priority: an epoch without packets is no reason to decide.
	# shellcheck disable=SC2086 # words
	tc qdisc add dev sl3 parent 1:2 handle 10: $fq_codel
	start $order send 10.9.2.2 6000 8 60000 1 > /dev/null
	sender=$pid
	write_rule sl3
	sed -i 's/^rate = .*/&, sl3=10mbit/' "$conf"
	daemon_start
	busywait 8000 sl3_ruled
	check_err $? "not controlled: $(tc -d qdisc show dev sl3) $($sluice status)"
	tc qdisc add dev sl3 parent 1:1 handle 20: sluice
	busywait 5000 sl3_free
	check_err $? "it kept the daemon's threshold: $(tc -d qdisc show dev sl3)"
	said "sl3 1:2: the fq_codel qdisc is gone, or gives way to another one"
	check_err $? "it was not said: $(cat "$log")"
	says_status "sl3 1:1"
	check_err $? "ours is not under control: $($sluice status)"
	# It goes: the other one is for the daemon again.
	tc qdisc del dev sl3 parent 1:1
	busywait 8000 sl3_ruled
	check_err $? "not controlled again: $(tc -d qdisc show dev sl3) $($sluice status)"
	daemon_stop "$daemon"
	sl3_free
	check_err $? "after the stop: $(tc -d qdisc show dev sl3)"
	stop_pid "$sender"
}
sl3_ruled() { json_has ce_threshold 7141 "$(tc -j -d qdisc show dev sl3)"; }
sl3_free() { ! tc -d qdisc show dev sl3 | grep ' 10: ' | grep -q ce_threshold; }

# A RED that drops instead of marking is not for us. With ECN, the agent learns through it.
test_learns()
{
	local options="limit 1000000 min 20000 max 60000 avpkt 1000 burst 40
		bandwidth ${rate_mbit}mbit"

	child red
	# shellcheck disable=SC2086 # words
	tc qdisc replace dev sl0 parent 1:1 handle 11: red $options
	write_conf <<-END
	[ecn]
	policy = learn
	backend = red
	explore = yes
	epsilon = 0.5
	originals = $originals
	END
	daemon_start
	busywait 3000 says_status "its ECN is off, so it is left alone"
	check_err $? "status: $($sluice status)"
	json_has min 20000
	check_err $? "it was changed: $(json)"
	# Not a write to stand down for.
	# shellcheck disable=SC2086 # words
	tc qdisc change dev sl0 parent 1:1 handle 11: red $options ecn nodrop
	busywait 15000 says_status "under control; .*[1-9][0-9]* changes"
	check_err $? "no change: $($sluice status)"
	# Looks at the backlog suffice for that; a packet of TSO more in a span is 0.4 Mbit/s.
	says_status "capacity \([89]\|10\)\.[0-9] Mbit/s"
	check_err $? "capacity, of $rate_mbit Mbit/s: $($sluice status)"
	$sluice agent show | grep -q "sl0 1:1 .*qth .* -> .*guard: "
	check_err $? "no reasons: $($sluice agent show)"
	daemon_stop "$daemon"
}

setup || skip_all "cannot set up sl0 and its qdiscs"
run_test test_retune_red "RED: 50 changes a second lose, drop and reorder nothing"
run_test test_retune_fq_codel "fq_codel: the same, and no other option changes"
run_test test_retune_fq "fq: the same"
run_test test_size_table "a size table stays"
run_test test_stop "RED is controlled; a stop restores the operator's values"
run_test test_kill_red "kill -9: a daemon that is to leave RED alone restores it first"
run_test test_kill_fq_codel "kill -9: fq_codel has no threshold again in the end"
run_test test_operator_wins "the operator's changes stay and send the daemon away for a while"
run_test test_learns "a RED without ECN is left alone; with it, the agent learns"
load_module
run_test test_gives_way "fq_codel gives way to a sluice qdisc on its interface, and takes over again"
tap_end
