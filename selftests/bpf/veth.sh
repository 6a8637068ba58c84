#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=120
#
# Loading, adopting, unloading, and real traffic through the cpumap, natively.
#
#	+--------- cli ---------+          +--------- srv ----------+
#	| c0 10.9.0.1/24        |----------| s0 10.9.0.2/24         |
#	+-----------------------+          |    xdp_steer -> cpumap |
#	                                   +------------------------+

. "$(dirname "$0")/../lib.sh"
require_root
require_tool ip tc ethtool bpftool busybox clang gcc
require_build build/sluice build/xdp_steer.bpf.o
ensure_bpffs

sluice=build/sluice
ns_create cli srv
veth_pair cli c0 10.9.0.1/24 srv s0 10.9.0.2/24 || skip_all "cannot make a veth pair"
defer in_ns srv $sluice unload s0

on_srv() { in_ns srv "$@"; }
pings() { in_ns cli ping -c 3 -i 0.05 -W 1 -q 10.9.0.2 > /dev/null; }

# The pins of s0: the namespace's cookie is in the name, which only sluice knows.
pin_dir()
{
	local d

	for d in /sys/fs/bpf/sluice/*-s0; do
		[ ! -e "$d/abi" ] || [ -n "${pins_before[$d]:-}" ] || echo "$d"
	done
}
declare -A pins_before
for d in /sys/fs/bpf/sluice/*-s0; do pins_before[$d]=1; done

xdp_id() { on_srv ip -d link show s0 | sed -n 's|.*prog/xdp id \([0-9]*\) .*|\1|p'; }

# cpu_field KEY: its sum over CPUs in "cpu show" (JSON, one key a line).
cpu_field()
{
	on_srv $sluice -j cpu show s0 | awk -v key="\"$1\":" '$1 == key { sub(",", "", $2); n += $2 }
		END { print n + 0 }'
}
cpu_text() { on_srv $sluice -j cpu show s0 | sed -n "s/^ *\"$1\": \"\(.*\)\",*/\1/p" | sort -u; }

# transfer BYTES: a TCP connection from cli to srv that carries that many; prints what arrived.
transfer()
{
	local port=$((10000 + RANDOM % 20000)) got=$tmpdir/got server

	start in_ns srv busybox nc -l -p "$port" > "$got"
	server=$pid
	busywait 3000 listening "$port" > /dev/null || { echo "no listener"; return 1; }
	in_ns cli timeout 20 bash -c "head -c $1 /dev/zero > /dev/tcp/10.9.0.2/$port" || return 1
	busywait 5000 pid_gone "$server"
	stat -c %s "$got"
}
listening() { on_srv ss -Hltn "sport = :$1" | grep -q .; }

test_checksum_trap()
{
	local out

	in_ns cli ethtool -K c0 tx on > /dev/null
	out=$(on_srv $sluice load s0 2>&1)
	[ $? = 1 ]; check_err $? "load was not refused with status 1"
	[[ $out == *"c0, the peer of veth s0"*"ethtool -K c0 tx off"* ]]
	check_err $? "the reason does not name the peer and the remedy: $out"
	[ -z "$(xdp_id)" ] && [ -z "$(pin_dir)" ]; check_err $? "a refused load left something"

	on_srv $sluice load s0 --force > /dev/null; check_err $? "--force did not load"
	on_srv $sluice unload s0; check_err $? "unload"
	in_ns cli ethtool -K c0 tx off > /dev/null
}

test_bad_input()
{
	local out status

	out=$(on_srv $sluice load nosuch0 2>&1); status=$?
	[ $status = 1 ] && [[ $out == "sluice: "*nosuch0* ]]
	check_err $? "unknown interface: status $status, $out"
	out=$(on_srv $sluice load s0 cpus 9-1 2>&1); status=$?
	[ $status = 1 ] && [[ $out == *"9-1"* ]]; check_err $? "CPU list: status $status, $out"
	out=$(on_srv $sluice load s0 cpus 127 2>&1); status=$?
	[ $status = 1 ] && [[ $out == *"CPU 127"* ]]; check_err $? "no such CPU: $status, $out"
	out=$(on_srv $sluice load s0 frobnicate 2>&1); status=$?
	[ $status = 2 ] && [[ $out == *usage* ]]; check_err $? "usage: status $status, $out"
	out=$(on_srv $sluice load s0 inside gre,vxlans 2>&1); status=$?
	[ $status = 2 ] && [[ $out == *"'vxlans' is not a tunnel"* ]]
	check_err $? "unknown tunnel: status $status, $out"
	out=$(on_srv $sluice unload s0 2>&1); status=$?
	[ $status = 1 ]; check_err $? "unload of nothing: status $status, $out"
	[ -z "$(xdp_id)" ] && [ -z "$(pin_dir)" ]; check_err $? "a refusal left something behind"
}

test_no_bpffs()
{
	local out

	out=$(on_srv unshare --mount sh -c "umount -l /sys/fs/bpf; $sluice load s0" 2>&1)
	[ $? = 1 ] && [[ $out == *"mount -t bpf bpf /sys/fs/bpf"* ]]
	check_err $? "no remedy named: $out"
}

looks_inside() { bpftool map dump pinned "$(pin_dir)/config" | grep -q "\"inside\": $1,\?\$"; }

# The ring holds more than a TCP window, so that it never overflows in what follows.
test_load()
{
	local out

	out=$(on_srv $sluice load s0 qsize 8192 inside gtpu,gre); check_err $? "load failed"
	[[ $out == *native*"inside of gre,gtpu,"* ]]
	check_err $? "not native, or not inside of what was asked for: $out"
	looks_inside 17; check_err $? "the bits of GRE and GTP-U are not in the configuration"
	[ -n "$(xdp_id)" ] && [ -n "$(pin_dir)" ]; check_err $? "no program or no pins"
	pings; check_err $? "no ping"
}

test_tcp()
{
	local sent delivered got

	got=$(transfer 20000000); check_err $? "transfer: $got"
	[ "$got" = 20000000 ]; check_err $? "$got of 20000000 bytes arrived"
	sent=$(cpu_field sent_packets)
	[ "$sent" -gt 1000 ]; check_err $? "only $sent packets were steered"
	busywait 2000 all_delivered; check_err $? "sent $sent, delivered less"
}
all_delivered() { [ "$(cpu_field sent_packets)" = "$(cpu_field delivered_packets)" ]; }

test_wait_measured()
{
	[ "$(cpu_field wait_samples)" -gt 0 ]; check_err $? "no wait was measured natively"
	[[ $(cpu_text wait) == *measured* ]]; check_err $? "wait is '$(cpu_text wait)'"
	[[ $(cpu_text wait) != *"not measurable"* ]]; check_err $? "not measurable"
}

# A tc program behind the cpumap drops what still has metadata: there must be nothing to drop.
test_metadata_removed()
{
	local got dropped

	cat > "$tmpdir/meta.c" <<-END
		#include <linux/bpf.h>
		__attribute__((section("tc"), used)) int left(struct __sk_buff *skb)
		{
			return skb->data_meta < skb->data ? 2 : 0;
		}
		char _license[] __attribute__((section("license"), used)) = "GPL";
	END
	clang -O2 -g -target bpf -isystem "/usr/include/$(gcc -print-multiarch)" \
		-c "$tmpdir/meta.c" -o "$tmpdir/meta.o"
	on_srv tc qdisc add dev s0 clsact
	on_srv tc filter add dev s0 ingress bpf da obj "$tmpdir/meta.o" sec tc
	check_err $? "cannot attach the tc program"
	got=$(transfer 5000000)
	[ "$got" = 5000000 ]; check_err $? "$got of 5000000 bytes arrived"
	dropped=$(on_srv tc -s qdisc show dev s0 clsact | sed -n 's/.*dropped \([0-9]*\),.*/\1/p')
	[ "$dropped" = 0 ]; check_err $? "$dropped packets still had metadata"
	on_srv tc qdisc del dev s0 clsact
}

test_dumps_have_names()
{
	local dir name field

	dir=$(pin_dir)
	on_srv $sluice flow set s0 tcp 10.9.0.1:1 10.9.0.2:2 cpu 0
	check_err $? "flow set"
	while read -r name field; do
		bpftool map dump pinned "$dir/$name" | grep -q "\"$field\":"
		check_err $? "the dump of $name does not name $field"
	done <<-END
		abi magic
		config sample_mask
		control expires_jiffies
		flows4 saddr
		flows4 generation
		buckets learned_cpu
		bucket_state cpu1
		sent bytes
		passed packets
		steer_stats moves_completed
		deliver wait_hist
	END
	on_srv $sluice flow show s0 | grep -q '^tcp 10.9.0.1:1 10.9.0.2:2 cpu 0 operator packets 0'
	check_err $? "flow show"
	on_srv $sluice flow del s0 tcp 10.9.0.1:1 10.9.0.2:2; check_err $? "flow del"
	on_srv $sluice flow del s0 tcp 10.9.0.1:1 10.9.0.2:2 2> /dev/null
	check_fail $? "a flow could be deleted twice"
}

test_load_again_retargets()
{
	local id got

	bpftool map dump pinned "$(pin_dir)/buckets" | grep -q '"cpu": 1,'
	check_err $? "no bucket of CPU 1 to begin with"
	id=$(xdp_id)
	on_srv $sluice load s0 cpus 0 > /dev/null; check_err $? "load again"
	[ "$(xdp_id)" = "$id" ]; check_err $? "the program was replaced"
	looks_inside 17; check_err $? "tunnels are forgotten though none were named"
	on_srv $sluice load s0 cpus 0 inside none > /dev/null; check_err $? "load again, inside none"
	looks_inside 0; check_err $? "tunnels are still looked into"
	bpftool map dump pinned "$(pin_dir)/buckets" | grep -q '"cpu": 1,'
	check_fail $? "a bucket still has CPU 1"
	got=$(transfer 1000000)
	[ "$got" = 1000000 ]; check_err $? "$got of 1000000 bytes arrived"
}

test_unload()
{
	on_srv $sluice unload s0; check_err $? "unload"
	[ -z "$(xdp_id)" ] && [ -z "$(pin_dir)" ]; check_err $? "program or pins are still there"
	pings; check_err $? "no ping after unload"
}

# As an operator would, with iproute2 alone: everything passes.
test_ip_link_obj()
{
	local got

	on_srv ip link set dev s0 xdp obj build/xdp_steer.bpf.o sec xdp
	check_err $? "ip link set xdp obj"
	pings; check_err $? "no ping"
	got=$(transfer 1000000)
	[ "$got" = 1000000 ]; check_err $? "$got of 1000000 bytes arrived"
}

test_adopt_operators()
{
	local id got

	id=$(xdp_id)
	on_srv $sluice cpu show s0 > /dev/null; check_err $? "cannot be adopted"
	[ -n "$(pin_dir)" ]; check_err $? "adoption pinned nothing"
	on_srv $sluice load s0 > /dev/null; check_err $? "targets could not be set"
	[ "$(xdp_id)" = "$id" ]; check_err $? "the operator's program was replaced"
	got=$(transfer 1000000)
	[ "$got" = 1000000 ]; check_err $? "$got of 1000000 bytes arrived"
	[ "$(cpu_field delivered_packets)" -gt 0 ]; check_err $? "nothing was steered"
	on_srv $sluice unload s0; check_err $? "unload"
}

test_pinned_attach()
{
	local got dir

	on_srv $sluice load s0 --no-attach > /dev/null; check_err $? "load --no-attach"
	[ -z "$(xdp_id)" ]; check_err $? "it was attached"
	dir=$(pin_dir)
	on_srv ip link set dev s0 xdp pinned "$dir/xdp_steer"; check_err $? "ip link xdp pinned"
	got=$(transfer 1000000)
	[ "$got" = 1000000 ]; check_err $? "$got of 1000000 bytes arrived"
	[ "$(cpu_field delivered_packets)" -gt 0 ]; check_err $? "nothing was steered"
	on_srv ip link set dev s0 xdp off
	on_srv $sluice load s0 > /dev/null; check_err $? "load of what is pinned"
	[ -n "$(xdp_id)" ]; check_err $? "it was not attached"
	on_srv $sluice unload s0; check_err $? "unload"
}

test_foreign_untouched()
{
	local id out verb

	cat > "$tmpdir/foreign.c" <<-END
		__attribute__((section("xdp"), used)) int foreign(void *ctx) { return 2; }
		char _license[] __attribute__((section("license"), used)) = "GPL";
	END
	clang -O2 -g -target bpf -c "$tmpdir/foreign.c" -o "$tmpdir/foreign.o"
	on_srv ip link set dev s0 xdp obj "$tmpdir/foreign.o" sec xdp
	check_err $? "cannot attach a foreign program"
	id=$(xdp_id)
	for verb in load unload "cpu show"; do
		out=$(on_srv $sluice $verb s0 2>&1)
		[ $? = 1 ]; check_err $? "$verb did not fail: $out"
		[[ $out == *"not ours"* ]]; check_err $? "$verb: no reason: $out"
		[ "$(xdp_id)" = "$id" ]; check_err $? "$verb touched the foreign program"
	done
	[ -z "$(pin_dir)" ]; check_err $? "pins were left"
	on_srv ip link set dev s0 xdp off
}

test_generic()
{
	local got

	on_srv $sluice load s0 generic > /dev/null; check_err $? "load generic"
	got=$(transfer 1000000)
	[ "$got" = 1000000 ]; check_err $? "$got of 1000000 bytes arrived"
	[ "$(cpu_field sent_packets)" -gt 100 ]; check_err $? "nothing was steered"
	[[ $(cpu_text wait) == *"not measurable"* ]]
	check_err $? "wait under generic XDP is '$(cpu_text wait)'"
	[ "$(cpu_field wait_samples)" = 0 ]; check_err $? "samples from nowhere"
	on_srv $sluice unload s0; check_err $? "unload"
}

test_jumbo()
{
	local got out

	in_ns cli ip link set c0 mtu 9000
	on_srv ip link set s0 mtu 9000
	out=$(on_srv $sluice load s0 native 2>&1); check_err $? "load at MTU 9000: $out"
	[[ $out == *xdp.frags* ]]; check_err $? "not the jumbo variant: $out"
	[ -e "$(pin_dir)/xdp_steer_frags" ]; check_err $? "the pin has another name"
	got=$(transfer 20000000)
	[ "$got" = 20000000 ]; check_err $? "$got of 20000000 bytes arrived"
	[ "$(cpu_field sent_packets)" -gt 100 ]; check_err $? "nothing was steered"
	[ "$(cpu_field wait_samples)" -gt 0 ]; check_err $? "no wait was measured"
	on_srv $sluice unload s0; check_err $? "unload"
	in_ns cli ip link set c0 mtu 1500
	on_srv ip link set s0 mtu 1500
}

run_test test_checksum_trap "cpumap refused while the veth peer offloads TX checksums"
run_test test_bad_input "bad input is refused with a sentence and leaves nothing"
run_test test_no_bpffs "a missing bpffs is named with its remedy"
run_test test_load "load attaches natively and pins"
run_test test_tcp "TCP goes through the cpumap, every packet delivered"
run_test test_wait_measured "waits are measured natively"
run_test test_metadata_removed "cpu_deliver takes the metadata off"
run_test test_dumps_have_names "bpftool dumps of pins name their fields"
if [ "$(nproc)" -gt 1 ]; then
	run_test test_load_again_retargets "a second load changes targets, not the program"
else
	tap_skip "a second load changes targets, not the program" "needs two CPUs"
fi
run_test test_unload "unload removes program and pins"
run_test test_ip_link_obj "ip link xdp obj passes traffic untouched"
run_test test_adopt_operators "an operator's program is adopted, not replaced"
run_test test_pinned_attach "ip link xdp pinned after load --no-attach"
run_test test_foreign_untouched "a foreign program stays"
run_test test_generic "generic XDP steers; waits are not measurable"
run_test test_jumbo "MTU 9000 uses xdp.frags"
tap_end
