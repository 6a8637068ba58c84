# SPDX-License-Identifier: GPL-2.0
# The lab's network, for scripts that have sourced ../lib.sh.
#
#   snd0 eth0 ---- in0 +-----+
#   10.1.0.2           | rtr | out0 ---- eth0 rcv
#   snd1 eth0 ---- in1 +-----+           10.2.0.2
#   10.1.1.2        ^            ^       ^
#         XDP steering    TBF, sluice    netem: the whole RTT, on the way back
#
# * The bottleneck is a token bucket on out0; the qdisc under test is its child, class 1:1.
# * netem delays only what the receiver sends, that is ACKs: it never holds the packets whose
#   queue is measured, and TCP's own back-pressure (small queues) sees the sender's interface.
# * Senders have TX checksum offload off, since a packet redirected into a cpumap loses the
#   note that its checksum is still to be filled in. That also turns TSO off; GSO stays on, so TCP
#   works in large pieces which become MTU-sized at the sender's interface. So the router and
#   the queue see packets as a wire carries them, never 64 KB super-packets.
# * The receiver coalesces by GRO (through NAPI), as a real card does; it saves emulated CPU time.
# * tcp_no_metrics_save: no connection inherits from one before.

: "${LAB_RATE_MBIT:=40}"	# what an emulated machine sustains; runs check it ("valid")
: "${LAB_RTT_US:=5000}"
: "${LAB_CHILD:=sluice}"	# qdisc under the TBF, with options
: "${LAB_BURST:=24k}"	# forgives a late timer interrupt of the emulated machine
: "${LAB_CC:=dctcp}"
LAB_TO=10.2.0.2
LAB_PORT=5000
LAB_PARENT=1:1

lab_require()
{
	require_root
	require_tool ip tc ethtool nsenter sysctl
	require_build build/selftests/lab/arrivals build/selftests/lab/loadgen
	# On kernels where these are built in there is nothing to load.
	modprobe -qa sch_tbf sch_netem tcp_dctcp || :
	grep -qw dctcp /proc/sys/net/ipv4/tcp_available_congestion_control ||
		skip_all "this kernel has no DCTCP"
	# A namespace may choose only what the initial one allows.
	defer sysctl -qw "net.ipv4.tcp_allowed_congestion_control=$(
		cat /proc/sys/net/ipv4/tcp_allowed_congestion_control)"
	sysctl -qw net.ipv4.tcp_allowed_congestion_control="$(
		cat /proc/sys/net/ipv4/tcp_available_congestion_control)"
	ensure_bpffs
}

lab_sysctls()
{
	local ns

	for ns; do
		in_ns "$ns" sysctl -qw net.ipv4.tcp_ecn=1 net.ipv4.tcp_no_metrics_save=1 \
			net.ipv4.ip_forward=1 net.ipv6.conf.all.disable_ipv6=1 \
			net.ipv4.ip_local_port_range="1024 65001"
	done
}

# lab_up: all of the drawing but the XDP programs, which the daemon attaches.
lab_up()
{
	local i

	ns_create snd0 snd1 rtr rcv
	lab_sysctls snd0 snd1 rtr rcv
	for i in 0 1; do
		veth_pair "snd$i" eth0 "10.1.$i.2/24" rtr "in$i" "10.1.$i.1/24" || return 1
		in_ns "snd$i" ip route add default via "10.1.$i.1" || return 1
	done
	veth_pair rtr out0 10.2.0.1/24 rcv eth0 10.2.0.2/24 || return 1
	in_ns rcv ip route add default via 10.2.0.1 || return 1
	in_ns rcv ethtool -K eth0 gro on > /dev/null || return 1
	in_ns rcv tc qdisc add dev eth0 root netem delay "${LAB_RTT_US}us" limit 20000 || return 1
	in_ns rtr tc qdisc add dev out0 root handle 1: tbf rate "${LAB_RATE_MBIT}mbit" \
		burst "$LAB_BURST" limit 8000000 || return 1
	# shellcheck disable=SC2086 # options are words
	in_ns rtr tc qdisc add dev out0 parent $LAB_PARENT handle 10: $LAB_CHILD || return 1
	# A daemon that stops leaves its programs attached, on purpose, and pins outlive the links.
	defer lab_unload
}

# lab_server: starts the receiver.
lab_server()
{
	start in_ns rcv build/selftests/lab/loadgen serve --port $LAB_PORT --cc "$LAB_CC" \
		> "$tmpdir/serve"
	busywait 5000 grep -q ready "$tmpdir/serve"
}

# lab_arrivals OUTPUT DURATION_S SEED [LOAD [DIST]]
lab_arrivals()
{
	build/selftests/lab/arrivals --rate-bps "${LAB_RATE_MBIT}000000" --duration "$2" \
		--seed "$3" --load "${4:-0.6}" --dist "${5:-mixed}" --senders 2 > "$1"
}

