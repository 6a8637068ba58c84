#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm timeout=180
#
# Several XDP programs on one interface: libxdp's dispatcher calls ours and another one. Needs a
# kernel with tracing, without which libxdp attaches a single program directly.
#
#	snd: s0 10.8.0.1 -------- veth -------- rcv: r0 10.8.0.2
#	                                        xdp_dispatcher { other_pass, xdp_steer }
. "$(dirname "$0")/../lib.sh"
. selftests/daemon/common.bash
require_root
require_tool ip ethtool nsenter bpftool xdp-loader ping
require_build $sluice $sluiced build/xdp_steer.bpf.o build/selftests/bpf/other_pass.bpf.o
ensure_bpffs
[ -d /sys/kernel/tracing ] || skip_all "no tracing in this kernel: libxdp has no dispatcher here"

dev=r0
ns_create snd rcv
veth_pair snd s0 10.8.0.1/24 rcv $dev 10.8.0.2/24 || skip_all "cannot make a veth pair"
on_rcv() { in_ns rcv "$@"; }
defer on_rcv $sluice unload $dev
defer on_rcv xdp-loader unload $dev --all

add() { on_rcv xdp-loader load -m native $dev "$1" -n "$2" > "$tmpdir/loader" 2>&1; }
ours=build/xdp_steer.bpf.o
other=build/selftests/bpf/other_pass.bpf.o
# has NAME: whether the dispatcher calls it.
has() { on_rcv xdp-loader status $dev | grep -q "=> .* $1 "; }
id_of() { on_rcv xdp-loader status $dev | awk -v name="$1" '$1 == "=>" && $3 == name { print $4 }'; }
pings() { in_ns snd ping -c 5 -i 0.05 -W 2 -q 10.8.0.2 > "$tmpdir/ping" 2>&1; }
delivered()
{
	on_rcv $sluice -j cpu show $dev | awk '$1 == "\"delivered_packets\":" { sub(",", "", $2)
		n += $2 } END { print n + 0 }'
}
more_delivered() { [ "$(delivered)" -gt "$1" ]; }
sluice_fails()
{
	! on_rcv $sluice "$@" > "$tmpdir/out" 2>&1
}

test_foreign_dispatcher()
{
	local id

	add $other other_pass
	check_err $? "xdp-loader: $(tail -n 2 "$tmpdir/loader")"
	has other_pass
	check_err $? "libxdp made no dispatcher: $(on_rcv xdp-loader status $dev)"
	id=$(id_of other_pass)
	sluice_fails load $dev
	check_err $? "loaded over a dispatcher"
	grep -q "libxdp dispatcher" "$tmpdir/out"
	check_err $? "said: $(cat "$tmpdir/out")"
	sluice_fails unload $dev
	check_err $? "unloaded somebody's dispatcher"
	has other_pass && [ "$(id_of other_pass)" = "$id" ]
	check_err $? "other_pass is gone"
}

test_adopt()
{
	local before

	add $ours xdp_steer
	check_err $? "xdp-loader: $(tail -n 2 "$tmpdir/loader")"
	has other_pass && has xdp_steer
	check_err $? "not both: $(on_rcv xdp-loader status $dev)"
	on_rcv $sluice load $dev cpus 0-1 > "$tmpdir/out" 2>&1
	check_err $? "not adopted: $(cat "$tmpdir/out")"
	grep -q "native through a libxdp dispatcher" "$tmpdir/out"
	check_err $? "said: $(cat "$tmpdir/out")"
	before=$(delivered)
	pings
	check_err $? "no answers: $(cat "$tmpdir/ping")"
	busywait 3000 more_delivered "$before"
	check_err $? "nothing went through the cpumap"
}

# A dispatcher is replaced whenever a program comes or goes; ours keeps its tables.
test_another_comes()
{
	local before id
	id=$(id_of xdp_steer)

	before=$(delivered)
	add $other other_pass
	check_err $? "xdp-loader: $(tail -n 2 "$tmpdir/loader")"
	[ "$(id_of xdp_steer)" = "$id" ]
	check_err $? "ours was loaded anew: $(id_of xdp_steer) instead of $id"
	pings
	busywait 3000 more_delivered "$before"
	check_err $? "steering stopped when the dispatcher was replaced"
}

test_daemon()
{
	write_conf <<-END
	[steer]
	interfaces = $dev
	cpus = 0-1
	END
	daemon_start in_ns rcv
	check_err $? "no answer: $(tail -n 3 "$log")"
	busywait 10000 said "that was there (native mode, called by a libxdp dispatcher)"
	check_err $? "not adopted: $(cat "$log")"
	daemon_stop "$daemon"
	check_err $? "exit status $?"
	has other_pass && has xdp_steer
	check_err $? "the daemon took a program away: $(on_rcv xdp-loader status $dev)"
}

test_unload()
{
	local id
	id=$(id_of xdp_steer)

	sluice_fails unload $dev
	check_err $? "unloaded through the dispatcher"
	grep -q "xdp-loader unload $dev --id $id" "$tmpdir/out"
	check_err $? "said: $(cat "$tmpdir/out")"
	has other_pass && has xdp_steer
	check_err $? "a refused unload took a program away"
	on_rcv xdp-loader unload $dev --id "$id" > "$tmpdir/loader" 2>&1
	check_err $? "the advice does not work: $(tail -n 2 "$tmpdir/loader")"
	on_rcv $sluice unload $dev
	check_err $? "the pins stay"
	has other_pass
	check_err $? "other_pass went with ours"
	has xdp_steer
	check_fail $? "ours is still there"
	pings
	check_err $? "no answers: $(cat "$tmpdir/ping")"
}

# Pins outlive the dispatcher, and what they hold cannot be attached to an interface.
test_left_pins()
{
	add $ours xdp_steer && on_rcv $sluice load $dev > "$tmpdir/out" 2>&1
	check_err $? "not adopted: $(cat "$tmpdir/out")"
	on_rcv xdp-loader unload $dev --all > "$tmpdir/loader" 2>&1
	sluice_fails load $dev && grep -q "sluice unload $dev" "$tmpdir/out"
	check_err $? "said: $(cat "$tmpdir/out")"
	on_rcv $sluice unload $dev && on_rcv $sluice load $dev > "$tmpdir/out" 2>&1
	check_err $? "the advice does not work: $(cat "$tmpdir/out")"
	grep -q "native, section" "$tmpdir/out"
	check_err $? "said: $(cat "$tmpdir/out")"
}

run_test test_foreign_dispatcher "a dispatcher without our program is left alone"
run_test test_adopt "our program beside another one is adopted, and steers"
run_test test_another_comes "another program comes: ours keeps its tables"
run_test test_daemon "the daemon adopts it, and leaves both behind"
run_test test_unload "unload refuses, its advice removes ours alone"
run_test test_left_pins "pins that a dispatcher left are named, with what to do"
tap_end
