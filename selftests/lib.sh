# SPDX-License-Identifier: GPL-2.0
# Helpers of the shell tests, in the manner of the kernel's net selftests.
#
#	#!/usr/bin/env bash
#	# SPDX-License-Identifier: GPL-2.0
#	# sluice-test: vm			(where to run it: host or vm; default host)
#	. "$(dirname "$0")/../lib.sh"
#	require_root
#	require_tool tc ethtool
#
#	ns_create snd rcv			# namespaces $ns_snd and $ns_rcv
#	veth_pair snd eth0 10.0.0.1/24 rcv eth0 10.0.0.2/24
#	start in_ns rcv my_server		# background process, ended at exit
#
#	test_ping()
#	{
#		busywait 3000 in_ns snd ping -c 1 -W 1 10.0.0.2 > /dev/null
#		check_err $? "no answer from 10.0.0.2"
#	}
#	run_test test_ping "ping through veth"
#	tap_end
#
# Output is TAP with the plan at the end. The exit status is 0, 1 when a test failed, or 4 when
# the whole script was skipped. Whatever is created here is removed at exit, in reverse order.
# The current directory becomes the project's root.

cd "${BASH_SOURCE[0]%/*}/.." || exit 1
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
KSFT_SKIP=4

# --- TAP -------------------------------------------------------------------

tap_count=0
tap_failed=0
tap_done=
test_error=

# check_err STATUS MESSAGE: notes a failure of the running test when STATUS is not 0.
check_err()
{
	if [ "$1" != 0 ] && [ -z "$test_error" ]; then
		test_error=${2:-failed}
	fi
}

# check_fail STATUS MESSAGE: notes a failure when STATUS is 0, where failure was expected.
check_fail()
{
	if [ "$1" = 0 ] && [ -z "$test_error" ]; then
		test_error=${2:-succeeded and should not}
	fi
}

# refused PATTERN ARGUMENT...: $sluice (build/sluice) refuses these, with status 1 or 2 and a sentence.
refused()
{
	local out status pattern=$1

	shift
	out=$(${sluice:-build/sluice} "$@" 2>&1 > /dev/null); status=$?
	[ $status != 0 ] && [ $status -lt 3 ] && grep -q "^sluice: .*$pattern" <<< "$out"
	check_err $? "$*: status $status, $out"
}

# tap_result NAME: prints the result of what was checked since the last result.
tap_result()
{
	tap_count=$((tap_count + 1))
	if [ -z "$test_error" ]; then
		echo "ok $tap_count $1"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_count $1"
		echo "# ${test_error//$'\n'/$'\n'# }"
	fi
	test_error=
}

# tap_skip NAME REASON: one test is skipped.
tap_skip()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count $1 # SKIP $2"
	test_error=
}

# run_test FUNCTION NAME: runs it in this shell and prints its result.
run_test()
{
	test_error=
	"$1"
	tap_result "${2:-$1}"
}

# skip_all REASON: nothing here can be tested.
skip_all()
{
	echo "1..0 # SKIP $1"
	tap_done=1
	exit $KSFT_SKIP
}

# tap_end: prints the plan and ends the script. Without it the script counts as failed.
tap_end()
{
	echo "1..$tap_count"
	tap_done=1
	[ "$tap_failed" = 0 ]
	exit
}

diag() { echo "# $*"; }

# --- clean-up --------------------------------------------------------------

deferred=()

# defer COMMAND...: runs it at exit, last deferred first. Its output is dropped.
defer()
{
	local quoted

	printf -v quoted '%q ' "$@"
	deferred+=("$quoted")
}

