#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm
# Marks, drops and counters under real ECN traffic. A gate (common.bash) holds the queue, so which
# packet sees which backlog is known: the n-th queued one, counted from 0, has n * 1000 bytes in
# front of it.
. "$(dirname "$0")/../lib.sh"
. selftests/module/common.bash
module_setup
link_setup || exit 1

# through COUNT TOS [KNOB=VALUE...]: sends into a closed gate, then opens it. Sets $passed, the
# number of packets that left before the queue built up, and what received() sets.
through()
{
	local count=$1 tos=$2

	shift 2
	gated "$@"
	check_err $? "cannot set up the queue"
	receiver 5000 "$count"
	$udp send 10.9.0.2 5000 "$count" $payload "$tos"
	read -r passed < "$q/stats/packets"
	check_range "packets that passed the closed gate" "$passed" 1 2
	dump sl0 1:1
	open_gate
	received 5000
	check_equal "packets received" "$packets" "$count"
	check_equal "packets reordered" "$reordered" 0
}

# Both sides of a threshold: a packet behind exactly K bytes is marked, one behind K - 1 is not.
step_at()
{
	local k=$1 first=$2

	through 40 2 qth_min="$k" qth_max="$k"
	check_equal "K = $k: first marked packet" "$first_ce" $((passed + first))
	check_equal "K = $k: marks received" "$ce" $((40 - passed - first))
	check_equal "ce_packets" "${stats[ce_packets]}" "$ce"
	check_equal "ce_bytes" "${stats[ce_bytes]}" $((ce * frame))
	check_equal "overlimits in tc" "${tc[overlimits]}" "$ce"
	ungate
}
test_step()
{
	step_at 9999 10
	step_at 10000 10
	step_at 10001 11
	# Past the edges of the queue: everything, and nothing.
	step_at 1 1
	through 40 2 qth_min=0 qth_max=0
	check_equal "K = 0: marks" "$ce ${stats[ce_packets]}" "40 40"
	ungate
	through 40 2 qth_min=1000000 qth_max=1000000
	check_equal "K = 1000000: marks" "$ce ${stats[ce_packets]}" "0 0"
	ungate
}

# 100 to 300 packets of backlog at up to 50 %: 50 marks, standard deviation 6; then all 100.
test_ramp()
{
	through 402 2 qth_min=100000 qth_max=300000 max_p=500000
	check_equal "ce_packets" "${stats[ce_packets]}" "$ce"
	check_range "marks" "$ce" $((100 + 50 - 32)) $((102 + 50 + 32))
	check_range "first mark" "$first_ce" 101 200
	ungate
	through 402 2 qth_min=100000 qth_max=300000 max_p=0
	check_equal "max_p 0: first mark" "$first_ce" $((passed + 300))
	check_equal "max_p 0: marks" "$ce" $((402 - passed - 300))
	ungate
}

test_ect1_and_ipv6()
{
	through 20 1 qth_min=0 qth_max=0
	check_equal "ECT(1): marks" "$ce ${stats[ce_packets]}" "20 20"
	ungate

	sysctl -qw net.ipv6.conf.sl0.disable_ipv6=0 net.ipv6.conf.sl0.accept_dad=0
	in_ns rcv sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.accept_dad=0
	ip -6 address add fd09::1/64 dev sl0 nodad
	in_ns rcv ip -6 address add fd09::2/64 dev eth0 nodad
	ip -6 neigh add fd09::2 lladdr 02:00:00:00:00:02 dev sl0 nud permanent
	gated qth_min=0 qth_max=0
	receiver 5000 20
	$udp send fd09::2 5000 20 $payload 2
	open_gate
	received 5000
	check_equal "IPv6: marks" "$ce" 20
	sysctl -qw net.ipv6.conf.sl0.disable_ipv6=1
	in_ns rcv sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
	ungate
}

# CE on arrival is passed on and is not our mark.
test_was_ce()
{
	through 20 3 qth_min=0 qth_max=0 drop_non_ect=1
	check_equal "CE received" "$ce" 20
	check_equal "our marks" "${stats[ce_packets]} ${tc[overlimits]}" "0 0"
	ungate
}

test_non_ect()
{
	through 20 0 qth_min=10000 qth_max=10000
	check_equal "drop_non_ect=0: marks, drops" "$ce ${stats[ce_packets]} ${tc[drops]}" "0 0 0"
	ungate

	# Dropped early, from the threshold on and not before; ECN-capable ones still are marked.
	gated qth_min=10000 qth_max=10000 drop_non_ect=1
	receiver 5000 99
	$udp send 10.9.0.2 5000 20 $payload 0
	read -r passed < "$q/stats/packets"
	dump sl0 1:1
	check_equal "queued" "${stats[backlog_packets]}" 10
	check_equal "early_drops" "${stats[early_drops]}" $((20 - passed - 10))
	check_equal "drops in tc" "${tc[drops]}" "${stats[early_drops]}"
	check_equal "limit_drops, marks" "${stats[limit_drops]} ${stats[ce_packets]}" "0 0"
	tc -s qdisc show dev sl0 | grep -A 2 'tbf 1:' | grep -q 'backlog 10000b 10p'
	check_err $? "TBF's backlog is not its child's: $(tc -s qdisc show dev sl0)"
	$udp send 10.9.0.2 5000 5 $payload 2
	check_files 5 stats/ce_packets
	check_write 0 "$q/drop_non_ect"
	open_gate
	stop_pid "$pid"
	received 5000
	check_equal "packets, marks received" "$packets $ce" "$((passed + 15)) 5"
	ungate
}

