#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: none
#
# A block of a campaign on this host: the runs of DIRECTORY/order one after the other, in two network
# namespaces. "sluice lab run" makes the directory and reads what is printed here, BEGIN and RECORD lines;
# user/lab/native_exec.c says what is in the files.
#
#	snd eth0 10.7.0.1 ------ veth ------ DEV 10.7.0.2 rcv
#	senders, on the first CPU            steering, servers on any CPU
#
#	selftests/lab/native.sh DIRECTORY
#
# The senders' CPU is where packets come to, as with a NIC that has one interrupt. Nothing slows the link
# down, so that packets are received in the context of who sends them or of a thread of the cpumap,
# whose CPU time is counted to the nanosecond.
set -u
block=$1

. "$(dirname "$0")/../lib.sh"
tap_done=1	# no TAP here
trap '' PIPE	# with nobody left to read it still has to clean up
dev=sn$$
address=10.7.0.2 flows_port=5000 requests_port=5001 requests_per_s=500 requests_flows=16
sluice=build/sluice lab=build/selftests/lab
counters=instructions,LLC-misses

say() { echo "native: $*"; }
cannot() { say "$*"; exit 1; }
cell() { $lab/native_cell "$block/$run.job" "$tmpdir" "$@"; }

setup()
{
	local tool

	[ "$(id -u)" = 0 ] || cannot "needs root"
	for tool in ip ethtool nsenter taskset sysctl; do
		command -v $tool > /dev/null || cannot "$tool is not installed"
	done
	[ -e $sluice ] && [ -e build/sluiced ] && [ -e $lab/rr ] && [ -e $lab/native_cell ] ||
		cannot "build/sluice and its tests are not built: make all tests"
	ensure_bpffs
	read -ra all_cpus <<< "$(online_cpus)"
	has_counters=$(perf stat -x, -a -e $counters true 2>&1 | grep -E '^[0-9]+,')
	# What belongs to the whole host is put back.
	for tool in net.core.netdev_budget net.core.rps_sock_flow_entries; do
		defer sysctl -qw "$tool=$(sysctl -n $tool)"
	done
	budget=$(sysctl -n net.core.netdev_budget)
	ns_create snd rcv
	veth_pair snd eth0 10.7.0.1/24 rcv $dev $address/24 || cannot "no veth pair can be made"
	in_ns snd sysctl -qw net.ipv4.tcp_no_metrics_save=1
	defer in_ns rcv $sluice unload $dev
	start in_ns rcv $lab/loadgen serve --port $flows_port > "$tmpdir/serve"
	servers=("$pid")
	start in_ns rcv $lab/rr serve $requests_port > "$tmpdir/serve2"
	servers+=("$pid")
	busywait 10000 grep -q ready "$tmpdir/serve" && busywait 10000 grep -q ready "$tmpdir/serve2" ||
		cannot "the servers do not start"
}

# "0-2,5" as words.
online_cpus()
{
	tr ',' '\n' < /sys/devices/system/cpu/online | awk -F- '{ for (i = $1; i <= $NF; i++) printf "%d ", i }'
}

# --- steering ------------------------------------------------------------------------------

# The $mask of $targets, as RPS takes it.
mask()
{
	local cpu m=0

	for cpu in $targets; do m=$((m | 1 << cpu)); done
	printf -v mask '%x' $m
}

# rps MASK FLOWS
rps()
{
	spread=$1
	sysfs_ns rcv bash -c "for q in /sys/class/net/$dev/queues/rx-*; do
		echo $1 > \$q/rps_cpus && echo $2 > \$q/rps_flow_cnt || exit 1; done" &&
		sysctl -qw net.core.rps_sock_flow_entries="$2"
}

# Without a process of its own for each: on a busy host every one of them takes its time.
# threads_named PATTERN: their pids, in $found.
threads_named()
{
	local p name

	found=
	for p in /proc/[0-9]*; do
		# shellcheck disable=SC2053 # a pattern
		{ read -r name < "$p/comm"; } 2> /dev/null && [[ $name == $1 ]] && found+="${p#/proc/} "
	done
}

load_program()
{
	local before p

	threads_named 'cpumap/*'
	before=" $found"
	in_ns rcv $sluice load $dev native cpus "${targets// /,}" qsize "$cpumap_qsize" > /dev/null || return 1
	loaded=1
	threads_named 'cpumap/*'
	for p in $found; do [[ $before == *" $p "* ]] || threads+="$p "; done
}

# run_daemon POLICY TREE
run_daemon()
{
	export SLUICE_SOCKET=$tmpdir/sluiced.sock
	cat > "$tmpdir/sluice.conf" <<-END
	[daemon]
	socket = $SLUICE_SOCKET
	checkpoint = none
	policies = none
	operator = none
	[learn]
	seed = $((seed % 1000000))
	[ecn]
	policy = fixed
	[steer]
	policy = $1
	tree = $2
	interfaces = $dev
	cpus = $targets
	mode = native
	interval_ms = 100
	announce = 16
	explore = $([ "$1" = learn ] && echo yes || echo no)
	END
	start in_ns rcv build/sluiced -c "$tmpdir/sluice.conf" > "$tmpdir/sluiced.log" 2>&1
	daemon=$pid
	busywait 20000 steers && return 0
	tail -n 2 "$tmpdir/sluiced.log"
	return 1
}
steers() { $sluice status 2> /dev/null | grep -q "steer  $dev: native"; }

