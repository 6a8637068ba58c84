#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm
# Marks and the backlog-time integral against what probes on the qdisc's two entries saw: the
# backlog that each packet found, from the kernel's own structures and not from our counters.
#
#	selftests/module/statistics.sh [PACKETS]
#
# PACKETS whose marks are counted, SLUICE_STATISTICS_PACKETS or 20000 by default; a million is
# the proof: scripts/vm_run.sh --timeout 3000 -- selftests/module/statistics.sh 1000000
. "$(dirname "$0")/../lib.sh"
. selftests/module/common.bash
module_setup
require_tool pahole
link_setup || exit 1

packets_wanted=${1:-${SLUICE_STATISTICS_PACKETS:-20000}}
trace=/sys/kernel/tracing
hist=hist:keys=backlog:size=65536
burst=4000

# member STRUCT MEMBER: its offset.
member()
{
	pahole -C "$1" /sys/kernel/btf/vmlinux 2> /dev/null |
		awk -v m="$2" '$0 ~ "[ *]" m "(\\[[0-9]*\\])?;" { sub(/.*\/\*/, ""); print $1; exit }'
}

# probes: enter/leave of the one sluice qdisc, with the backlog before the packet comes or goes.
probes()
{
	local qstats backlog cb

	[ -e $trace/kprobe_events ] && [ -e /sys/kernel/btf/vmlinux ] || return 1
	qstats=$(member Qdisc qstats)
	backlog=$(member gnet_stats_queue backlog)
	cb=$(member sk_buff cb)
	[ -n "$qstats" ] && [ -n "$backlog" ] && [ -n "$cb" ] || return 1
	backlog=$((qstats + backlog))
	echo "p:sluice/enter sch_sluice:sluice_enqueue backlog=+$backlog(\$arg2):u32 bytes=+$cb(\$arg1):u32" \
		>> $trace/kprobe_events &&
		echo "p:sluice/leave sch_sluice:sluice_dequeue backlog=+$backlog(\$arg1):u32" \
			>> $trace/kprobe_events || return 1
	defer probes_end
	echo "$hist" > $trace/events/sluice/enter/trigger 2> /dev/null
}
probes_end()
{
	echo 0 > $trace/events/sluice/enable
	echo "!$hist" > $trace/events/sluice/enter/trigger
	echo '-:sluice/enter' >> $trace/kprobe_events
	echo '-:sluice/leave' >> $trace/kprobe_events
}
missed() { awk '{ sum += $3 } END { print sum + 0 }' $trace/kprobe_profile; }

# marks QTH_MIN QTH_MAX MAX_P: fills the queue through the ramp and lets it run dry, again and again.
# Sets $text to what was found; fails when the marks are not what was promised.
marks()
{
	local i

	gated limit_bytes=100000000 qth_min="$1" qth_max="$2" max_p="$3"
	# Opened like this, the file first drops the trigger that it has, with its counts.
	echo "$hist" > $trace/events/sluice/enter/trigger
	for ((i = 0; i < packets_wanted; i += burst + 1)); do
		$udp send 10.9.0.2 9 $burst $payload 2
		open_gate
		tc qdisc change dev sl0 root handle 1: tbf rate 1kbit burst 2000 limit 100mb
	done
	dump sl0 1:1
	check_equal "packets" "${stats[packets]}" $i
	text=$(awk -v lo="$1" -v hi="$2" -v max_p="$3" -v marks="${stats[ce_packets]}" -v sent=$i '
		/^{ backlog:/ {
			q = $3; n = $6
			p = q < lo ? 0 : q >= hi ? 1 : max_p / 1e6 * (q - lo) / (hi - lo)
			seen += n; sum += n * p; var += n * p * (1 - p); ramp += n * (p > 0 && p < 1)
		}
		END {
			# 3.29 standard deviations hold 99.9 %; one more is the step from one integer to the next.
			off = marks - sum
			printf "%d packets, %d of them on the ramp: %d marks, expected %.1f +- %.1f\n",
				seen, ramp, marks, sum, 3.2905 * sqrt(var) + 1
			exit !(seen == sent && ramp > sent / 10 &&
			       off * off <= (3.2905 * sqrt(var) + 1) ^ 2)
		}' $trace/events/sluice/enter/hist)
	status=$?
	ungate
	diag "$text"
	return $status
}
# One sound queue in a thousand is outside of its interval; two in a row are one in a million.
test_marks()
{
	marks 200000 3600000 300000 || marks 200000 3600000 300000
	check_err $? "$text"
	marks 0 4000000 1000000 || marks 0 4000000 1000000
	check_err $? "$text"
	check_equal "probes missed" "$(missed)" 0
}

# Between two events the backlog is what the later one finds. Packets of three sizes.
test_integral()
{
	local i payloads=(40 400 1400)

	tc qdisc add dev sl0 root handle 1: tbf rate 4mbit burst 4000 limit 100mb
	$nl add sl0 1:1/10 limit_pkts=1000000 limit_bytes=100000000
	q=$net/sl0/sluice/1:1
	echo 16384 > $trace/buffer_size_kb
	echo mono > $trace/trace_clock
	: > $trace/trace
	echo 1 > $trace/events/sluice/enable
	echo 1 > $trace/tracing_on
	for i in {0..11}; do
		$udp send 10.9.0.2 9 100 "${payloads[i % 3]}" 2
	done
	busywait 20000 queue_empty
	echo 0 > $trace/events/sluice/enable
	dump sl0 1:1
	check_equal "packets" "${stats[packets]}" 1200
	text=$(awk -v integral="${stats[backlog_byte_us]}" '
		/ (enter|leave): \(sluice_/ {
			for (i = 1; $i !~ /^[0-9]+\.[0-9]+:$/; i++)
				;
			t = $i + 0
			match($0, /backlog=[0-9]+/)
			backlog = substr($0, RSTART + 8, RLENGTH - 8)
			if (events++)
				sum += backlog * (t - last) * 1e6
			last = t
			entered += / enter:/
		}
		END {
			off = sum ? integral / sum - 1 : 1
			printf "%d events: traced %.0f byte us, counted %.0f, off by %.4f %%\n", events, sum,
				integral, 100 * off
			exit !(entered == 1200 && off < 0.001 && off > -0.001)
		}' $trace/trace)
	check_err $? "$text"
	diag "$text"
	check_equal "probes missed" "$(missed)" 0
	ungate
	echo 1408 > $trace/buffer_size_kb
}

if probes; then
	run_test test_marks "marks of $packets_wanted packets are what the ramp promises for the backlogs they met"
	run_test test_integral "the backlog-time integral is that of a trace"
else
	tap_skip "marks and integral against a trace" "this kernel has no kprobe events, histograms or BTF"
fi
tap_end
