#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm
# The in-kernel fast tier: a tree that the qdisc evaluates on its own counters.
. "$(dirname "$0")/../lib.sh"
. selftests/module/common.bash
module_setup
require_build build/selftests/module/mktree build/sluice
cp build/selftests/module/mktree "$tmpdir/bin"
link_setup || exit 1
gated tree_interval_ms=50 || exit 1

# load / refused ERROR: GENERATION LEASE_MS CELL... of mktree
load()
{
	error=$(mktree "$q/tree" "$@")
	check_err $? "tree '$*': $error"
}
refused()
{
	local expected=$1

	shift
	error=$(mktree "$q/tree" "$@")
	check_fail $? "tree '$*' was accepted"
	check_equal "error of tree '$*'" "$error" "$expected"
}
no_tree() { load 0 0; }
packets() { $udp send 10.9.0.2 5000 "$1" $payload 2; }

# evaluated: sends packets until the tree was evaluated once more.
evaluated()
{
	local before

	before=$(stat tree_evaluations)
	busywait 5000 evaluated_since "$before"
	check_err $? "the tree was not evaluated"
}
evaluated_since()
{
	packets 1
	[ "$(stat tree_evaluations)" -gt "$1" ]
}

test_no_tree()
{
	packets 5
	check_files "0 0 0 0 baseline" stats/tree_evaluations stats/tree_generation \
		stats/tree_lease_ms stats/tree_cell source
	check_equal "size of no tree" "$(wc -c < "$q/tree")" 0
	check_equal "mode" "$(find "$q/tree" ! -perm 644)" ""
}

# Both sides of a threshold; the feature is the baseline's own max_p of 100000.
test_decides()
{
	local left=2000,3000,400000 right=4000,5000,500000

	load 7 60000 max_p:100000:1:2 $left $right
	check_files "7 baseline" stats/tree_generation source
	evaluated
	check_files "tree 7 1 2000 3000 400000" source generation stats/tree_cell stats/qth_min \
		stats/qth_max stats/max_p
	check_files "60000 180000 100000 60000 0" qth_min qth_max max_p stats/base_qth_min manual_gen
	dump sl0 1:1
	check_equal "source by netlink" "${stats[source]}" 3
	no_tree
	check_files "baseline 0 0 60000 0" source generation stats/tree_generation stats/qth_min \
		stats/tree_cell

	load 8 60000 max_p:99999:1:2 $left $right
	check_files baseline source
	evaluated
	check_files "tree 8 2 4000 5000 500000" source generation stats/tree_cell stats/qth_min \
		stats/qth_max stats/max_p
	# What it decided is what it sees at the next evaluation.
	load 9 60000 max_p:499999:1:2 $left $right
	check_files "tree 8 9" source generation stats/tree_generation
	evaluated
	check_files "tree 9 2" source generation stats/tree_cell
	load 10 60000 max_p:500000:1:2 $left $right
	evaluated
	check_files "tree 10 1" source generation stats/tree_cell
	no_tree
}

test_queue_state()
{
	local backlog

	packets 50
	backlog=$(stat backlog_bytes)
	check_range backlog "$backlog" 40000 1000000
	load 1 60000 backlog:$((backlog / 2)):1:2 2000,3000,1 4000,5000,2
	evaluated
	check_files 2 stats/tree_cell
	load 2 60000 backlog:$((backlog * 2)):1:2 2000,3000,1 4000,5000,2
	evaluated
	check_files 1 stats/tree_cell
	# All the time backlogged, and the average is the backlog.
	load 3 60000 busy:999000:1:2 2000,3000,1 4000,5000,2
	evaluated
	check_files 2 stats/tree_cell
	load 4 60000 backlog_avg:$((backlog / 2)):1:2 2000,3000,1 4000,5000,2
	evaluated
	check_files 2 stats/tree_cell
	load 5 60000 backlog_avg:$((backlog * 2)):1:2 2000,3000,1 4000,5000,2
	evaluated
	check_files 1 stats/tree_cell
	no_tree
}

test_marks()
{
	local before

	check_write 100000000 "$q/qth_max"
	check_write 99999999 "$q/qth_min"
	before=$(stat ce_packets)
	packets 10
	check_files "$before" stats/ce_packets
	load 1 60000 0,0,0
	evaluated
	before=$(stat ce_packets)
	packets 10
	check_files $((before + 10)) stats/ce_packets
	no_tree
	packets 10
	check_files $((before + 10)) stats/ce_packets
	check_write 60000 "$q/qth_min"
	check_write 180000 "$q/qth_max"
}