# Prints why it cannot be, with status 4 if that is not in this host.
steer()
{
	local all=${#all_cpus[@]}

	[ "$cpus" -le "$all" ] || { echo "this host has $all CPUs"; return 4; }
	targets="${all_cpus[*]:all-cpus}"
	if [ "$budget" != "$napi_budget" ]; then
		sysctl -qw net.core.netdev_budget="$napi_budget" || return 1
		budget=$napi_budget
	fi
	if [ "$rx_ring" != 0 ]; then
		in_ns rcv ethtool -G $dev rx "$rx_ring" 2>&1 || { echo "its device has no ring to size"; return 4; }
	fi
	case $steering in
	none) ;;
	rps) mask && rps "$mask" 0 ;;
	rfs) mask && rps "$mask" 4096 ;;
	hash) load_program ;;
	greedy|rsspp|p2c) load_program && run_daemon "$steering" none ;;
	tree) load_program && run_daemon greedy shipped ;;
	agent) load_program && run_daemon learn none ;;
	*) echo "unknown"; return 1 ;;
	esac
}

unsteer()
{
	[ -z "$daemon" ] || stop_pid "$daemon"
	[ -z "$loaded" ] || in_ns rcv $sluice unload $dev > /dev/null
	[ "$spread" = 0 ] || rps 0 0
}

# --- measuring ------------------------------------------------------------------------------

# time_of NAME PID...: "NAME ns", the CPU time that they have had, of all their threads.
time_of()
{
	local name=$1 ns=0 one p task

	shift
	for p; do
		for task in "/proc/$p/task"/*; do
			{ read -r one _ < "$task/schedstat"; } 2> /dev/null && ns=$((ns + one))
		done
	done
	echo "$name $ns"
}

# snapshot I
snapshot()
{
	threads_named 'ksoftirqd/*'
	# shellcheck disable=SC2086 # pids are words
	{
		time_of servers "${servers[@]}"
		time_of cpumap $threads
		time_of daemon $daemon
		time_of ksoftirqd $found
	} > "$tmpdir/tasks.$1"
	cat /proc/stat > "$tmpdir/cpu.$1"
	cat /proc/net/softnet_stat > "$tmpdir/softnet.$1"
	in_ns snd cat /proc/net/netstat > "$tmpdir/tcp.$1"
	in_ns snd cat /proc/net/dev > "$tmpdir/dev.$1"
	[ -z "$loaded" ] || in_ns rcv $sluice -j cpu show $dev > "$tmpdir/steer.$1"
}

measure()
{
	local requests flows counts='' failed=0 TIMEFORMAT='sender %U %S'

	snapshot 0
	# Of the whole host: it cannot be told beforehand who takes part.
	if [ -n "$has_counters" ]; then
		perf stat -x, -a -e $counters -o "$tmpdir/counters" sleep "$seconds" &
		counts=$!
	fi
	in_ns snd taskset -c "${all_cpus[0]}" $lab/rr send $address $requests_port $requests_per_s "$seconds" \
		$requests_flows > "$tmpdir/requests" &
	requests=$!
	{ time taskset -c "${all_cpus[0]}" $lab/loadgen send --plan "$arrivals.dctcp" --to $address --port $flows_port \
		--netns "$ns_snd" --drain 2 --times "$tmpdir/times" > "$tmpdir/load"; } 2> "$tmpdir/sender" &
	flows=$!
	wait $requests || failed=1
	wait $flows || failed=1
	[ -z "$counts" ] || wait "$counts"
	snapshot 1
	return $failed
}

one_run()
{
	local why status

	. "$block/$run.job"
	rm -f "$tmpdir"/{times,load,requests,sender,why,counters} "$tmpdir"/{tasks,cpu,softnet,tcp,dev,steer}.*
	daemon='' threads='' loaded='' spread=0
	# Not in a subshell: it starts processes.
	steer > "$tmpdir/why" 2>&1
	status=$?
	why=$(< "$tmpdir/why")
	why=${why##*$'\n'}
	if [ $status = 4 ]; then
		cell absent "$steering: $why"
	elif [ $status != 0 ]; then
		cell failed "steering by $steering cannot be set up: $why"
	elif ! measure; then
		cell failed "the load generator failed"
	elif [ -n "$daemon" ] && pid_gone "$daemon"; then
		cell failed "the daemon has died: $(tail -n 1 "$tmpdir/sluiced.log")"
	else
		cell
	fi
	unsteer
}

setup
while read -r run; do
	echo "BEGIN $run"
	one_run < /dev/null 2>&1
done < "$block/order"
exit 0
