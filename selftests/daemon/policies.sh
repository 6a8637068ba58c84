#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm timeout=400
#
# Candidates, trials and the watch on a real queue under DCTCP traffic: a bad policy does not get
# through, one that the operator puts into force is taken back, and what was known survives kill -9.
. "$(dirname "$0")/../lib.sh"
. selftests/daemon/common.bash
require_root
require_tool tc ip nsenter ethtool jq
require_build $sluiced $sluice $loadgen
load_module

q=/sys/class/net/sl0/sluice/1:1
rate_mbit=50

setup()
{
	modprobe -qa sch_tbf tcp_dctcp
	bottleneck_link 10.9.0 || return 1
	tc qdisc add dev sl0 root handle 1: tbf rate ${rate_mbit}mbit burst 16k limit 8000000 &&
		tc qdisc add dev sl0 parent 1:1 handle 10: sluice || return 1
	tcp_load 380 dctcp 10.9.0.2
	$sluice policy write bdp 40 "$tmpdir/deep.model" &&
		$sluice policy write bdp 0.3 "$tmpdir/alike.model"
}

# RTT 2 ms at 50 Mbit/s: C * RTT is 12.5 KB, so 40 of it are half a megabyte and 80 ms.
configure()
{
	write_conf <<-END
	[ecn]
	rate = sl0=${rate_mbit}mbit
	[steer]
	policy = static
	[guard]
	shadow_s = 1
	retry_s = 0
	watch_slices = 2
	$1
	END
}

policy() { $sluice -j policy show | jq -r "$1"; }
stage_is() { [ "$(policy .stage)" = "$1" ]; }
incumbent_is() { [ "$(policy .incumbent.name)" = "$1" ]; }
has_event() { $sluice -j policy history | jq -e ".history[] | select(.event == \"$1\")" > /dev/null; }
refused()	# WHAT ARGUMENT...
{
	local what=$1

	shift
	$sluice policy "$@" > /dev/null 2> "$tmpdir/err"
	check_fail $? "policy $* was accepted"
	grep -q "$what" "$tmpdir/err"
	check_err $? "policy $*: $(cat "$tmpdir/err")"
}

test_begins()
{
	configure
	daemon_start
	busywait 20000 stage_is watch
	check_err $? "stage $(policy .stage), expected watch"
	incumbent_is shipped && [ "$(policy .static.kind)" = bdp ]
	check_err $? "incumbent $(policy .incumbent.name), static $(policy .static.kind)"
	echo nonsense > "$tmpdir/nonsense"
	refused "not a model" promote "$tmpdir/nonsense"
	refused "no such file" promote "$tmpdir/missing"
	refused "is the incumbent already" promote shipped
	[ "$(policy '.candidate')" = null ]
	check_err $? "a candidate: $(policy .candidate)"
}

test_rejects()
{
	$sluice policy promote "$tmpdir/deep.model" > /dev/null
	check_err $? "the candidate was refused"
	refused "is on trial" promote "$tmpdir/alike.model"
	busywait 20000 stage_is trial
	check_err $? "stage $(policy .stage), expected trial"
	busywait 120000 has_event rejected
	check_err $? "not rejected: $($sluice policy show)"
	incumbent_is shipped
	check_err $? "the incumbent is $(policy .incumbent.name)"
	$sluice policy history | grep -q "rejected: .*deep.model"
	check_err $? "history: $($sluice policy history)"
	busywait 3000 stage_is watch
	check_err $? "stage $(policy .stage) after the trial"
}

test_pin()
{
	$sluice policy pin > /dev/null
	refused "is pinned" promote "$tmpdir/alike.model"
	stage_is quiet
	check_err $? "stage $(policy .stage) although pinned"
	$sluice policy unpin > /dev/null
	busywait 3000 stage_is watch
	check_err $? "stage $(policy .stage) after unpin"
}

test_takes_back()
{
	$sluice policy promote "$tmpdir/deep.model" now > /dev/null
	incumbent_is "$tmpdir/deep.model"
	check_err $? "the incumbent is $(policy .incumbent.name)"
	busywait 5000 grep -q "^[4-9][0-9][0-9][0-9][0-9][0-9]$" $q/stats/qth_min
	check_err $? "its thresholds are not in force: $(cat $q/stats/qth_min)"
	busywait 120000 incumbent_is shipped
	check_err $? "not taken back: $($sluice policy show)"
	has_event "taken back"
	check_err $? "history: $($sluice policy history)"
}