# No evaluation before the interval has passed; the first interval starts at the load.
test_interval()
{
	local before

	check_write 60000 "$q/tree_interval_ms"
	before=$(stat tree_evaluations)
	load 1 60000 2000,3000,1
	packets 100
	packets 100
	check_files "$before baseline 1" stats/tree_evaluations source stats/tree_generation
	check_write 50 "$q/tree_interval_ms"
	load 1 60000 2000,3000,1
	evaluated
	# Nothing happens without packets. (The gate may let one out meanwhile.)
	before=$(($(stat tree_evaluations) - $(stat packets)))
	sleep 0.5
	check_range "evaluations of no packets" $(($(stat tree_evaluations) - $(stat packets))) \
		$((before - 1)) $before
	no_tree
}

test_precedence()
{
	local knob value gen

	check_write "1000 2000 300000 60000 77" "$q/learned"
	load 5 60000 2000,3000,1
	check_files "learned 77" source generation
	evaluated
	check_files "tree 5 2000" source generation stats/qth_min
	# Below the tree a learned triple may come and go.
	check_write "1001 2001 300000 60000 78" "$q/learned"
	check_files "tree 5 2000" source generation stats/qth_min
	no_tree
	check_files "learned 78 1001" source generation stats/qth_min
	load 6 60000 2000,3000,1
	evaluated
	check_write "0 0 0 0 0" "$q/learned"
	check_files "tree 6" source generation

	for knob in qth_min qth_max max_p limit_bytes limit_pkts drop_non_ect sojourn \
			tree_interval_ms; do
		load 9 60000 2000,3000,1
		evaluated
		check_files "tree 9" source generation
		read -r gen < "$q/manual_gen"
		read -r value < "$q/$knob"
		check_write "$value" "$q/$knob"
		check_files "baseline 0 0 $((gen + 1))" source generation stats/tree_generation manual_gen
	done
	load 10 60000 2000,3000,1
	evaluated
	$nl change sl0 1:1 max_p=1
	check_files "baseline 0" source stats/tree_generation
	check_write 100000 "$q/max_p"

	load 11 60000 2000,3000,1
	evaluated
	check_write 1 "$q/hold"
	check_files "hold 0 60000 0" source generation stats/qth_min stats/tree_lease_expired
	refused "Device or resource busy" 12 60000 2000,3000,1
	refused "Device or resource busy" 0 0
	check_write 0 "$q/hold"
	check_files "baseline 0" source stats/tree_generation
}

test_lease()
{
	local start elapsed lapsed expired

	read -r lapsed < "$q/stats/tree_lease_expired"
	read -r expired < "$q/lease_expired"
	load 5 60000 2000,3000,1
	evaluated
	check_range "lease that remains" "$(stat tree_lease_ms)" 40000 60000
	# A header alone renews it, also for less; what it decided stays.
	start=$(now_ms)
	load 5 $((600 * slow))
	check_files "tree 5" source generation
	refused "Stale file handle" 4 60000
	busywait $((3000 * slow)) grep -q baseline "$q/source" > /dev/null
	check_err $? "the tree's lease did not lapse"
	elapsed=$(($(now_ms) - start))
	check_range "lease of $((600 * slow)) ms: ms until it lapsed" $elapsed $((600 * slow)) \
		$((2000 * slow))
	check_files "0 0 0 $((lapsed + 1)) $expired" generation stats/tree_generation \
		stats/tree_lease_ms stats/tree_lease_expired lease_expired
	refused "Stale file handle" 5 60000
	check_equal "size of a lapsed tree" "$(wc -c < "$q/tree")" 0

	# Packets fall back by themselves, which counts it, once.
	check_write 100000000 "$q/qth_max"
	check_write 99999999 "$q/qth_min"
	load 6 $((3000 * slow)) 0,0,0
	evaluated
	check_files tree source
	start=$(stat ce_packets)
	pause 3200	# the point is that nobody looks meanwhile
	packets 10
	check_files "$start $((lapsed + 2)) baseline" stats/ce_packets stats/tree_lease_expired source
	check_write 60000 "$q/qth_min"
	check_write 180000 "$q/qth_max"
}