# limited EXPECTED KNOB=VALUE...: of 20 packets, how many fit?
limited()
{
	local expected=$1

	shift
	gated qth_min=1000000 qth_max=1000000 "$@"
	$udp send 10.9.0.2 5000 20 $payload 2
	read -r passed < "$q/stats/packets"
	dump sl0 1:1
	check_equal "$*: queued" "${stats[backlog_packets]} ${stats[backlog_bytes]}" \
		"$expected $((expected * frame))"
	check_equal "$*: limit_drops" "${stats[limit_drops]}" $((20 - passed - expected))
	check_equal "$*: drops in tc" "${tc[drops]}" "${stats[limit_drops]}"
	check_equal "$*: early_drops" "${stats[early_drops]}" 0
	check_equal "$*: backlog_max_bytes" "${stats[backlog_max_bytes]}" "${stats[backlog_bytes]}"
	ungate
}
test_limits()
{
	limited 9 limit_bytes=9999
	limited 10 limit_bytes=10000
	limited 7 limit_pkts=7
	limited 7 limit_pkts=7 limit_bytes=7000
	limited 1 limit_pkts=1

	# A lower limit drops nothing that is queued already.
	gated
	$udp send 10.9.0.2 5000 20 $payload 0
	read -r queued < "$q/stats/backlog_packets"
	check_write 1 "$q/limit_pkts"
	check_write 1514 "$q/limit_bytes"
	check_files "$queued 0" stats/backlog_packets stats/limit_drops
	ungate
}

# The same numbers in the dump, in sysfs and in tc; and what they say adds up.
test_counters()
{
	local name marks

	through 50 2 qth_min=20000 qth_max=20000
	$udp send 10.9.0.2 5000 7 100 0
	dump sl0 1:1
	check_equal "packets" "${stats[packets]}" 58
	check_equal "bytes" "${stats[bytes]}" $((51 * frame + 7 * 142))
	check_equal "packets in tc" "${tc[packets]}" "${stats[packets]}"
	check_equal "bytes in tc" "${tc[bytes]}" "${stats[bytes]}"
	check_equal "overlimits in tc" "${tc[overlimits]}" "${stats[ce_packets]}"
	check_equal "backlog in tc" "${tc[backlog]} ${tc[qlen]}" "0 0"
	for name in "${!stats[@]}"; do
		case $name in
		abi_version|source|time_ns) continue ;;
		esac
		check_files "${stats[$name]}" "stats/$name"
	done
	marks="overlimits ${stats[ce_packets]}"
	tc -s qdisc show dev sl0 | grep -A 1 'sluice 10:' |
		grep -q "Sent ${stats[bytes]} bytes ${stats[packets]} pkt (dropped 0, $marks "
	check_err $? "tc -s shows something else: $(tc -s qdisc show dev sl0)"
	ungate
}

# Between two snapshots without an event the integral grows by exactly backlog * time.
test_integral()
{
	local before_us before_t before_busy elapsed

	gated
	dump sl0 1:1
	before_busy=${stats[backlogged_ns]}
	check_equal "empty: integral, time" "${stats[backlog_byte_us]} $before_busy" "0 0"
	$udp send 10.9.0.2 5000 100 $payload 0
	dump sl0 1:1
	before_us=${stats[backlog_byte_us]} before_t=${stats[time_ns]}
	before_busy=${stats[backlogged_ns]} before_n=${stats[packets]}
	sleep 0.3
	dump sl0 1:1
	check_equal "packets that left meanwhile" "${stats[packets]}" "$before_n"
	elapsed=$((stats[time_ns] - before_t))
	check_equal "backlogged_ns" $((stats[backlogged_ns] - before_busy)) $elapsed
	check_range "integral" $((stats[backlog_byte_us] - before_us)) \
		$((stats[backlog_bytes] * elapsed / 1000 - 1)) \
		$((stats[backlog_bytes] * elapsed / 1000 + 1))

	# Little's law, as an identity: all packets have 1000 bytes, so byte * us are waited ns.
	open_gate
	dump sl0 1:1
	check_equal "integral over everything" "${stats[backlog_byte_us]}" "${stats[sojourn_sum_ns]}"
	check_equal "samples" "${stats[sojourn_samples]}" "${stats[packets]}"
	ungate

	# With room for one packet, the time with a backlog is the time that packets waited.
	# There is no room for the packet that wakes the TBF up: it leaves no trace in either.
	gated limit_pkts=1
	$udp send 10.9.0.2 5000 3 $payload 0
	open_gate
	dump sl0 1:1
	check_range "backlogged_ns" "${stats[backlogged_ns]}" 1000000 10000000000
	check_equal "waited" "${stats[sojourn_sum_ns]}" "${stats[backlogged_ns]}"
	ungate
}