test_survives()
{
	local events

	$sluice policy promote "$tmpdir/alike.model" now > /dev/null
	$sluice policy promote "$tmpdir/deep.model" > /dev/null
	events=$($sluice -j policy history | jq '.history | length')
	daemon_kill "$daemon"
	daemon_start
	incumbent_is "$tmpdir/alike.model" && [ "$(policy .candidate.name)" = "$tmpdir/deep.model" ]
	check_err $? "after kill -9: $($sluice policy show)"
	[ "$($sluice -j policy history | jq '.history | length')" -ge "$events" ]
	check_err $? "history is shorter"
	$sluice policy rollback > /dev/null
	incumbent_is "$tmpdir/alike.model" && [ "$(policy '.candidate')" = null ]
	check_err $? "rollback did not end the trial: $($sluice policy show)"
	$sluice policy rollback > /dev/null
	incumbent_is shipped
	check_err $? "rollback did not go back: $(policy .incumbent.name)"
	daemon_stop "$daemon"
	# A file of it is damaged: it says so, and begins with what is configured.
	$sluice policy write bdp 1 "$tmpdir/one.model"
	daemon_start
	$sluice policy promote "$tmpdir/one.model" now > /dev/null
	daemon_stop "$daemon"
	for model in "$tmpdir"/policies/*.model; do
		echo damaged > "$model"
	done
	daemon_start
	incumbent_is shipped
	check_err $? "the incumbent is $(policy .incumbent.name)"
	said "policies begin with what the configuration names"
	check_err $? "the log has nothing of it: $(tail -n 3 "$log")"
	has_event promoted
	check_err $? "the history is lost"
	daemon_stop "$daemon"
}

test_budget()
{
	rm -r "$tmpdir/policies"
	configure "error_budget = 0.01"
	daemon_start
	busywait 20000 stage_is watch
	refused "error budget is used up" promote "$tmpdir/alike.model"
	daemon_stop "$daemon"
}

value() { cat "$q/$1"; }
source_is() { [ "$(value source)" = "$1" ]; }

# 50 ms epochs, nine of which a tree is made for.
test_tree()
{
	local took

	rm -rf "$tmpdir/policies"
	write_conf <<-END
	[ecn]
	rate = sl0=${rate_mbit}mbit
	model = shipped-tree
	[steer]
	policy = static
	[guard]
	watch_slices = 0
	rules = never-raise:qth_min:backlog_avg
	END
	daemon_start
	busywait 10000 source_is learned
	check_err $? "the daemon does not evaluate the tree: source $(value source)"
	said "tree_interval_ms is 10; the daemon evaluates the tree"
	check_err $? "it does not say why: $(tail -n 3 "$log")"
	$sluice queue set sl0 1:1 tree_interval_ms 450
	$sluice agent release sl0 1:1 > /dev/null
	busywait 20000 source_is tree
	check_err $? "the qdisc does not decide: source $(value source), $(tail -n 3 "$log")"
	sleep 3
	source_is tree
	check_err $? "the tree's lease is not renewed"
	took=$(now_ms)
	daemon_kill "$daemon"
	busywait 5000 source_is baseline
	check_err $? "after kill -9 the source is $(value source)"
	took=$(($(now_ms) - took))
	[ $took -le 4000 ]
	check_err $? "back to the baseline after $took ms"
	daemon_start
	busywait 20000 source_is tree
	check_err $? "the restarted daemon does not load the tree: $(value source)"
	$sluice queue set sl0 1:1 qth_min 50000
	busywait 2000 source_is baseline && says_status "the operator wrote a knob"
	check_err $? "the operator's write: source $(value source)"
	daemon_stop "$daemon"
}

setup || skip_all "cannot set up sl0 and its qdiscs"
run_test test_begins "the configured model is watched; nonsense is refused"
run_test test_rejects "a trial rejects a policy that does harm"
run_test test_pin "pin keeps the policy, unpin watches again"
run_test test_takes_back "a bad policy that the operator puts into force is taken back"
run_test test_survives "kill -9 loses neither policy, candidate nor history"
run_test test_budget "without error budget there are no trials"
run_test test_tree "a tree decides in the qdisc, until its lease or the operator ends it"
tap_end