# Runs what is deferred now (a test of a clean tear-down needs that).
run_deferred()
{
	local i

	for ((i = ${#deferred[@]} - 1; i >= 0; i--)); do
		eval "${deferred[i]}" > /dev/null 2>&1 || :
	done
	deferred=()
}

lib_exit()
{
	local status=$?

	trap '' INT TERM
	run_deferred
	if [ -z "$tap_done" ]; then
		echo "Bail out! ended early with status $status, after $tap_count results"
		[ "$status" != 0 ] || status=1
	fi
	exit "$status"
}
trap lib_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

in_background=

tmpdir=$(mktemp -d) || exit 1
defer rm -rf "$tmpdir"

# --- requirements ----------------------------------------------------------

require_root()
{
	[ "$(id -u)" = 0 ] || skip_all "needs root"
}

require_tool()
{
	local tool

	for tool; do
		command -v "$tool" > /dev/null || skip_all "$tool is not installed"
	done
}

# require_build FILE...: products of make.
require_build()
{
	local file

	for file; do
		[ -e "$file" ] || skip_all "$file is not built"
	done
}

ensure_bpffs()
{
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf || skip_all "cannot mount bpffs"
}

# load_module: loads the module built for the running kernel, and removes it at exit. Not on
# somebody's machine: in the VM only.
load_module()
{
	local ko
	ko=build/kmod/$(uname -r)/sch_sluice.ko

	[ -n "${SLUICE_IN_VM:-}" ] || skip_all "loads a kernel module: run it by scripts/vm_run.sh"
	[ -e "$ko" ] || skip_all "no module for kernel $(uname -r): run make kmod"
	[ ! -d /sys/module/sch_sluice ] || return 0
	insmod "$ko" || skip_all "cannot load $ko"
	defer busywait 3000 rmmod sch_sluice
}

# load_test_module NAME: one of selftests/kunit. It needs no sch_sluice.
load_test_module()
{
	local ko
	ko=build/kmod/$(uname -r)/tests/$1.ko

	[ -n "${SLUICE_IN_VM:-}" ] || skip_all "loads a kernel module: run it by scripts/vm_run.sh"
	[ -e "$ko" ] || skip_all "$1 is not built for kernel $(uname -r): run make kmod-tests"
	insmod "$ko" || skip_all "cannot load $ko"
	defer rmmod "$1"
}

# --- waiting ---------------------------------------------------------------

now_ms()
{
	local t=${EPOCHREALTIME/[.,]/}

	echo $((t / 1000))
}

# busywait TIMEOUT_MS COMMAND...: repeats it until it succeeds; prints its last output.
busywait()
{
	local out end
	end=$(($(now_ms) + $1))

	shift
	while true; do
		if out=$("$@"); then
			[ -z "$out" ] || echo "$out"
			return 0
		fi
		if [ "$(now_ms)" -ge "$end" ]; then
			[ -z "$out" ] || echo "$out"
			return 1
		fi
		sleep 0.05
	done
}

# --- processes -------------------------------------------------------------

declare -A lib_started=()
stop_status=

# stop_pid PID [TIMEOUT_MS]: TERM, then KILL; its exit status is in $stop_status.
stop_pid()
{
	unset "lib_started[$1]"
	kill "$1" 2> /dev/null
	busywait "${2:-5000}" pid_gone "$1" || kill -9 "$1" 2> /dev/null
	wait "$1" 2> /dev/null
	stop_status=$?
	return 0
}

# At exit; not if it was stopped before, since its number may be somebody else's by now.
stop_started() { [ -z "${lib_started[$1]:-}" ] || stop_pid "$1"; }

# Also true for a zombie that was not waited for yet.
pid_gone()
{
	local stat

	stat=$(cat "/proc/$1/stat" 2> /dev/null) || return 0
	stat=${stat##*) }
	[ "${stat%% *}" = Z ]
}

# start COMMAND...: runs it in the background, sets $pid, ends it (TERM, then KILL) at exit. With
# in_ns and sysfs_ns, $pid is that of the program. Redirect its output at the call:
# start foo > "$tmpdir/foo.log".
start()
{
	(
		in_background=1
		if [ "$(type -t "$1")" = function ]; then
			"$@"
		else
			exec "$@"
		fi
	) &
	pid=$!
	lib_started[$pid]=1
	defer stop_started "$pid"
}

# --- network namespaces ----------------------------------------------------

# ns_create NAME...: makes a namespace with a unique name for each and keeps that name in the
# variable ns_NAME. Elsewhere in this file NAME means the short one.
ns_create()
{
	local name full

	for name; do
		full=sl-$name-$$
		ip netns add "$full" || skip_all "cannot create a network namespace"
		declare -g "ns_$name=$full"
		defer ip netns del "$full"
		in_ns "$name" ip link set lo up
		# IPv6 addresses are usable at once.
		in_ns "$name" sysctl -qw net.ipv6.conf.all.accept_dad=0 \
			net.ipv6.conf.default.accept_dad=0
	done
}

# in_ns NAME COMMAND...: not "ip netns exec", which hides the bpffs behind a new /sys. /sys shows
# the namespace's own interfaces only with sysfs_ns.
in_ns()
{
	local var=ns_$1 full

	full=${!var:-$1}
	shift
	${in_background:+exec} nsenter --net="/run/netns/$full" -- "$@"
}

# sysfs_ns NAME COMMAND...: as in_ns, with a /sys that shows that namespace's interfaces and the
# bpffs in its place.
sysfs_ns()
{
	local var=ns_$1 full
	local script='mount --make-rprivate / && mkdir -p "$0" && mount --bind /sys/fs/bpf "$0" &&
		mount -t sysfs sysfs /sys && mount --move "$0" /sys/fs/bpf && exec "$@"'

	full=${!var:-$1}
	shift
	${in_background:+exec} nsenter --net="/run/netns/$full" -- unshare --mount bash -c "$script" \
		"$tmpdir/bpffs" "$@"
}

# veth_pair NAME1 IF1 ADDRESS1 NAME2 IF2 ADDRESS2: both ends up and addressed ("-": none). TX
# checksum offload is off on both, as a redirect into a cpumap needs.
veth_pair()
{
	local n1=$1 if1=$2 a1=$3 n2=$4 if2=$5 a2=$6
	local v1=ns_$n1 v2=ns_$n2

	ip link add "$if1" netns "${!v1}" type veth peer name "$if2" netns "${!v2}" || return 1
	veth_end "$n1" "$if1" "$a1" && veth_end "$n2" "$if2" "$a2"
}

veth_end()
{
	in_ns "$1" ethtool -K "$2" tx off > /dev/null &&
		in_ns "$1" ip link set "$2" up || return 1
	[ "$3" = - ] || in_ns "$1" ip address add "$3" dev "$2"
}
