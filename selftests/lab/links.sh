# SPDX-License-Identifier: GPL-2.0
# Many small bottlenecks in one machine, each with a daemon and a load of its own, for scripts that have sourced
# ../lib.sh: experiments that take time run side by side.
#
#	snd s0 10.1.0.2 ---- in0 rtr out0 ---- d0 10.2.0.2 rcv
#	    s1 10.1.1.2 ---- in1 rtr out1 ---- d1 10.2.1.2
#	    ...                      ^         ^
#	                  TBF, sluice          netem: the whole RTT, on the way back
#
# See topology.sh for why there is a router. Rates are small because the sum of all is what an emulated
# machine carries; the RTT is long so that C * RTT is some packets all the same. TCP hands over single
# segments (gso_max_segs). All is made by few processes, since in an emulated machine each of them is dear.

: "${LINK_KBIT:=1000}"
: "${LINK_RTT_US:=100000}"	# a slice is 50 of it at least
: "${LINK_EPOCH_MS:=500}"	# every daemon's dump sees all links' queues
: "${LINK_CC:=dctcp}"

# links_up N: all of the drawing, and one server.
links_up()
{
	local i n=$1

	require_root
	require_tool ip tc nsenter sysctl jq
	require_build build/sluiced build/sluice build/selftests/lab/arrivals \
		build/selftests/lab/loadgen
	modprobe -qa sch_tbf sch_netem tcp_dctcp || :
	grep -qw dctcp /proc/sys/net/ipv4/tcp_available_congestion_control ||
		skip_all "this kernel has no DCTCP"
	sysctl -qw net.ipv4.tcp_allowed_congestion_control="$(
		cat /proc/sys/net/ipv4/tcp_available_congestion_control)"
	ns_create snd rtr rcv
	for i in snd rtr rcv; do
		in_ns $i sysctl -qw net.ipv4.tcp_ecn=1 net.ipv4.tcp_no_metrics_save=1 \
			net.ipv4.ip_forward=1 net.ipv6.conf.all.disable_ipv6=1 \
			net.ipv4.ip_local_port_range="1024 65001"
	done
	for ((i = 0; i < n; i++)); do
		echo "link add s$i netns $ns_snd type veth peer name in$i netns $ns_rtr"
		echo "link add out$i netns $ns_rtr type veth peer name d$i netns $ns_rcv"
	done | ip -batch - || return 1
	for ((i = 0; i < n; i++)); do
		echo "link set s$i gso_max_segs 1 up"
		echo "address add 10.1.$i.2/24 dev s$i"
		echo "route add 10.2.$i.0/24 via 10.1.$i.1"
	done | ip -n "$ns_snd" -batch - || return 1
	for ((i = 0; i < n; i++)); do
		echo "link set in$i up"
		echo "link set out$i up"
		echo "address add 10.1.$i.1/24 dev in$i"
		echo "address add 10.2.$i.1/24 dev out$i"
	done | ip -n "$ns_rtr" -batch - || return 1
	for ((i = 0; i < n; i++)); do
		echo "link set d$i up"
		echo "address add 10.2.$i.2/24 dev d$i"
		echo "route add 10.1.$i.0/24 via 10.2.$i.1"
	done | ip -n "$ns_rcv" -batch - || return 1
	for ((i = 0; i < n; i++)); do
		echo "qdisc add dev d$i root netem delay ${LINK_RTT_US}us limit 2000"
	done | tc -n "$ns_rcv" -batch - || return 1
	for ((i = 0; i < n; i++)); do
		echo "qdisc add dev out$i root handle 1: tbf rate ${LINK_KBIT}kbit burst 6k limit 4000000"
		echo "qdisc add dev out$i parent 1:1 handle 10: sluice"
	done | tc -n "$ns_rtr" -batch - || return 1
	start in_ns rcv build/selftests/lab/loadgen serve --port 5000 --cc "$LINK_CC" \
		> "$tmpdir/serve"
	busywait 10000 grep -q ready "$tmpdir/serve"
}

# link_daemon I MODEL LINE...: its daemon, with lines for [guard]; a second one goes on where the first ended.
link_daemon()
{
	local i=$1 model=$2 dir=$tmpdir/link$1

	shift 2
	mkdir -p "$dir"
	{
		cat <<-END
		[daemon]
		socket = $dir/socket
		policies = $dir/policies
		operator = none
		checkpoint = none
		epoch_ms = $LINK_EPOCH_MS
		[learn]
		enabled = no
		[ecn]
		policy = model
		model = $model
		offload = no
		interfaces = out$i
		rate = out$i=${LINK_KBIT}kbit
		rtt_us = $LINK_RTT_US
		lease_ms = 20000
		[steer]
		policy = static
		lease_ms = 20000
		[guard]
		slice_s = 5
		shadow_s = 0
		canary_blocks = 1
		error_budget = 1000
		END
		printf '%s\n' "$@"
	} > "$dir/conf"
	start sysfs_ns rtr build/sluiced -c "$dir/conf" > "$dir/log" 2>&1
	eval "link_daemon_$i=$pid"
}

# nap SECONDS: without a process.
nap() { read -rt "$1" -u "$nap_fd" || :; }
mkfifo "$tmpdir/nap" && exec {nap_fd}<> "$tmpdir/nap"

link_pid() { local var=link_daemon_$1; echo "${!var}"; }
link_answers() { [ -S "$tmpdir/link$1/socket" ]; }

# links_answer FROM TO: all these daemons do.
links_answer()
{
	local i end

	for ((i = $1; i <= $2; i++)); do
		end=$((SECONDS + 600))
		until link_answers $i; do
			nap 1
			[ $SECONDS -lt $end ] && ! pid_gone "$(link_pid $i)" || {
				echo "link $i: $(tail -n 2 "$tmpdir/link$i/log")" >&2
				return 1
			}
		done
	done
}

link_stop() { local var=link_daemon_$1; stop_pid "${!var}"; }

# link_sluice I ARGUMENT...
link_sluice()
{
	local i=$1

	shift
	SLUICE_SOCKET=$tmpdir/link$i/socket build/sluice "$@"
}

# link_policy I FILTER, link_history I FILTER: by jq.
link_policy() { link_sluice "$1" -j policy show | jq -r "$2"; }
link_history() { link_sluice "$1" -j policy history | jq -r "$2"; }

# link_load I SECONDS ELEPHANTS LOAD SEED [CC [DIST]]: begins it; link$I/began has when, link$I/times each flow.
link_load()
{
	local i=$1 dir=$tmpdir/link$1

	mkdir -p "$dir"
	build/selftests/lab/arrivals --rate-bps "${LINK_KBIT}000" --duration "$2" --seed "$5" \
		--load "$4" --dist "${7:-mixed}" > "$dir/plan" || return 1
	echo "$EPOCHREALTIME" > "$dir/began"
	start build/selftests/lab/loadgen send --plan "$dir/plan" --cc "${6:-$LINK_CC}" \
		--to "10.2.$i.2" --port 5000 --netns "$ns_snd" --elephants "$3" --drain 1 \
		--times "$dir/times" > "$dir/load.json" 2> "$dir/load.err"
	eval "link_load_$i=$pid"
}

link_load_wait() { local var=link_load_$1; wait "${!var}"; }
link_load_stop() { local var=link_load_$1; stop_pid "${!var}"; }

# write_bdp SHARE FILE: K as a share of C * RTT.
write_bdp() { build/sluice policy write bdp "$1" "$2"; }
