#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm
# The daemon's file "learned": lease, generation, and who wins over whom.
. "$(dirname "$0")/../lib.sh"
. selftests/module/common.bash
module_setup
link_setup || exit 1
gated || exit 1

# lapses: keeps the count of lapsed leases in $lapsed.
lapses() { read -r lapsed < "$q/lease_expired"; }

test_in_force()
{
	local qth_min qth_max max_p lease generation

	check_write "1000 2000 300000 60000 77" "$q/learned"
	check_files "learned 77 60000 180000 100000" source generation qth_min qth_max max_p
	check_files "1000 2000 300000" stats/qth_min stats/qth_max stats/max_p
	check_files "60000 180000 100000" stats/base_qth_min stats/base_qth_max stats/base_max_p
	read -r qth_min qth_max max_p lease generation < "$q/learned"
	check_equal learned "$qth_min $qth_max $max_p $generation" "1000 2000 300000 77"
	check_range "lease that remains" "$lease" 50000 60000
	check_files 0 manual_gen
	dump sl0 1:1
	check_equal "source by netlink" "${stats[source]}" 1
	check_equal "generation by netlink" "${stats[generation]}" 77
	check_equal "qth_min by netlink" "${stats[qth_min]} ${option[qth_min]}" "1000 60000"
	check_write $'  1001\t2001 300001   59000 78 \n' "$q/learned"
	check_files "1001 2001 78" stats/qth_min stats/qth_max generation
}

test_give_up()
{
	lapses
	check_write "1000 2000 300000 60000 79" "$q/learned"
	check_write "0 0 0 0 79" "$q/learned"
	check_files "none baseline 0 0 60000 $lapsed" learned source generation lease_ms \
		stats/qth_min lease_expired
	check_write "0 0 0 0 80" "$q/learned"
	check_files none learned
}

test_refused()
{
	local bad

	check_write "1000 2000 300000 60000 5" "$q/learned"
	for bad in "2001 2000 300000 60000 6" "2147483648 2147483648 1 60000 6" \
			"1 2147483648 1 60000 6" "1 2 1000001 60000 6" "1 2 3 9 6" "1 2 3 600001 6" \
			"1 2 3 0 6" "0 0 0 5 6" "0 0 0 600001 6" "1 2 3 60000 4294967296" \
			"1 2 3 60000" "1 2 3 60000 6 7" "1 2 3 60000 6x" "x 2 3 60000 6" \
			"-1 2 3 60000 6" "1 2 3 60000 -6" "4294967297 4294967298 3 60000 6" \
			"1,2,3,60000,6" " " "0" "none" \
			"1 2 3 60000 6$(printf '%150s' '')7"; do
		check_refused "$bad" "$q/learned"
	done
	printf '1 2 3 60000 6\0x' > "$q/learned" 2> /dev/null
	check_fail $? "a NUL and garbage were accepted"
	check_files "5 1000" generation stats/qth_min
	for good in "0 0 0 10 4294967295" "0 0 0 600000 0" "2147483647 2147483647 1000000 10 1" \
			"0 2147483647 0 60000 1"; do
		check_write "$good" "$q/learned"
	done
	check_write "0 0 0 0 0" "$q/learned"
}

# It runs out by itself, not early, and is counted once however many look at the same time.
test_lapse()
{
	local start elapsed i pids=()

	lapses
	start=$(now_ms)
	check_write "1000 2000 300000 $((400 * slow)) 7" "$q/learned"
	busywait $((3000 * slow)) grep -q baseline "$q/source" > /dev/null
	check_err $? "the lease did not lapse"
	elapsed=$(($(now_ms) - start))
	check_range "lease of $((400 * slow)) ms: ms until it lapsed" $elapsed $((400 * slow)) \
		$((1500 * slow))
	check_files "none 0 0 60000 180000 100000 $((lapsed + 1))" learned generation lease_ms \
		stats/qth_min stats/qth_max stats/max_p lease_expired

	check_write "1000 2000 300000 100 8" "$q/learned"
	for i in 1 2 3 4; do
		(
			end=$((SECONDS + 2))
			while [ $SECONDS -lt $end ]; do
				read -r _ < "$q/source"
				read -r _ < "$q/learned"
				read -r _ < "$q/stats/qth_min"
			done
		) &
		pids+=($!)
	done
	wait "${pids[@]}"
	check_files $((lapsed + 2)) lease_expired
	$nl show sl0 1:1 > /dev/null
	check_files $((lapsed + 2)) lease_expired
}

# Nobody reads anything: the packets themselves fall back to the baseline.
test_lapse_in_packet_path()
{
	local before

	lapses
	read -r before < "$q/stats/ce_packets"
	check_write "0 0 0 $((700 * slow)) 9" "$q/learned"
	$udp send 10.9.0.2 5000 10 $payload 2
	check_files $((before + 10)) stats/ce_packets
	pause 1000	# the point is that nothing happens meanwhile
	$udp send 10.9.0.2 5000 10 $payload 2
	check_files "$((before + 10)) $((lapsed + 1))" stats/ce_packets lease_expired
}

test_renewal()
{
	local i

	lapses
	for i in 1 2 3 4 5 6; do
		check_write "1000 2000 300000 $((1500 * slow)) $i" "$q/learned"
		sleep 0.4
		check_files "learned $i" source generation
	done
	check_files "$lapsed" lease_expired
	# A write after the lapse counts it, though nobody had looked.
	check_write "1000 2000 300000 100 7" "$q/learned"
	sleep 0.3
	check_write "1000 2000 300000 60000 8" "$q/learned"
	check_files "learned $((lapsed + 1))" source lease_expired
}

test_operator_wins()
{
	local knob value gen

	for knob in qth_min qth_max max_p limit_bytes limit_pkts drop_non_ect sojourn; do
		check_write "1000 2000 300000 60000 10" "$q/learned"
		read -r gen < "$q/manual_gen"
		read -r value < "$q/$knob"
		check_write "$value" "$q/$knob"
		check_files "none baseline 0 $((gen + 1))" learned source generation manual_gen
	done
	check_write "1000 2000 300000 60000 11" "$q/learned"
	check_refused 4000000000 "$q/qth_min"
	check_files "learned 11" source generation
	$nl change sl0 1:1 max_p=1
	check_err $? "netlink change"
	check_files "none baseline 1 $((gen + 2))" learned source max_p manual_gen
}

test_hold()
{
	check_write "1000 2000 300000 60000 12" "$q/learned"
	lapses
	check_write 1 "$q/hold"
	check_files "none hold 0 60000 $lapsed" learned source generation stats/qth_min lease_expired
	check_refused "1000 2000 300000 60000 13" "$q/learned" "Device or resource busy"
	check_refused "2000 1000 300000 60000 13" "$q/learned"
	check_files "none hold" learned source
	dump sl0 1:1
	check_equal "source by netlink" "${stats[source]}" 2
	check_write 0 "$q/hold"
	check_files "none baseline" learned source
	check_write "1000 2000 300000 60000 14" "$q/learned"
	check_files learned source
}

run_test test_in_force "a learned triple is in force, the knobs stay the operator's"
run_test test_give_up "it can be given up"
run_test test_refused "what is out of range or malformed is refused and changes nothing"
run_test test_lapse "a lease lapses on time and is counted once"
run_test test_lapse_in_packet_path "packets notice a lapse by themselves"
run_test test_renewal "a renewed lease does not lapse"
run_test test_operator_wins "any operator's write ends it and counts"
run_test test_hold "hold refuses it"
tap_end
