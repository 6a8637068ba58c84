#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: none
#
# A block of a campaign, in the VM: the runs of DIRECTORY/order one after the other, on the network of
# topology.sh. "sluice lab run" makes the directory and reads what is printed here, BEGIN and RECORD
# lines; user/lab/kernel_exec.c says what is in the files.
#
#	selftests/lab/block.sh DIRECTORY
set -u
block=$1

. "$(dirname "$0")/../lib.sh"
. selftests/lab/topology.sh
tap_done=1	# no TAP here
LAB_PLAIN_PORT=5001

say() { echo "block: $*"; }
job() { build/selftests/lab/cell "$block/$run.job" "$tmpdir" "$@"; }

# Servers of both kinds: a connection's receiver echoes marks as its congestion control does.
servers()
{
	# An emulated machine on a busy host takes its time.
	lab_server || busywait 30000 grep -q ready "$tmpdir/serve" || return 1
	start in_ns rcv build/selftests/lab/loadgen serve --port $LAB_PLAIN_PORT --cc cubic \
		> "$tmpdir/serve2"
	busywait 30000 grep -q ready "$tmpdir/serve2"
}

# tbf VERB RATE_MBIT
tbf()
{
	in_ns rtr tc qdisc "$1" dev out0 root handle 1: tbf rate "$(awk "BEGIN { printf \"%.0f\", 1e6 * $2 }")bit" \
		burst "$LAB_BURST" limit "$limit_bytes"
}

# The bottleneck with the policy's qdisc; prints why it cannot be, with status 4 if that is not in this kernel.
queue()
{
	local child=$qdisc error

	[ "$means" = qdisc ] || child=sluice
	in_ns rtr tc qdisc del dev out0 root 2> /dev/null
	tbf add "$rate_mbps" || { echo "the token bucket cannot be made"; return 1; }
	# shellcheck disable=SC2086 # options are words
	if ! error=$(in_ns rtr tc qdisc add dev out0 parent $LAB_PARENT handle 10: $child 2>&1); then
		echo "${error//$'\n'/; }"
		grep -qiE 'unknown|not found|No such file' <<< "$error" && return 4
		return 1
	fi
	[ "$means" != threshold ] || lab_sluice queue set out0 $LAB_PARENT qth_min "$k_bytes" \
		qth_max "$qth_max" max_p "$max_p" > /dev/null || { echo "the threshold cannot be set"; return 1; }
	[ "$means" = qdisc ] || lab_sluice queue set out0 $LAB_PARENT limit_bytes "$limit_bytes" \
		limit_pkts 100000 > /dev/null || { echo "the limit cannot be set"; return 1; }
}

# once FUNCTION VALUE...: calls it unless it was called with these values last. Starting programs is
# what takes most time in an emulated machine.
declare -A in_force
once()
{
	[ "${in_force[$1]:-}" != "$*" ] || return 0
	in_force[$1]=
	"$1" || return 1
	in_force[$1]=$*
}

# Round-trip times: all of it on the way back, to each sender what is beyond the shortest.
delays()
{
	local of=($rtts) i extra

	in_ns rcv tc qdisc replace dev eth0 root netem delay \
		"$(awk "BEGIN { printf \"%.0f\", $rtt_us * ${of[0]} }")us" limit 20000 || return 1
	for i in 0 1; do
		in_ns rtr tc qdisc del dev "in$i" root 2> /dev/null
		[ -n "${of[i]:-}" ] || continue
		extra=$(awk "BEGIN { printf \"%.0f\", $rtt_us * (${of[i]} - ${of[0]}) }")
		[ "$extra" = 0 ] || in_ns rtr tc qdisc add dev "in$i" root netem delay "${extra}us" \
			limit 20000 || return 1
	done
}

# How the router's receiving side is steered. XDP: the targets in turn, and their rings.
steering()
{
	local i mask=0

	lab_unload
	in_ns rtr sysctl -qw net.core.netdev_budget="$napi_budget" 2> /dev/null ||
		sysctl -qw net.core.netdev_budget="$napi_budget" || return 1
	case $steer in
	rps|rfs) mask=$(printf '%x' $(((1 << cpus) - 1))) ;;
	esac
	sysctl -qw net.core.rps_sock_flow_entries=$([ "$steer" = rfs ] && echo 4096 || echo 0) || return 1
	for i in 0 1; do
		sysfs_ns rtr bash -c "echo $mask > /sys/class/net/in$i/queues/rx-0/rps_cpus &&
			echo $([ "$steer" = rfs ] && echo 4096 || echo 0) > /sys/class/net/in$i/queues/rx-0/rps_flow_cnt" ||
			return 1
		[ "$steer" != xdp ] || lab_sluice load "in$i" native cpus "0-$((cpus - 1))" qsize "$cpumap_qsize" \
			> /dev/null || return 1
	done
}

# The daemon decides the queue and steers nothing. A model is measured itself, so the static setting has
# no turns beside it; what learns runs as the product has it.
daemon()
{
	local policy=model watch_slices=0

	[ "$means" != learn ] || policy=learn model=shipped watch_slices=20
	export SLUICE_SOCKET=$tmpdir/sluiced.sock
	cat > "$tmpdir/sluice.conf" <<-END2
	[daemon]
	socket = $SLUICE_SOCKET
	checkpoint = none
	policies = none
	operator = none
	[learn]
	seed = $((seed % 1000000))
	[ecn]
	policy = $policy
	$([ "$policy" = learn ] || echo "model = $model")
	interfaces = out0
	rate = out0=$(awk "BEGIN { printf \"%.0f\", 1000 * $rate_mbps }")kbit
	rtt_us = ${rtt_us%.*}
	explore = $([ "$policy" = learn ] && echo yes || echo no)
	regret_budget = 100000
	[guard]
	watch_slices = $watch_slices
	[steer]
	policy = static
	END2
	start sysfs_ns rtr build/sluiced -c "$tmpdir/sluice.conf" > "$tmpdir/sluiced.log" 2>&1
	lab_daemon=$pid
	busywait 20000 lab_sluice agent show > /dev/null 2>&1 && return 0
	tail -n 3 "$tmpdir/sluiced.log"
	return 1
}

