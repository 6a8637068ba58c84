#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=300
#
# The daemon and the XDP program: buckets and flows really move under TCP traffic; whatever
# becomes of the daemon, packets keep arriving and learned targets lapse.
#
#	namespace snd                     namespace rcv
#	eth0 10.9.0.1 ------ veth ------- $dev 10.9.0.2, XDP, the daemon
. "$(dirname "$0")/../lib.sh"
. selftests/daemon/common.bash
require_root
require_tool ip tc ethtool nsenter bpftool taskset jq
require_build $sluiced $sluice $loadgen
ensure_bpffs
[ "$(nproc)" -ge 2 ] || skip_all "needs two CPUs"

dev=sl$$
lease_ms=1000

setup()
{
	steered_link $dev 270 || return 1
	load=$pid
}

conf_with()
{
	write_conf <<-END
	[ecn]
	policy = fixed
	[steer]
	policy = ${policy:-learn}
	interfaces = $dev
	cpus = 0-1
	interval_ms = 100
	lease_ms = $lease_ms
	explore = yes
	epsilon = 1
	refuse_losing = ${refuse_losing:-no}
	$(cat)
	END
}

dump() { bpftool map dump pinned "$pins/$1"; }
# Buckets whose learned CPU is not that of the baseline (flags 3: baseline and learned).
moved_buckets()
{
	dump buckets | tr -d ' \n"' | grep -o 'cpu:[0-9]*,learned_cpu:[0-9]*,flags:3' |
		awk -F '[:,]' '$2 != $4' | wc -l
}
some_moved() { [ "$(moved_buckets)" -ge 1 ]; }
# Sum over CPUs of a field of steer_stats.
steer_stat()
{
	dump steer_stats | grep "\"$1\"" | tr -dc '0-9\n' | awk '{ n += $1 } END { print n + 0 }'
}
sent_packets()
{
	dump sent | grep '"packets"' | tr -dc '0-9\n' | awk '{ n += $1 } END { print n + 0 }'
}
sent_above() { [ "$(sent_packets)" -gt "$1" ]; }
stat_above() { [ "$(steer_stat "$1")" -gt "$2" ]; }
program_id() { in_ns rcv ip -d link show dev $dev | sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p'; }
flow_count() { in_ns rcv $sluice flow show $dev | grep -c learned; }
has_flows() { [ "$(flow_count)" -ge 1 ]; }
no_flows() { [ "$(flow_count)" = 0 ]; }
traffic_flows()
{
	local before

	before=$(sent_packets)
	busywait 3000 sent_above $((before + 1000))
}

# idle_percent CPU: in the second to come.
idle_percent()
{
	local before after

	read -ra before < <(grep "^cpu$1 " /proc/stat)
	sleep 1
	read -ra after < <(grep "^cpu$1 " /proc/stat)
	echo $((100 * (after[4] - before[4]) / ($(IFS=+; echo $((${after[*]:1}))) -
		$(IFS=+; echo $((${before[*]:1}))))))
}

# Another process keeps CPU 0 busy, the flows are slow: a rule does not have to learn what to do.
# Where CPU 1 is busy with something else, too, there is nothing that it could do.
#	test_rule POLICY REASON
test_rule()
{
	local hog name="a rule moves buckets off the busiest CPU: $1"

	in_ns snd tc qdisc add dev eth0 root tbf rate 50mbit burst 64k latency 50ms
	check_err $? "the load cannot be slowed down"
	start taskset -c 0 bash -c 'while :; do :; done'
	hog=$pid
	policy=$1
	echo "max_flows = 0" | conf_with
	policy=
	daemon_start in_ns rcv
	check_err $? "no answer: $(tail -n 3 "$log")"
	pins=$(echo /sys/fs/bpf/sluice/*$dev)
	if ! busywait 10000 some_moved && [ "$(idle_percent 1)" -lt 40 ]; then
		daemon_stop "$daemon"
		in_ns rcv $sluice unload $dev
		stop_pid "$hog"
		in_ns snd tc qdisc del dev eth0 root
		tap_skip "$name" "CPU 1 is busy, too"
		return
	fi
	some_moved
	check_err $? "no bucket moved: $($sluice status)"
	$sluice agent show |
		grep -q "$dev bucket [0-9]* *cpu 0 -> 1: $2.*guard: allowed"
	check_err $? "no move with its reason: $($sluice agent show)"
	[ "$($sluice -j agent show | jq .steer.moves)" -ge 1 ]
	check_err $? "no moves are counted: $($sluice -j agent show)"
	daemon_stop "$daemon"
	check_err $? "exit status $?"
	in_ns rcv $sluice unload $dev
	check_err $? "not unloaded"
	stop_pid "$hog"
	in_ns snd tc qdisc del dev eth0 root
	tap_result "$name"
}

test_moves()
{
	conf_with <<-END
	max_flows = 0
	inside = vxlan, gre
	END
	daemon_start in_ns rcv
	check_err $? "no answer: $(tail -n 3 "$log")"
	busywait 3000 test -n "$(program_id)"
	check_err $? "no XDP program: $(cat "$log")"
	pins=$(echo /sys/fs/bpf/sluice/*$dev)
	dump config | grep -q '"inside": 5,\?$'
	check_err $? "the tunnels to look into did not arrive: $(dump config)"
	traffic_flows
	check_err $? "no packet was seen"
	busywait 10000 some_moved
	check_err $? "no bucket moved: $($sluice status)"
	$sluice agent show |
		grep -q "$dev bucket [0-9]* *cpu [01] -> [01]: .*guard: allowed"
	check_err $? "no move with its reason: $($sluice agent show)"
	traffic_flows
	check_err $? "traffic stopped"
	[ "$(steer_stat lapsed)" = 0 ]
	check_err $? "$(steer_stat lapsed) packets found a lapsed lease under a living daemon"
}

test_kill_9()
{
	local start took

	id=$(program_id)
	start=$(now_ms)
	daemon_kill "$daemon"
	busywait 5000 stat_above lapsed 0
	check_err $? "learned targets are followed without the daemon"
	took=$(($(now_ms) - start))
	[ $took -ge $((lease_ms / 2)) ] && [ $took -le $((lease_ms + 1500)) ]
	check_err $? "lapsed after $took ms, the lease is $lease_ms ms"
	traffic_flows
	check_err $? "traffic stopped"
	[ "$(program_id)" = "$id" ]
	check_err $? "the program is gone"
}

test_adopts()
{
	local lapsed

	daemon_start in_ns rcv
	busywait 5000 said "steering with the XDP program that was there"
	check_err $? "not adopted: $(tail -n 3 "$log")"
	[ "$(program_id)" = "$id" ]
	check_err $? "program $(program_id) instead of $id"
	busywait 10000 some_moved
	check_err $? "no bucket moved"
	lapsed=$(steer_stat lapsed)
	sleep 1
	[ "$(steer_stat lapsed)" = "$lapsed" ]
	check_err $? "the lease lapsed under a living daemon"
}

moves() { $sluice -j status | jq '.steer.interfaces[0].moves'; }
moves_above() { [ "$(moves)" -gt "$1" ]; }
lease_ended() { dump control | grep -q '"expires_jiffies": 0'; }

# Paused, the lease ends, nothing is written, and a restart keeps it so.
test_pause()
{
	local lapsed before i

	lapsed=$(steer_stat lapsed)
	[[ $(in_ns rcv $sluice agent pause $dev) = "paused $dev: "* ]]
	check_err $? "pause: $($sluice agent show)"
	busywait 1000 lease_ended
	check_err $? "the lease was not ended: $(dump control)"
	busywait 3000 stat_above lapsed "$lapsed"
	check_err $? "packets do not follow the baseline"
	says_status "steer  $dev: .*the operator paused the agents"
	check_err $? "status: $($sluice status)"
	for i in kept restarted; do
		before=$(moves)
		sleep 0.6
		[ "$(moves)" = "$before" ] && lease_ended
		check_err $? "$i: moves went from $before to $(moves), $(dump control)"
		traffic_flows
		check_err $? "$i: traffic stopped"
		[ $i = kept ] || break
		daemon_kill "$daemon"
		daemon_start in_ns rcv
		busywait 5000 says_status "steer  $dev: .*the operator paused the agents"
		check_err $? "after the restart: $($sluice status)"
	done
	[ "$($sluice agent resume $dev)" = "nothing is paused" ]
	check_err $? "resume: $($sluice agent show)"
	busywait 10000 some_moved
	check_err $? "no bucket moved after resume: $($sluice status)"
	lapsed=$(steer_stat lapsed)
	sleep 1
	[ "$(steer_stat lapsed)" = "$lapsed" ]
	check_err $? "the lease lapsed after resume"
}

# What the operator loads anew is another program with other tables, and it is found; tables without
# pins are no worse; a program that was detached is missed.
test_reattached()
{
	local i

	: > "$log"
	in_ns rcv $sluice unload $dev && in_ns rcv $sluice load $dev cpus 0-1 > /dev/null
	check_err $? "not loaded anew"
	busywait 10000 said "$dev: cannot steer: .*replaced by another one of ours"
	check_err $? "it was not noticed: $(cat "$log")"
	busywait 10000 said "$dev: steering with the XDP program that was there"
	check_err $? "not adopted: $(cat "$log")"
	busywait 10000 some_moved
	check_err $? "no bucket of the new tables moved: $($sluice status)"
	traffic_flows
	check_err $? "traffic stopped"
	id=$(program_id)
	i=$(moves)
	rm -r "$pins"
	busywait 10000 moves_above "$i"
	check_err $? "without pins nothing moves: $($sluice status)"
	in_ns rcv ip link set dev $dev xdp off
	busywait 3000 said "$dev: the XDP program was detached"
	check_err $? "the detached program was not missed: $(cat "$log")"
	# The log may have it from the unload above.
	busywait 3000 says_status "wrong  $dev: the program is not attached"
	check_err $? "status: $($sluice status)"
	in_ns rcv $sluice load $dev cpus 0-1 > /dev/null
	busywait 15000 some_moved
	check_err $? "no bucket moved after the last load: $($sluice status), $(cat "$log")"
	[ "$(grep -vc " bucket " "$log")" -le 8 ]
	check_err $? "a storm of lines: $(grep -v " bucket " "$log")"
	id=$(program_id)
}

refused() { $sluice agent show | grep -q '(guard: loses)'; }
# Where both CPUs have more than they can do, how busy they are decides nothing, and none is refused.
test_refuses()
{
	local name="a move that loses is refused, unless told otherwise"

	refuse_losing=yes
	echo "max_flows = 0" | conf_with
	kill -HUP "$daemon"
	if busywait 15000 refused > /dev/null || [ -n "$test_error" ]; then
		tap_result "$name"
	else
		tap_skip "$name" "no move was refused here: both CPUs may be saturated"
	fi
	refuse_losing=no
}

test_clean_stop()
{
	daemon_stop "$daemon"
	check_err $? "exit status $?"
	dump control | grep -q '"expires_jiffies": 0'
	check_err $? "the lease was not ended: $(dump control)"
	[ "$(program_id)" = "$id" ]
	check_err $? "the program is gone"
	traffic_flows
	check_err $? "traffic stopped"
	[ -s "$tmpdir/checkpoint" ]
	check_err $? "no checkpoint"
}

# The four flows of the load are heavy ones: they get entries, and give them back.
test_flows()
{
	conf_with <<-END
	announce = 16
	max_flows = 8
	flow_idle_s = 1
	END
	daemon_start in_ns rcv
	busywait 5000 has_flows
	check_err $? "no flow was admitted: $($sluice status)"
	[ "$(flow_count)" -le 8 ]
	check_err $? "$(flow_count) flows, at most 8 were allowed"
	in_ns rcv $sluice flow show $dev > "$tmpdir/flows"
	grep -q "10.9.0.2:5000 cpu [01] learned" "$tmpdir/flows"
	check_err $? "flows: $(cat "$tmpdir/flows")"
	stop_pid "$load"
	busywait 5000 no_flows
	check_err $? "idle flows keep their entries: $(in_ns rcv $sluice flow show $dev)"
	daemon_stop "$daemon"
}

# An interface that is not there yet is one line of log, and is found when it comes.
test_late_interface()
{
	local late=sm$$

	write_conf <<-END
	[steer]
	interfaces = $late
	END
	: > "$log"
	daemon_start in_ns rcv
	busywait 3000 said "$late: cannot steer"
	check_err $? "nothing said about $late"
	sleep 2
	[ "$(grep -c "$late" "$log")" = 1 ]
	check_err $? "said more than once: $(cat "$log")"
	veth_pair snd $late - rcv $late -
	busywait 15000 says_status "steer  $late: native"
	check_err $? "not found: $($sluice status)"
	defer in_ns rcv $sluice unload $late
	in_ns rcv ip link del $late
	busywait 5000 said "$late: cannot steer: the interface is gone"
	check_err $? "it did not notice that $late went: $(cat "$log")"
	veth_pair snd $late - rcv $late -
	busywait 15000 says_status "steer  $late: native"
	check_err $? "not found when it came back: $($sluice status)"
	daemon_stop "$daemon"
}

# TCP would stall behind a peer that leaves checksums to be filled in.
test_checksum_offload()
{
	local bad=so$$

	veth_pair snd $bad - rcv $bad -
	in_ns snd ethtool -K $bad tx on > /dev/null
	write_conf <<-END
	[steer]
	interfaces = $bad
	END
	: > "$log"
	daemon_start in_ns rcv
	busywait 3000 said "$bad: cannot steer: .*checksum"
	check_err $? "not refused: $(cat "$log")"
	in_ns rcv ip link show dev $bad | grep -q xdp
	check_fail $? "a program was attached all the same"
	printf 'force = yes\n' >> "$conf"
	kill -HUP "$daemon"
	busywait 15000 says_status "steer  $bad: native"
	check_err $? "force did not help: $($sluice status)"
	in_ns rcv $sluice unload $bad
	daemon_stop "$daemon"
}

setup || skip_all "cannot set up the namespaces"
test_rule greedy "from the busiest CPU"
test_rule rsspp "the fewest objects that balance the load"
test_rule p2c "power of two choices"
run_test test_moves "buckets change their CPU under TCP traffic"
run_test test_kill_9 "kill -9: learned targets lapse, traffic goes on"
run_test test_adopts "a restarted daemon adopts the program"
run_test test_pause "agent pause ends the lease, and nothing moves until resume"
run_test test_reattached "a program loaded anew is found, a detached one is missed"
test_refuses
run_test test_clean_stop "SIGTERM: the lease ends, the program stays"
run_test test_flows "heavy flows get entries and give them back"
run_test test_late_interface "an interface that comes late is found, without a storm of lines"
run_test test_checksum_offload "a veth whose peer offloads checksums is refused unless forced"
tap_end