test_refused()
{
	local good=(max_p:100000:1:2 2000,3000,1 4000,5000,2) limit chain=() i
	local range="Numerical result out of range"

	read -r limit < "$q/limit_bytes"
	load 5 60000 "${good[@]}"
	evaluated
	refused "Message too long" 6 60000 "${good[@]}" @size=20
	refused "Message too long" 6 60000 "${good[@]}" @size=63
	refused "Message too long" 6 60000 "${good[@]}" @size=65
	refused "Message too long" 6 60000 "${good[@]}" @size=4096
	refused "Message too long" 6 60000 "${good[@]}" @size=8192
	refused "Invalid argument" 6 60000 "${good[@]}" @0=0
	refused "Bad message" 6 60000 "${good[@]}" @4=0 @5=0 @6=0 @7=1
	refused "Bad message" 6 60000 "${good[@]}" @63=1
	refused "Protocol error" 6 60000 "${good[@]}" @8=2
	refused "Wrong medium type" 6 60000 home_load:1:1:2 home other
	refused "$range" 6 9 "${good[@]}"
	refused "$range" 6 600001 "${good[@]}"
	refused "$range" 6 0 "${good[@]}"
	refused "$range" 5 9
	refused "$range" 5 600001
	refused "Numerical argument out of domain" 6 60000 none:1:1:1 2000,3000,1
	refused "Invalid argument" 6 60000 max_p:1:1:3 2000,3000,1 2000,3000,1
	refused "Too many levels of symbolic links" 6 60000 max_p:1:0:1 2000,3000,1
	refused "Too many levels of symbolic links" 6 60000 max_p:1:1:1 max_p:1:2:2 2000,3000,1
	refused "$range" 6 60000 2000,1999,1
	refused "$range" 6 60000 2000,3000,1000001
	refused "$range" 6 60000 2000,$((limit + 1)),1
	for ((i = 0; i < 21; i++)); do
		chain+=("max_p:1:21:$((i + 1))")
	done
	refused "Argument list too long" 6 60000 "${chain[@]}" 2000,3000,1
	cat "$q/tree" > "$tmpdir/tree"
	check_equal "size read" "$(wc -c < "$tmpdir/tree")" 64
	dd if="$tmpdir/tree" of="$q/tree" bs=32 2> /dev/null
	check_fail $? "a tree in pieces was accepted"
	check_files "tree 5 5" source generation stats/tree_generation
	cat "$tmpdir/tree" > "$q/tree"
	check_err $? "what was read cannot be written"

	load 7 10 2000,"$limit",1000000
	load 8 600000 2000,2000,0
	unset 'chain[20]'
	chain=("${chain[@]//:21:/:20:}")
	load 9 60000 "${chain[@]}" 2000,3000,1
	evaluated
	check_files "tree 9 20" source generation stats/tree_cell
	no_tree
}

# Loads, renewals and the end of trees while packets go by: nothing is lost or reordered.
test_under_traffic()
{
	local i count=4000

	ungate
	tc qdisc add dev sl0 root sluice
	$nl change sl0 root limit_pkts=1000000 tree_interval_ms=1
	q=$net/sl0/sluice/root
	receiver 6000 $count
	start $udp send 10.9.0.2 6000 $count $payload 2
	for ((i = 1; i <= 40; i++)); do
		load $i 60000 backlog:1000:1:2 2000,3000,1 0,0,0
		load $i 60000
		[ $((i % 5)) != 0 ] || no_tree
	done
	received 6000 60000
	check_equal "packets received" "$packets" $count
	check_equal "packets reordered" "$reordered" 0
	check_range evaluations "$(stat tree_evaluations)" 1 100000
	# The last tree goes with its qdisc.
	load 99 60000 2000,3000,1
	exec {fd}> "$q/tree"
	tc qdisc del dev sl0 root
	cat "$tmpdir/tree" 1>&"$fd" 2> /dev/null
	check_fail $? "a tree was loaded into a qdisc that is gone"
	exec {fd}>&-
}

# What "sluice distill" makes of a policy is a tree for this kernel, and "tree show" reads it alike.
test_distilled()
{
	local leaves

	printf '1000 0\n20000 70\n200000 100\n' > "$tmpdir/sizes"
	build/sluice distill ecn shipped --workload "$tmpdir/sizes" --mixes 4 --judge-mixes 4 \
		--test-mixes 4 --rounds 1 --epochs 60 --depth 3 --min-leaf 3 --generation 77 \
		-o "$tmpdir/distilled" > "$tmpdir/out" 2>&1
	check_err $? "distill: $(cat "$tmpdir/out")"
	cat "$tmpdir/distilled" > "$q/tree"
	check_err $? "the module refuses the tree"
	evaluated
	check_files "tree 77" source generation
	leaves=$(build/sluice tree show "$tmpdir/distilled")
	grep -q "^$(cat "$q/stats/qth_min") $(cat "$q/stats/qth_max") 1000000: " <<< "$leaves"
	check_err $? "in force is no leaf of $leaves"
	no_tree
}

run_test test_no_tree "without a tree nothing runs"
run_test test_decides "a tree decides on both sides of a threshold"
run_test test_queue_state "it sees its queue"
run_test test_marks "packets are marked by its triple"
run_test test_interval "it is evaluated by packets, when its interval has passed"
run_test test_precedence "hold > tree > learned > baseline; the operator ends it"
run_test test_lease "its lease is renewed, lapses and is counted"
run_test test_refused "what is malformed is refused with its errno and changes nothing"
run_test test_distilled "a distilled tree decides"
run_test test_under_traffic "changes under traffic lose and reorder nothing"
tap_end
