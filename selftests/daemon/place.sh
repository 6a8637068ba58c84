#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=120
#
# The daemon has a tree place newly admitted flows: they go where it says while the daemon lives,
# return in order when it is killed, and a tree that breaks a rule is refused by name.
#
#	namespace snd                     namespace rcv
#	eth0 10.9.0.1 ------ veth ------- $dev 10.9.0.2, XDP, the daemon
. "$(dirname "$0")/../lib.sh"
. selftests/daemon/common.bash
require_root
require_tool ip tc ethtool nsenter bpftool jq
mktree=build/selftests/module/mktree
require_build $sluiced $sluice $loadgen $mktree
ensure_bpffs
[ "$(nproc)" -ge 2 ] || skip_all "needs two CPUs"

dev=sp$$
lease_ms=1000

# Nothing but the tree moves anything.
conf_with()
{
	write_conf <<-END
	[ecn]
	policy = fixed
	[steer]
	policy = greedy
	interfaces = $dev
	cpus = 0-1
	interval_ms = 100
	lease_ms = $lease_ms
	announce = 1
	flow_idle_s = 60
	tree = $1
	[guard]
	moves_per_epoch = 0
	END
}

# tree NAME CELL...: a file of that name, and what the daemon is told of it.
tree()
{
	local name=$1

	shift
	: > "$tmpdir/$name"
	$mktree "$tmpdir/$name" 7 0 "$@"
	conf_with "$tmpdir/$name"
}

dump() { bpftool map dump pinned "$pins/$1"; }
# Sum over all rows of a field of a map.
sum_of() { dump "$1" | grep "\"$2\"" | tr -dc '0-9\n' | awk '{ n += $1 } END { print n + 0 }'; }
sum_above() { [ "$(sum_of "$1" "$2")" -gt "$3" ]; }
placed() { $sluice -j status | jq ".steer.interfaces[0].tree.$1"; }
placed_above() { [ "$(placed other)" -ge "$1" ]; }
# Flows that have an assignment: the tree's, or the daemon's, who has taken over the heavy ones.
flows_away()
{
	in_ns rcv $sluice flow show "$dev" > "$tmpdir/flows"
	grep -c -E ' (tree|learned)' "$tmpdir/flows"
}
daemons_above() { [ "$($sluice -j status | jq '.steer.interfaces[0].flows')" -ge "$1" ]; }
some_away() { [ "$(flows_away)" -ge "$1" ]; }
says_tree() { $sluice status | grep -q "tree [0-9]*: of the flows admitted [1-9]"; }

