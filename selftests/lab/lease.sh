#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# How long a queue is of a learned value after the daemon is gone, and how a corrupt model fares:
#
#	scripts/vm_run.sh -- selftests/lab/lease.sh [ROUNDS]
#
# The bound is the lease and one epoch; what is beyond is how long it took to see it.
. "$(dirname "$0")/../lib.sh"
. selftests/daemon/common.bash
require_root
require_build $sluiced $sluice $loadgen build/selftests/module/poll_attr
load_module

rounds=${1:-10}
lease_ms=1000
epoch_ms=50
q=/sys/class/net/sl0/sluice/1:1

modprobe -qa sch_tbf tcp_dctcp
bottleneck_link 10.9.0 || skip_all "cannot set up sl0"
tc qdisc add dev sl0 root handle 1: tbf rate 50mbit burst 16k limit 8000000
tc qdisc add dev sl0 parent 1:1 handle 10: sluice
tcp_load 3600 dctcp 10.9.0.2

source_is() { [ "$(cat $q/source)" = "$1" ]; }

configure()	# MODEL
{
	write_conf <<-END
	epoch_ms = $epoch_ms
	[ecn]
	rate = sl0=50mbit
	lease_ms = $lease_ms
	model = $1
	[steer]
	policy = static
	END
}

# after SIGNAL: how long after the signal, in ms, the learned value was last seen and the baseline first.
after()
{
	local from last=0 now

	from=$(now_ms)
	kill "-$1" "$daemon"
	while :; do
		now=$(($(now_ms) - from))
		source_is baseline && break
		last=$now
	done
	echo $last $(($(now_ms) - from))
}

# measure SIGNAL MODEL SOURCE
measure()
{
	local i all=

	configure "$2"
	rm -rf "$tmpdir/policies"
	for i in $(seq "$rounds"); do
		daemon_start
		busywait 30000 source_is "$3" || return 1
		sleep "0.$((RANDOM % 9 + 1))"
		all="$all $(after "$1")
"
		kill -9 "$daemon" 2> /dev/null
		wait "$daemon" 2> /dev/null
	done
	echo "$all" | awk -v s="$1" -v t="$3" -v l=$((lease_ms + epoch_ms)) '
		NF { n++; if ($1 > last) last = $1; if ($2 > first) first = $2 }
		END { printf "%-6s %-8s %3d rounds: learned last seen after %d ms at most, the baseline first after %d; lease + epoch %d\n",
			s, t, n, last, first, l }'
}

measure KILL shipped learned
measure STOP shipped learned
$sluice queue set sl0 1:1 tree_interval_ms 450 > /dev/null
measure KILL shipped-tree tree
measure STOP shipped-tree tree

# A model that is corrupt is refused when it is read; what was in force stays until it is replaced.
build/sluice policy write bdp 0.3 "$tmpdir/m.model"
configure "$tmpdir/m.model"
rm -rf "$tmpdir/policies"
daemon_start
busywait 30000 source_is learned
sed -i 's/kind bdp/kind pdb/' "$tmpdir/m.model"
kill -HUP "$daemon"
busywait 3000 said "the new configuration is refused, the old one stays" &&
	echo "a corrupt model at reload: refused, the old one stays ($(cat $q/source))"
daemon_kill "$daemon"
$sluiced -c "$conf" 2>&1 | tail -1
busywait 5000 source_is baseline && echo "a corrupt model at start: refused, $(cat $q/source)"