# Reordering that senders have seen.
reordered()
{
	local ns

	for ns in snd0 snd1; do in_ns $ns cat /proc/net/netstat; done | awk '
		/^TcpExt:/ && !header { n = split($0, name); header = 1; next }
		/^TcpExt:/ { split($0, v); header = 0
			for (i = 2; i <= n; i++) if (name[i] == "TCPSACKReorder" || name[i] == "TCPTSReorder") s += v[i] }
		END { print s + 0 }'
}

# The link's rate changes as the job says, until it is stopped.
vary()
{
	local all=($rates) i=0

	while sleep "$phase_s"; do
		i=$(((i + 1) % ${#all[@]}))
		tbf change "$(awk "BEGIN { print $rate_mbps * ${all[i]} }")"
	done
}

# A daemon decides when a queue has traffic. What runs for days has decided before the first flow comes, so in runs of
# seconds some small packets come first, whatever the policy.
warm_up() { in_ns snd0 ping -q -c 20 -i 0.02 -s 1000 $LAB_TO > /dev/null; }

# send LIST NAMESPACES CC PORT ELEPHANTS
send()
{
	local ns options=()

	for ns in $2; do
		ns=ns_$ns
		options+=(--netns "${!ns}")
	done
	build/selftests/lab/loadgen send --plan "$arrivals.$1" --cc "$3" --to $LAB_TO --port "$4" \
		"${options[@]}" --elephants "$5" --times "$tmpdir/times.$1" > "$tmpdir/load.$1"
}

measure()
{
	local list watchers=() senders=() failed=0 p

	reordered > "$tmpdir/tcp.0"
	cat /proc/stat > "$tmpdir/cpu.0"
	if [ "$means" != qdisc ]; then
		start in_ns rtr build/selftests/lab/watch out0 $LAB_PARENT > "$tmpdir/sluice"
		watchers+=("$pid")
	fi
	start in_ns rtr build/selftests/lab/qwatch out0 > "$tmpdir/queue"
	watchers+=("$pid")
	if [ "$(wc -w <<< "$rates")" -gt 1 ] && [ "$(tr ' ' '\n' <<< "$rates" | sort -u | wc -l)" -gt 1 ]; then
		start vary
		watchers+=("$pid")
	fi
	for list in $lists; do
		case $list in
		dctcp) send $list "snd0 snd1" dctcp $LAB_PORT "$endless" & ;;
		cubic) send $list snd0 cubic $LAB_PLAIN_PORT 0 & ;;
		plain) send $list snd1 cubic $LAB_PLAIN_PORT 0 & ;;
		esac
		senders+=($!)
	done
	for p in "${senders[@]}"; do wait "$p" || failed=1; done
	for p in "${watchers[@]}"; do stop_pid "$p"; done
	cat /proc/stat > "$tmpdir/cpu.1"
	reordered > "$tmpdir/tcp.1"
	return $failed
}

# Senders of CUBIC without ECN are all of snd1's, but DCTCP asks for it whatever this says.
ecn() { in_ns snd1 sysctl -qw net.ipv4.tcp_ecn="$([[ $lists = *plain* ]] && echo 0 || echo 1)"; }

one_run()
{
	local why status

	. "$block/$run.job"
	rm -f "$tmpdir"/times.* "$tmpdir"/load.* "$tmpdir"/{queue,sluice,policy} "$tmpdir"/{cpu,tcp}.*
	lab_daemon=
	why=$(queue)
	status=$?
	[ $status != 4 ] || { job absent "this kernel has no ${qdisc%% *}: $why"; return; }
	[ $status = 0 ] || { job failed "the queue cannot be made: $why"; return; }
	once delays "$rtt_us" "$rtts" && once ecn "$lists" || { job failed "the delays cannot be set"; return; }
	once steering "$steer" "$cpus" "$cpumap_qsize" "$napi_budget" || { job failed "steering by $steer cannot be set up"; return; }
	if [ "$means" = model ] || [ "$means" = learn ]; then
		daemon > "$tmpdir/why" || { job failed "the daemon does not start: $(tail -n 1 "$tmpdir/why")"
			[ -z "$lab_daemon" ] || stop_pid "$lab_daemon"; return; }
	fi
	warm_up || { job failed "the path does not answer"; [ -z "$lab_daemon" ] || stop_pid "$lab_daemon"; return; }
	if measure; then
		why=
		[ -z "$lab_daemon" ] || lab_sluice -j policy show > "$tmpdir/policy" 2>&1 || why="the daemon has died"
	else
		why="the load generator failed"
	fi
	[ -z "$lab_daemon" ] || stop_pid "$lab_daemon"
	if [ -n "$why" ]; then job failed "$why"; else job; fi
}

lab_require
load_module
lab_up || { say "the lab's network cannot be built"; exit 1; }
servers || { say "the receivers do not start"; exit 1; }
while read -r run; do
	echo "BEGIN $run"
	one_run < /dev/null 2>&1
done < "$block/order"
exit 0