test_places()
{
	tree other other
	daemon_start in_ns rcv
	check_err $? "no answer: $(tail -n 3 "$log")"
	busywait 5000 test -e /sys/fs/bpf/sluice/*$dev/tree_control
	check_err $? "no program with trees: $(tail -n 3 "$log")"
	pins=$(echo /sys/fs/bpf/sluice/*$dev)
	# Flows from before may have been admitted before there was a tree.
	tcp_load 100 cubic 10.9.0.2 in_ns snd
	busywait 5000 placed_above 4
	check_err $? "of four new flows $(placed other) were placed: $($sluice -j status)"
	busywait 5000 some_away 4
	check_err $? "no flow has the tree's assignment: $(cat "$tmpdir/flows")"
	[ "$(placed home)" = 0 ]
	check_err $? "$(placed home) stayed at home, by a tree that has no such answer"
	says_tree
	check_err $? "status says nothing of it: $($sluice status)"
	[ "$(placed targets)" = 2 ]
	check_err $? "$(placed targets) targets are published, of two"
	# Heavy ones are the daemon's from now on, and stay where they are: each has moved once.
	busywait 10000 daemons_above 4
	check_err $? "no flow is the daemon's"
	sleep 0.5
	# (On a host so busy that the lease has lapsed they have been home meanwhile.)
	[ "$(sum_of steer_stats lapsed)" -gt 0 ] ||
		[ "$(sum_of steer_stats moves_begun)" -le "$(placed other)" ]
	check_err $? "$(sum_of steer_stats moves_begun) moves of $(placed other) flows"
	busywait 5000 sum_above loads ppm 0
	check_err $? "no loads are published: $(dump loads | head -n 12)"
}

# The flows go back to their buckets' CPUs, behind what is still queued.
test_kill_9()
{
	local start took

	[ "$(sum_of steer_stats lapsed)" = 0 ]
	check_err $? "a lease lapsed under a living daemon"
	start=$(now_ms)
	daemon_kill "$daemon"
	busywait 5000 sum_above steer_stats lapsed 0
	check_err $? "the tree's flows stay where they are without the daemon"
	took=$(($(now_ms) - start))
	[ $took -ge $((lease_ms / 2)) ] && [ $took -le $((lease_ms + 1500)) ]
	check_err $? "lapsed after $took ms, the lease is $lease_ms ms"
	busywait 5000 sum_above steer_stats moves_completed 3
	check_err $? "$(sum_of steer_stats moves_completed) moves, of four flows back home"
	[ "$(sum_of steer_stats moves_forced)" = 0 ]
	check_err $? "$(sum_of steer_stats moves_forced) moves were forced"
	[ "$(sum_of deliver reordered)" = 0 ]
	check_err $? "$(sum_of deliver reordered) packets were overtaken"
}

# A tree that was left there does not come back to life under a daemon that wants none.
test_none()
{
	conf_with none
	daemon_start in_ns rcv
	check_err $? "no answer: $(tail -n 3 "$log")"
	busywait 5000 says_status "steer  $dev: native"
	dump tree_control | grep -q '"active": 0'
	check_err $? "the former daemon's tree decides: $(dump tree_control | head -n 4)"
	[ "$($sluice -j status | jq '.steer.interfaces[0].tree')" = null ]
	check_err $? "status has a tree"
}

no_tree() { dump tree_control | grep -q '"active": 0'; }
refused() { : > "$log"; kill -HUP "$daemon"; busywait 5000 said "the tree $1 is refused"; }
test_refuses()
{
	# Where home has more load the flow comes back: against the rule.
	tree wrong home_load:500000:1:2 other home
	refused "$tmpdir/wrong"
	check_err $? "not refused: $(cat "$log")"
	said "never-lower:other:home_load is broken: 1 where home_load <= 500000 ppm, but 0 where"
	check_err $? "the box is not named: $(cat "$log")"
	says_status "wrong  tree: .*never-lower"
	check_err $? "status says nothing: $($sluice status)"
	: > "$tmpdir/queue"
	$mktree "$tmpdir/queue" 7 1000 1000,2000,3000
	conf_with "$tmpdir/queue"
	refused "$tmpdir/queue"
	check_err $? "a queue's tree was not refused: $(cat "$log")"
	dump tree_control | grep -q '"active": 0'
	check_err $? "one of them was published: $(dump tree_control | head -n 4)"
}

test_shipped()
{
	conf_with shipped
	kill -HUP "$daemon"
	busywait 5000 says_status "tree [0-9]*: of the flows admitted"
	check_err $? "the built-in tree is not there: $($sluice status)"
	$sluice status | grep -q "wrong  tree"
	check_fail $? "the refused one is still a problem: $($sluice status)"
	sed -i 's/^policy = greedy/policy = static/' "$conf"
	kill -HUP "$daemon"
	busywait 5000 no_tree
	check_err $? "a static policy keeps the tree: $(dump tree_control | head -n 4)"
	conf_with shipped
	kill -HUP "$daemon"
	busywait 5000 says_status "tree [0-9]*: of the flows admitted"
	check_err $? "the tree did not come back: $($sluice status)"
	daemon_stop "$daemon"
	check_err $? "exit status $?"
	dump tree_control | grep -q '"active": 0'
	check_err $? "the tree was not given up: $(dump tree_control | head -n 4)"
	[ "$(sum_of deliver reordered)" = 0 ]
	check_err $? "$(sum_of deliver reordered) packets were overtaken"
}

steered_link $dev 100 || skip_all "cannot set up the namespaces"
run_test test_places "new flows go where the tree says"
run_test test_kill_9 "kill -9: they return within the lease, in order"
run_test test_none "without a tree none is left"
run_test test_refuses "a tree that breaks a rule, or of another kind, is refused by name"
run_test test_shipped "the built-in tree decides, and goes with the daemon"
tap_end