# A reset (here: the device goes down) ends backlog and backlogged time, without a jump.
test_reset()
{
	local t before

	tc qdisc add dev sl0 root handle 1: tbf rate 1kbit burst 2000 limit 100mb
	$nl add sl0 1:1/10
	$udp send 10.9.0.2 5000 20 $payload 0
	dump sl0 1:1
	check_range "backlog before" "${stats[backlog_packets]}" 18 19
	ip link set sl0 down
	dump sl0 1:1
	check_equal "backlog after" "${stats[backlog_bytes]} ${stats[backlog_packets]}" "0 0"
	before=${stats[backlogged_ns]} t=${stats[backlog_byte_us]}
	sleep 0.2
	dump sl0 1:1
	check_equal "time, integral stand still" \
		"${stats[backlogged_ns]} ${stats[backlog_byte_us]}" "$before $t"
	ip link set sl0 up
	ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev sl0 nud permanent
	ungate
}

# Knob off: no sample, and none from packets that were queued while it was off.
test_sojourn()
{
	local i sum=0 slots

	gated sojourn=0
	$udp send 10.9.0.2 5000 10 $payload 0
	check_write 1 "$q/sojourn"
	$udp send 10.9.0.2 5000 5 $payload 0
	sleep 0.3
	open_gate
	dump sl0 1:1
	check_equal "samples" "${stats[sojourn_samples]}" 6
	read -ra slots <<< "${stats[sojourn_hist]}"
	check_equal "slots" ${#slots[@]} 32
	for i in "${slots[@]}"; do
		sum=$((sum + i))
	done
	check_equal "sum of the histogram" $sum 6
	# Five waited 0.3 s (slot 28) to 8.6 s, the waking one not at all.
	check_equal "slots of 268 ms and more" $((slots[28] + slots[29] + slots[30] + slots[31])) 5
	check_range "mean of all" $((stats[sojourn_sum_ns] / 6)) 250000000 8000000000
	check_write 0 "$q/sojourn"
	$udp send 10.9.0.2 5000 10 $payload 0
	check_files 6 stats/sojourn_samples
	ungate
}

# Under HTB, which does not segment: a GSO packet counts its segments, as tc does.
test_htb_gso()
{
	tc qdisc add dev sl0 root handle 2: htb default 1
	tc class add dev sl0 parent 2: classid 2:1 htb rate 32kbit burst 1600 cburst 1600 quantum 2000
	tc class add dev sl0 parent 2: classid 2:2 htb rate 1gbit quantum 2000
	$nl add sl0 2:1/20 qth_min=0 qth_max=0 limit_bytes=40000
	$nl add sl0 2:2/21 limit_pkts=5
	q=$net/sl0/sluice/2:2
	check_files 5 limit_pkts
	q=$net/sl0/sluice/2:1
	receiver 5000 99
	$udp send 10.9.0.2 5000 80 $payload 2 8
	dump sl0 2:1
	check_equal "limit_drops in segments" $((stats[limit_drops] % 8)) 0
	check_equal "packets accounted for" \
		$((stats[packets] + 8 * stats[backlog_packets] + stats[limit_drops])) 80
	check_range "limit_drops" "${stats[limit_drops]}" 32 40
	check_equal "ce_packets" "${stats[ce_packets]}" $((80 - stats[limit_drops]))
	check_equal "tc: overlimits, drops" "${tc[overlimits]} ${tc[drops]}" \
		"${stats[ce_packets]} ${stats[limit_drops]}"
	tc class change dev sl0 parent 2: classid 2:1 htb rate 1gbit burst 1mb cburst 1mb quantum 2000
	# HTB keeps the class waiting for the 2 s that the first packet cost at the old rate.
	busywait 20000 queue_empty
	check_err $? "the queue does not drain"
	stop_pid "$pid"
	received 5000
	check_equal "marks received" "$ce" "${stats[ce_packets]}"
	dump sl0 2:1
	check_equal "tc: packets, bytes" "${tc[packets]} ${tc[bytes]}" \
		"${stats[packets]} ${stats[bytes]}"
	ungate
}

run_test test_step "a step threshold, both sides to the byte; marks received = counted = overlimits"
run_test test_ramp "the ramp, and certainty from qth_max on"
run_test test_ect1_and_ipv6 "ECT(1) and IPv6 are marked"
run_test test_was_ce "what arrives with CE is not our mark"
run_test test_non_ect "not ECN-capable: passed or dropped early"
run_test test_limits "limits in bytes and packets, both sides"
run_test test_counters "counters agree in dump, sysfs and tc -s"
run_test test_integral "the backlog-time integral is exact"
run_test test_reset "a reset ends the backlog, not the books"
run_test test_sojourn "sojourn times, and none of packets queued with the knob off"
run_test test_htb_gso "under HTB, with GSO packets"
tap_end
