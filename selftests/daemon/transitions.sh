#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=120
#
# The log of transitions: of a daemon that steers real TCP traffic, off unless told, readable
# after kill -9, and neither the daemon nor its log suffers from a full disk.
#
#	namespace snd                     namespace rcv
#	eth0 10.9.0.1 ------ veth ------- $dev 10.9.0.2, XDP, the daemon
. "$(dirname "$0")/../lib.sh"
. selftests/daemon/common.bash
require_root
require_tool ip ethtool nsenter bpftool jq mount
require_build $sluiced $sluice $loadgen
ensure_bpffs
[ "$(nproc)" -ge 2 ] || skip_all "needs two CPUs"

dev=st$$
base=$tmpdir/transitions
disk=$tmpdir/disk

conf_with()	# TRANSITIONS
{
	write_conf <<-END
	[learn]
	transitions = $1
	[ecn]
	policy = fixed
	[steer]
	policy = learn
	interfaces = $dev
	cpus = 0-1
	interval_ms = 50
	explore = yes
	epsilon = 0.5
	max_flows = 0
	END
}

rows_of() { $sluice log show "$1" 2> /dev/null | sed -n 's/^\([0-9]*\) transitions$/\1/p'; }
has_rows() { [ "$(rows_of "$1")" -ge "$2" ] 2> /dev/null; }
decisions() { $sluice -j agent show | jq .steer.decisions; }
decided() { [ "$(decisions)" -gt "$1" ]; }
decides() { busywait 5000 decided "$(decisions)"; }

test_off()
{
	conf_with none
	daemon_start in_ns rcv
	check_err $? "no answer: $(tail -n 3 "$log")"
	busywait 10000 decided 0; check_err $? "no decision: $($sluice status)"
	[ -z "$(find "$tmpdir" -name 'transitions*')" ]; check_err $? "a log without being told"
}

# Switched on by a reload. What the log says of itself and of every transition.
test_on()
{
	conf_with "$base"
	kill -HUP "$daemon"
	busywait 10000 has_rows "$base.steer" 20
	check_err $? "no transitions: $($sluice log show "$base.steer" 2>&1 | tail -n 2)"
	has_rows "$base.ecn" 0; check_err $? "no empty log of the other agent"
	$sluice -j log show "$base.steer" > "$tmpdir/json"
	check_err $? "log show -j"
	jq -e '.agent == "steer" and (.features | length) == 14 and .damaged == false and
	       (.features | all(.name != "" and .unit != "")) and
	       (.transitions | length) >= 20 and
	       (.transitions | all((.observation | length) == 2 and
				   (.observation | all(length == 14)) and
				   .mask == [1, 1] and .action < 2 and
				   .probability > 0 and .probability <= 1 and
				   (.next_observation | length) == 2 and
				   (.discount - 0.2 | fabs) < 1e-6))' \
		"$tmpdir/json" > /dev/null
	check_err $? "transitions are not as they should be: $(head -c 2000 "$tmpdir/json")"
}

test_kill_9()
{
	local before after

	before=$(rows_of "$base.steer")
	busywait 10000 has_rows "$base.steer" $((before + 10))
	check_err $? "the log does not grow"
	daemon_kill "$daemon"
	after=$(rows_of "$base.steer")
	[ "$after" -ge $((before + 10)) ]; check_err $? "$after transitions after kill -9"
	daemon_start in_ns rcv
	busywait 10000 has_rows "$base.steer" $((after + 10))
	check_err $? "the next daemon does not go on with the log"
}

