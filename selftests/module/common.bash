# SPDX-License-Identifier: GPL-2.0
# What the module's tests share; sourced after lib.sh.
#
# The sender is the VM's own namespace, so that sysfs can be read without entering another one:
#
#	  sl0 10.9.0.1 fd09::1 ----- veth ----- eth0 10.9.0.2 fd09::2
#	  qdisc under test                      namespace rcv
#
# Neighbours are permanent and IPv6 is silent, so only test packets pass and counts are exact.

nl=nl_change
udp=ecn_udp
payload=958		# 1000 bytes with UDP, IPv4 and Ethernet headers
frame=1000
net=/sys/class/net
# Times within which something has to be done are so many times longer on the debug kernel.
slow=1
[ -z "${SLUICE_VM_DEBUG:-}" ] || slow=5
# pause MS, which that makes longer, too.
pause() { sleep "$(($1 * slow))e-3"; }

module_setup()
{
	local tool tools='tc ip nsenter sleep grep cat sysctl tail awk'

	require_root
	require_tool $tools
	require_build build/selftests/module/nl_change build/selftests/module/ecn_udp
	load_module
	# Programs on the VM's shared file system take five times as long to start.
	mkdir "$tmpdir/bin"
	for tool in $tools; do
		cp -L "$(type -P "$tool")" "$tmpdir/bin"
	done
	cp build/selftests/module/nl_change build/selftests/module/ecn_udp "$tmpdir/bin"
	PATH=$tmpdir/bin:$PATH
	hash -r
}

link_setup()
{
	local mac_snd=02:00:00:00:00:01 mac_rcv=02:00:00:00:00:02

	ns_create rcv
	sysctl -qw net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.default.router_solicitations=0
	ip link add sl0 address $mac_snd type veth \
		peer name eth0 address $mac_rcv netns "$ns_rcv" || return 1
	defer ip link del sl0
	ip address add 10.9.0.1/24 dev sl0
	in_ns rcv ip address add 10.9.0.2/24 dev eth0
	in_ns rcv sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
	ip link set sl0 up
	in_ns rcv ip link set eth0 up
	# A veth delivers where its sender runs, and so out of order when that changes its CPU.
	sysfs_ns rcv bash -c 'echo 1 > /sys/class/net/eth0/queues/rx-0/rps_cpus' || return 1
	ip neigh add 10.9.0.2 lladdr $mac_rcv dev sl0 nud permanent
	in_ns rcv ip neigh add 10.9.0.1 lladdr $mac_snd dev eth0 nud permanent
}

# gated [KNOB=VALUE...]: sluice under a TBF so slow that after the first two packets nothing
# leaves within the test. Sets $q to its directory.
gated()
{
	tc qdisc replace dev sl0 root handle 1: tbf rate 64bit burst 2000 limit 100mb &&
		$nl add sl0 1:1/10 limit_pkts=1000000 "$@" || return 1
	q=$net/sl0/sluice/1:1
}

# open_gate: lets everything out that is queued. Adds one packet, which wakes the TBF up.
open_gate()
{
	tc qdisc change dev sl0 root handle 1: tbf rate 10gbit burst 1mb limit 100mb
	$udp send 10.9.0.2 9 1 $payload 0
	busywait 20000 queue_empty
	check_err $? "the queue does not drain"
}
queue_empty() { [ "$(stat backlog_bytes)" = 0 ]; }

ungate() { tc qdisc del dev sl0 root; }

stat() { cat "$q/stats/$1"; }
knob() { cat "$q/$1"; }

# The functions below start no process: under emulation that costs more than all the rest.

# write VALUE FILE: one write() of VALUE; $error is the error's text when it fails.
write()
{
	error=
	{ printf '%s' "$1" > "$2"; } 2> "$tmpdir/error" && return
	read -r error < "$tmpdir/error"
	error=${error##*: }
	return 1
}

# check_write VALUE FILE / check_refused VALUE FILE [ERROR]
check_write()
{
	write "$1" "$2"
	check_err $? "'$1' > $2: $error"
}
check_refused()
{
	write "$1" "$2"
	check_fail $? "'$1' > $2 was accepted"
	check_equal "error of '$1' > $2" "$error" "${3:-Invalid argument}"
}

# check_files EXPECTED FILE...: the contents of files below $q, separated by blanks.
check_files()
{
	local expected=$1 found='' value file

	shift
	for file; do
		read -r value < "$q/$file"
		found+="${found:+ }$value"
	done
	check_equal "$*" "$found" "$expected"
}

# check_equal WHAT VALUE EXPECTED
check_equal()
{
	[ "$2" = "$3" ]
	check_err $? "$1 is '$2', expected '$3'"
}
# check_range WHAT VALUE MINIMUM MAXIMUM
check_range()
{
	[ "$2" -ge "$3" ] && [ "$2" -le "$4" ]
	check_err $? "$1 is $2, expected $3 to $4"
}

# receiver PORT COUNT: starts one in rcv and waits until it listens; its output goes to
# $tmpdir/rcv.PORT.
receiver()
{
	: > "$tmpdir/rcv.$1"
	start in_ns rcv $udp recv "$1" "$2" > "$tmpdir/rcv.$1"
	busywait 5000 grep -q ready "$tmpdir/rcv.$1"
}
# received PORT: waits for its result and sets packets, ce, first_ce, reordered, bytes.
received()
{
	busywait "${2:-10000}" grep -q packets= "$tmpdir/rcv.$1" ||
		{ check_err 1 "receiver on port $1 did not finish"; return; }
	eval "$(grep packets= "$tmpdir/rcv.$1")"
}

# dump DEV PARENT: "nl_change show" into the associative arrays option, stats and tc.
declare -A option stats tc
dump()
{
	local kind name value

	option=() stats=() tc=()
	while read -r kind name value; do
		declare -g "$kind[$name]=$value"
	done < <($nl show "$@")
	[ ${#stats[@]} -gt 0 ]
	check_err $? "no statistics of $*"
}