# lab_send PLAN CC [OPTION...]: prints loadgen's report.
lab_send()
{
	local plan=$1 cc=$2

	shift 2
	build/selftests/lab/loadgen send --plan "$plan" --cc "$cc" --to $LAB_TO \
		--port $LAB_PORT --netns "$ns_snd0" --netns "$ns_snd1" "$@"
}

# lab_sluice ARGUMENT...: the command line tool, in the router.
lab_sluice() { sysfs_ns rtr build/sluice "$@"; }

# lab_daemon_start POLICY EXPLORE CHECKPOINT: starts the daemon in the router and waits until it controls
# the queue and steers both inside interfaces. Buckets move only when the agents decide.
lab_daemon_start()
{
	local steer=static

	[ "$1" != learn ] || steer=learn
	export SLUICE_SOCKET=$tmpdir/sluiced.sock
	cat > "$tmpdir/sluice.conf" <<-END
	[daemon]
	socket = $SLUICE_SOCKET
	checkpoint = $3
	policies = none
	[learn]
	steps = 8
	budget_us = 8000
	[ecn]
	policy = $1
	interfaces = out0
	rate = out0=${LAB_RATE_MBIT}mbit
	rtt_us = $LAB_RTT_US
	explore = $2
	epsilon = 0.3
	regret_budget = 100000
	[steer]
	policy = $steer
	interfaces = in0 in1
	explore = $2
	[guard]
	changes_per_s = 50
	END
	start sysfs_ns rtr build/sluiced -c "$tmpdir/sluice.conf" > "$tmpdir/sluiced.log" 2>&1
	# shellcheck disable=SC2034 # for the sourcing script
	lab_daemon=$pid
	busywait 40000 lab_daemon_ready	# two interfaces' programs, verified by an emulated CPU
}

lab_daemon_ready()
{
	lab_sluice cpu show in0 > /dev/null 2>&1 && lab_sluice cpu show in1 > /dev/null 2>&1 &&
		lab_sluice agent show > /dev/null 2>&1
}

lab_unload()
{
	lab_sluice unload in0 > /dev/null 2>&1
	lab_sluice unload in1 > /dev/null 2>&1
}

# lab_reset: a queue and steering without a past, in the network that is up.
lab_reset()
{
	in_ns rtr tc qdisc del dev out0 parent $LAB_PARENT 2> /dev/null
	lab_unload
	# shellcheck disable=SC2086 # options are words
	in_ns rtr tc qdisc add dev out0 parent $LAB_PARENT handle 10: $LAB_CHILD
}

# lab_run POLICY PLAN OUT EXPLORE CHECKPOINT [OPTION OF send...]: replays the list with one policy
# and writes what was measured to OUT as one JSON object; a failure becomes a result too.
lab_run()
{
	local policy=$1 plan=$2 out=$3 explore=$4 checkpoint=$5 error='' watch i

	shift 5
	lab_reset && lab_daemon_start "$policy" "$explore" "$checkpoint" ||
		error="the daemon does not start: $(tail -n 1 "$tmpdir/sluiced.log")"
	if [ -z "$error" ]; then
		start in_ns rtr build/selftests/lab/watch out0 $LAB_PARENT \
			> "$tmpdir/queue" 2> "$tmpdir/watch.log"
		watch=$pid
		lab_send "$plan" "$LAB_CC" "$@" > "$tmpdir/load" || error="the load generator failed"
		stop_pid "$watch"
		[ "$stop_status" = 0 ] || error="the queue was not watched"
		for i in 0 1; do
			lab_sluice -j cpu show "in$i" > "$tmpdir/cpu$i" ||
				error="the steering of in$i cannot be read"
		done
		lab_sluice -j agent show > "$tmpdir/agent" || error="the daemon has died"
	fi
	[ -z "${lab_daemon:-}" ] || stop_pid "$lab_daemon"	# writes its checkpoint
	if [ -n "$error" ]; then
		printf '{"policy": "%s", "error": "%s"}\n' "$policy" "${error//[\"\\]/}" > "$out"
		echo "$policy: $error" >&2
		return 1
	fi
	printf '{"policy": "%s", "cc": "%s", "explore": "%s", "rate_bps": %d, "rtt_us": %d,
"load": %s,\n"queue": %s,\n"steering": [%s,\n%s],\n"agent": %s}\n' "$policy" "$LAB_CC" "$explore" \
		"${LAB_RATE_MBIT}000000" "$LAB_RTT_US" "$(< "$tmpdir/load")" "$(< "$tmpdir/queue")" \
		"$(< "$tmpdir/cpu0")" "$(< "$tmpdir/cpu1")" "$(< "$tmpdir/agent")" > "$out"
}