# From the log to a model, and from the model back to the daemon.
test_learn()
{
	local out

	out=$($sluice train steer --offline "$base.steer" --algo cql --steps 300 \
		-o "$tmpdir/model" 2>&1)
	check_err $? "train --offline: $out"
	conf_with "$base"
	sed -i "s|^interfaces = .*|&\nmodel = $tmpdir/model|" "$conf"
	kill -HUP "$daemon"
	busywait 10000 said "the steering agent starts from $tmpdir/model"
	check_err $? "the daemon does not take the model: $(tail -n 3 "$log")"
	decides; check_err $? "it does not decide"
	jq -n "$($sluice -j agent show | jq .steer.updates) >= 300" | grep -q true
	check_err $? "it does not go on from the model's 300 steps"
	# A model of something else: the reload is refused, and the daemon goes on.
	sed 's/^kind steer/kind bush/' "$tmpdir/model" > "$tmpdir/bush"
	conf_with "$base"
	sed -i "s|^interfaces = .*|&\nmodel = $tmpdir/bush|" "$conf"
	kill -HUP "$daemon"
	busywait 10000 said "refused, the old one stays: .*/bush: damaged"
	check_err $? "a bad model: $(tail -n 3 "$log")"
	decides; check_err $? "it does not go on"
}

full()
{
	head -c 1M /dev/zero >> "$disk/filler" 2> /dev/null
	said "cannot write the transition log"
}

test_full_disk()
{
	local lines before

	mkdir "$disk"
	mount -t tmpfs -o size=256k none "$disk" || return
	defer umount "$disk"
	conf_with "$disk/t"
	kill -HUP "$daemon"
	busywait 10000 has_rows "$disk/t.steer" 1; check_err $? "no log there"
	busywait 10000 full; check_err $? "a full disk is not told"
	sleep 5
	lines=$(grep -c "transition log" "$log")
	[ "$lines" = 1 ]; check_err $? "$lines lines: $(grep "transition log" "$log")"
	decides; check_err $? "the daemon does not go on"
	before=$(rows_of "$disk/t.steer")
	[ -n "$before" ]
	check_err $? "the log is damaged: $($sluice log show "$disk/t.steer" 2>&1 | tail -n 1)"
	rm "$disk/filler"
	busywait 10000 said "is written again, [1-9][0-9]* transitions were lost"
	check_err $? "it was not written again: $(tail -n 2 "$log")"
	busywait 5000 has_rows "$disk/t.steer" $((before + 1)); check_err $? "it has no more rows"
}

# No directory: said once, and found when it comes is not waited for here.
test_no_directory()
{
	conf_with "$tmpdir/nowhere/t"
	: > "$log"
	kill -HUP "$daemon"
	busywait 5000 said "cannot make the transition log .*nowhere/t.steer"
	check_err $? "nothing said: $(cat "$log")"
	decides; check_err $? "the daemon does not go on"
	daemon_stop "$daemon"; check_err $? "exit status $?"
}

test_refused()
{
	local out

	out=$($sluice log show "$conf" 2>&1)
	[ $? = 1 ] && [ "$out" = "sluice: $conf is no transition log" ]; check_err $? "$out"
	out=$($sluice log show 2>&1); [ $? = 2 ]; check_err $? "no file: $out"
	out=$($sluice log tell "$base.steer" 2>&1); [ $? = 2 ]; check_err $? "another verb: $out"
	head -c -5 "$base.steer" > "$tmpdir/torn"
	$sluice log show "$tmpdir/torn" | grep -q 'of a block that was never finished'
	check_err $? "a torn log"
	{ head -c 700 "$base.steer"; printf xxxx; tail -c +705 "$base.steer"; } > "$tmpdir/bad"
	out=$($sluice log show "$tmpdir/bad" 2>&1 > /dev/null)
	[ $? = 1 ] && [[ $out == *"in the block at byte"* ]]; check_err $? "damage within: $out"
}

steered_link $dev 100 || skip_all "cannot set up the namespaces"
run_test test_off "off by default"
run_test test_on "every transition with what offline learning needs"
run_test test_kill_9 "kill -9 leaves a log that can be read and goes on"
run_test test_learn "a model is learned from it, and the daemon goes on from that"
run_test test_full_disk "a full disk costs transitions and one line, not the log"
run_test test_no_directory "a log that cannot be made is told, and no more"
run_test test_refused "what is no log, or damaged, is refused with a sentence"
tap_end
