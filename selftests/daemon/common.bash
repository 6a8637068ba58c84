# SPDX-License-Identifier: GPL-2.0
# What the daemon's tests share; sourced after lib.sh.

sluiced=${SLUICED:-build/sluiced}
sluice=build/sluice
loadgen=build/selftests/lab/loadgen

conf=$tmpdir/sluice.conf
log=$tmpdir/sluiced.log
export SLUICE_SOCKET=$tmpdir/sluiced.sock

# write_conf < SECTIONS: the configuration of the daemon under test, with its own files.
write_conf()
{
	{
		printf '[daemon]\nsocket = %s\ncheckpoint = %s\noperator = %s\npolicies = %s\n' \
			"$SLUICE_SOCKET" "$tmpdir/checkpoint" "$tmpdir/operator" "$tmpdir/policies"
		cat
	} > "$conf"
}

# daemon_start [COMMAND PREFIX...]: starts it, sets $daemon, waits until it answers.
daemon_start()
{
	start "$@" $sluiced -c "$conf" 2>> "$log"
	daemon=$pid
	busywait 5000 daemon_answers
}
daemon_answers() { $sluice status > /dev/null 2>&1; }

daemon_kill()	# the hard way
{
	kill -9 "$1"
	wait "$1" 2> /dev/null
	return 0
}

# daemon_stop PID: the clean way; its exit status.
daemon_stop()
{
	kill "$1"
	busywait 5000 pid_gone "$1" || return 1
	wait "$1"
}

said() { grep -q -- "$1" "$log"; }
says_status() { $sluice status | grep -q -- "$1"; }

# tcp_load SECONDS CC ADDRESS [COMMAND PREFIX...]: four endless flows in the background.
tcp_load()
{
	local seconds=$1 cc=$2 to=$3

	shift 3
	printf '# duration_us=%d000000\n0 1000 0\n' "$seconds" > "$tmpdir/plan"
	start "$@" $loadgen send --plan "$tmpdir/plan" --cc "$cc" --to "$to" --port 5000 \
		--elephants 4 > "$tmpdir/load.json"
}

# steered_link DEV SECONDS: from snd's eth0 at 10.9.0.1 to rcv's DEV at 10.9.0.2, with a load of that
# long by TCP, whose process is $pid.
steered_link()
{
	ns_create snd rcv
	veth_pair snd eth0 10.9.0.1/24 rcv "$1" 10.9.0.2/24 || return 1
	defer in_ns rcv $sluice unload "$1"
	start in_ns rcv $loadgen serve --port 5000 > "$tmpdir/serve"
	busywait 5000 grep -q ready "$tmpdir/serve" || return 1
	tcp_load "$2" cubic 10.9.0.2 in_ns snd
}

# bottleneck_link SUBNET: sl0 here at .1, eth0 at .2 in the namespace rcv with a DCTCP server on
# port 5000, ECN on both sides. Qdiscs and load are the caller's.
bottleneck_link()
{
	sysctl -qw net.ipv4.tcp_ecn=1 net.ipv4.tcp_allowed_congestion_control="$(
		cat /proc/sys/net/ipv4/tcp_available_congestion_control)"
	ns_create rcv
	ip link add sl0 type veth peer name eth0 netns "$ns_rcv" || return 1
	defer ip link del sl0
	ethtool -K sl0 tx off > /dev/null
	ip address add "$1.1/24" dev sl0
	ip link set sl0 up
	in_ns rcv sysctl -qw net.ipv4.tcp_ecn=1
	in_ns rcv ip address add "$1.2/24" dev eth0
	in_ns rcv ip link set eth0 up
	start in_ns rcv $loadgen serve --port 5000 --cc dctcp > "$tmpdir/serve"
	busywait 5000 grep -q ready "$tmpdir/serve"
}
