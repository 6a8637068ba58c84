#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=400
#
# "sluice replay": every packet of a capture is accounted for, bad files are refused, and the
# system is left as it was. The captures made here are hexadecimal, so that they need no tool.

. "$(dirname "$0")/../lib.sh"
require_root
require_tool bpftool
require_build build/sluice

sluice=build/sluice
pcaps=../shared/data/pcaps

# Hexadecimal digits (blanks are ignored) to bytes.
hex()
{
	printf "$(tr -d ' \n\t' | sed 's/../\\x&/g')"
}

# Headers of a capture of link type $1 (hexadecimal, one byte) and of a packet of $1 bytes.
file_header() { echo "d4c3b2a1 0200 0400 00000000 00000000 00000400 $1000000"; }
packet_header() { printf '00000000 00000000 %02x000000 %02x000000' "$1" "$1"; }
ether="020000000002 020000000001"
ip_udp="4500001c 00000000 40110000 0a000001 0a000002 1111 2222 0008 0000"	# 28 bytes
back="4500001c 00000000 40110000 0a000002 0a000001 2222 1111 0008 0000"

# sum_json: "packets steered passed in_flows bytes_in_flows flows" of a replay's JSON.
sum_json()
{
	awk '{ sub(",$", "") }
		/^  "packets"/ { packets = $2 }
		/^  "steered"/ { steered = $2 }
		/^  "passed": {$/ { inside = 1; next }
		inside && /^  }/ { inside = 0 }
		inside { passed += $2 }
		/^      "packets"/ { in_flows += $2; flows++ }
		/^      "bytes"/ { bytes += $2 }
		END { print packets + 0, steered + 0, passed + 0, in_flows + 0, bytes + 0, flows + 0 }'
}

# check_sums FILE [inside TUNNELS]: sets $sums.
check_sums()
{
	$sluice replay "$@" -j > "$tmpdir/out.json" 2> "$tmpdir/err"
	check_err $? "$1: $(cat "$tmpdir/err")"
	check_output "$1"
}

check_output()	# of FILE
{
	local packets steered passed in_flows

	sums=$(sum_json < "$tmpdir/out.json")
	read -r packets steered passed in_flows _ <<< "$sums"
	[ $((steered + passed)) = "$packets" ] && [ "$in_flows" = "$steered" ]
	check_err $? "$1: $packets packets, $steered steered, $passed passed, $in_flows in flows"
}

test_small()
{
	{
		file_header 01
		packet_header 42; echo "$ether 0800 $ip_udp"
		packet_header 42; echo "$ether 0800 $back"
		packet_header 42; echo "$ether 0800 $ip_udp"
		packet_header 10; echo "02000000000202000000"
		packet_header 14; echo "$ether 0806"
	} | hex > "$tmpdir/small.pcap"
	check_sums "$tmpdir/small.pcap"
	[ "$sums" = "5 3 2 3 126 2" ]; check_err $? "counts are $sums"
	grep -q '"truncated": 1' "$tmpdir/out.json"; check_err $? "a frame of 10 bytes: no truncated"
	grep -q '"not_ip": 1' "$tmpdir/out.json"; check_err $? "ARP: no not_ip"
	[ "$(grep -c '"cpu"' "$tmpdir/out.json")" = 2 ] &&
		[ "$(grep '"cpu"' "$tmpdir/out.json" | sort -u | wc -l)" = 1 ]
	check_err $? "both directions are not on one CPU"
	$sluice replay "$tmpdir/small.pcap" | grep -q '^5 packets, 3 steered in 2 flows$'
	check_err $? "the text says otherwise"
}

test_raw_ip()
{
	{
		file_header 65		# LINKTYPE_RAW
		packet_header 28; echo "$ip_udp"
	} | hex > "$tmpdir/raw.pcap"
	check_sums "$tmpdir/raw.pcap"
	[ "$sums" = "1 1 0 1 28 1" ]; check_err $? "counts are $sums, bytes are not as captured"
	{
		file_header 71		# LINKTYPE_LINUX_SLL
		packet_header 44; echo "0000 0001 0006 0200000000010000 0800 $ip_udp"
		packet_header 10; echo "00000001000602000000"
	} | hex > "$tmpdir/sll.pcap"
	check_sums "$tmpdir/sll.pcap"
	[ "$sums" = "2 1 1 1 44 1" ]; check_err $? "counts are $sums for cooked frames"
}

# Frames beyond one page go through xdp.frags; what no test run takes has a name.
test_large_frames()
{
	local bytes payload

	for bytes in 2048 2049 9000 65535 100000; do
		payload=$((bytes - 42))
		{
			file_header 01 | hex
			printf '00000000 00000000 %02x%02x%02x00 %02x%02x%02x00' \
				$((bytes & 255)) $((bytes >> 8 & 255)) $((bytes >> 16)) \
				$((bytes & 255)) $((bytes >> 8 & 255)) $((bytes >> 16)) |
				hex
			echo "$ether 0800 $ip_udp" | hex
			head -c $payload /dev/zero
		} > "$tmpdir/large.pcap"
		check_sums "$tmpdir/large.pcap"
		if [ $bytes = 100000 ]; then
			grep -q '"oversize": 1' "$tmpdir/out.json"
			check_err $? "$bytes bytes: $sums, not oversize"
		else
			[ "$sums" = "1 1 0 1 $bytes 1" ]; check_err $? "$bytes bytes: $sums"
		fi
	done
}

# refused FILE PATTERN: status 1, nothing on stdout, and a sentence.
refused()
{
	local out status

	out=$($sluice -j replay "$1" 2> "$tmpdir/err")
	status=$?
	[ $status = 1 ] && [ -z "$out" ]; check_err $? "$1: status $status, output '$out'"
	[[ $(cat "$tmpdir/err") == "sluice: "*$2* ]]; check_err $? "$1: $(cat "$tmpdir/err")"
	[ "$(wc -l < "$tmpdir/err")" = 1 ]; check_err $? "$1: more than one line"
}

test_bad_files()
{
	head -c 90 "$tmpdir/small.pcap" > "$tmpdir/cut.pcap"
	refused "$tmpdir/cut.pcap" "cut.pcap is damaged"
	head -c 10 "$tmpdir/small.pcap" > "$tmpdir/head.pcap"
	refused "$tmpdir/head.pcap" head.pcap
	: > "$tmpdir/empty.pcap"
	refused "$tmpdir/empty.pcap" empty.pcap
	echo "this is no capture, it is a text of some length" > "$tmpdir/text.pcap"
	refused "$tmpdir/text.pcap" text.pcap
	refused "$tmpdir/none.pcap" none.pcap
	refused "$tmpdir" "$tmpdir"
	file_header 69 | hex > "$tmpdir/wifi.pcap"	# LINKTYPE_IEEE802_11
	refused "$tmpdir/wifi.pcap" "link type IEEE802_11"
	$sluice replay 2> /dev/null; [ $? = 2 ]; check_err $? "no file: not a usage error"
}

# The same packets in GRE, and one that is cut there: with the switch, their flows and the tunnel's.
test_inside()
{
	local gre="45000034 00000000 402f0000 c0000201 c0000202 0000 0800" out

	{
		file_header 01
		packet_header 66; echo "$ether 0800 $gre $ip_udp"
		packet_header 66; echo "$ether 0800 $gre $back"
		packet_header 65; echo "$ether 0800 $gre" "${ip_udp% 0000} 00"
	} | hex > "$tmpdir/gre.pcap"
	check_sums "$tmpdir/gre.pcap"
	[ "$sums" = "3 3 0 3 197 1" ]; check_err $? "without the switch, counts are $sums"
	check_sums "$tmpdir/gre.pcap" inside gtpu,ipip
	[ "$sums" = "3 3 0 3 197 1" ]; check_err $? "with other tunnels, counts are $sums"
	check_sums "$tmpdir/gre.pcap" inside vxlan,gre
	[ "$sums" = "3 3 0 3 197 3" ]; check_err $? "with the switch, counts are $sums"
	[ "$(grep -c '"saddr": "10.0.0.[12]"' "$tmpdir/out.json")" = 2 ]
	check_err $? "the flows inside are missing"
	out=$($sluice replay "$tmpdir/gre.pcap" inside gree 2>&1)
	[ $? = 2 ] && [[ $out == "sluice: 'gree' is not a tunnel that can be looked into; "* ]]
	check_err $? "an unknown tunnel: $out"
}

test_no_packets()
{
	file_header 01 | hex > "$tmpdir/nothing.pcap"
	check_sums "$tmpdir/nothing.pcap"
	[ "$sums" = "0 0 0 0 0 0" ]; check_err $? "counts are $sums"
}

our_objects()
{
	bpftool "$1" show | grep -cE 'name (xdp_steer|cpu_deliver|steer_ctl|\.rodata\.sluice)'
}

test_no_trace()
{
	local progs maps

	progs=$(our_objects prog)
	maps=$(our_objects map)
	$sluice replay "$tmpdir/small.pcap" > /dev/null; check_err $? "replay"
	busywait 3000 same_objects "$progs" "$maps"
	check_err $? "programs or maps are left"
}
same_objects() { [ "$(our_objects prog)" -le "$1" ] && [ "$(our_objects map)" -le "$2" ]; }

test_mix()
{
	local packets

	check_sums $pcaps/mix-shared.pcap
	read -r packets _ <<< "$sums"
	[ "$packets" = 60205 ]; check_err $? "$packets of 60205 packets"
}

# Every capture of the manifest, which knows how many packets there are: all link types that we map,
# malformed packets included. A file is refused for its link type and for nothing else.
test_manifest()
{
	local file expected packets tested=0 refused=0

	while IFS=$'\t' read -r file _ expected _; do
		[ -e "$pcaps/$file" ] || continue
		if ! $sluice replay -j "$pcaps/$file" > "$tmpdir/out.json" 2> "$tmpdir/err"; then
			grep -q 'has link type' "$tmpdir/err"
			check_err $? "$file: $(cat "$tmpdir/err")"
			refused=$((refused + 1))
			continue
		fi
		check_output "$file"
		read -r packets _ <<< "$sums"
		[ "$packets" = "$expected" ]; check_err $? "$file: $packets of $expected packets"
		tested=$((tested + 1))
	done < <(tail -n +2 $pcaps/MANIFEST.tsv)
	diag "$tested captures, $refused of a link type that is not mapped"
	[ $tested -ge 500 ]; check_err $? "only $tested captures could be read"
}

# Where our flows are not nDPI's, and why: flows that are equal, differ in bytes only, differ in
# packets, are only ours, are only theirs (see oracle.awk, which prints which they are).
#	tunnel		nDPI looks inside of GRE, IPIP, 6in4, VXLAN, GTP-U, CAPWAP; we key the tunnel,
#			unless told otherwise (see below)
#	icmp		we count an ICMP error with the flow it quotes, nDPI as a flow of its own
#	fragments	ours are a flow without ports; nDPI gives those it can to the first one's flow
#			and leaves out others
#	damaged		random bytes were changed: nDPI leaves packets out whose lengths do not agree
#			with the frame, and what looks like fragments; it takes some headers we refuse
oracle_differs="
4in4tunnel.pcap			0 0 0 1 1	tunnel
6in4tunnel.pcap			0 0 0 1 10	tunnel
capwap.pcap			4 0 1 0 5	tunnel
dns_fragmented.pcap		14 0 7 7 0	fragments
fuzz-2006-06-26-2594.pcap	228 0 12 21 1	damaged
gre.pcapng			0 0 0 1 1	tunnel
ip_fragmented_garbage.pcap	0 0 1 0 0	fragments
stun_signal.pcapng		9 0 12 0 2	icmp
syslog.pcap			20 0 0 2 1	tunnel
teams.pcap			81 0 1 0 1	icmp
vxlan.pcap			0 0 0 9 4	tunnel
wa_voice.pcap			26 0 1 0 1	icmp
zoom.pcap			29 0 2 1 3	tunnel, icmp
"

# The same with "inside" all that there is. What is not nDPI's then:
#	icmp		as above, now inside
#	pptp		GRE version 1 with PPP is not looked into
#	capwap		nor is that
oracle_inside="
4in4tunnel.pcap			1 0 0 0 0
6in4tunnel.pcap			7 0 1 1 2	icmp
capwap.pcap			4 0 1 0 5	capwap
gre.pcapng			0 0 0 1 1	pptp
gtp_c.pcap			1 0 0 0 0
syslog.pcap			21 0 0 0 0
vxlan.pcap			4 0 0 0 0
zoom.pcap			30 0 2 0 2	icmp
"

# compare_flows CAPTURE [inside TUNNELS]: sets $counts, of oracle.awk.
compare_flows()
{
	$sluice replay -j "$@" > "$tmpdir/out.json" 2> "$tmpdir/err"
	check_err $? "$1: $(cat "$tmpdir/err")"
	awk -f selftests/bpf/oracle.awk "$tmpdir/out.json" "$1.out" > "$tmpdir/cmp"
	counts=$(head -n 1 "$tmpdir/cmp")
}

# expected_of CAPTURE TABLE
expected_of() { awk -v name="${1##*/}" '$1 == name { print $2, $3, $4, $5, $6 }' <<< "$2"; }

test_oracle()
{
	local out file counts same=0 equal=0 total=0 expected

	for out in $pcaps/ndpi/*.out; do
		file=${out%.out}
		compare_flows "$file"
		expected=$(expected_of "$file" "$oracle_differs")
		if [ -z "$expected" ]; then
			[[ $counts =~ ^[1-9][0-9]*\ 0\ 0\ 0\ 0$ ]]
			check_err $? "${file##*/}: $(cat "$tmpdir/cmp")"
			equal=$((equal + 1))
		else
			[ "$counts" = "$expected" ]
			check_err $? "${file##*/}, expected $expected: $(cat "$tmpdir/cmp")"
		fi
		same=$((same + ${counts%% *}))
		total=$((total + 1))
	done
	diag "$equal of $total captures have the same flows, packets and bytes; $same flows in all"
	[ $total -ge 40 ]; check_err $? "only $total captures have an oracle"
}

test_oracle_inside()
{
	local name counts expected

	for name in $(awk '{ print $1 }' <<< "$oracle_inside"); do
		compare_flows "$pcaps/ndpi/$name" inside gre,ipip,vxlan,geneve,gtpu
		expected=$(expected_of "$name" "$oracle_inside")
		[ "$counts" = "$expected" ]
		check_err $? "$name, expected $expected: $(cat "$tmpdir/cmp")"
	done
}

run_test test_small "a small capture, packet by packet"
run_test test_raw_ip "raw IP and cooked captures; bytes are those captured"
run_test test_large_frames "large frames go through xdp.frags"
run_test test_bad_files "damaged and foreign files are refused with a sentence"
run_test test_inside "flows inside of a tunnel, where told to look"
run_test test_no_packets "a capture without packets"
run_test test_no_trace "nothing is left on the system"
if [ -e $pcaps/mix-shared.pcap ]; then
	run_test test_mix "mix-shared.pcap: steered + passed = packets"
	run_test test_manifest "every capture of the manifest: no packet is missing"
	run_test test_oracle "flows, packets and bytes are nDPI's, but for known differences"
	run_test test_oracle_inside "looking inside of tunnels: the flows are nDPI's, too"
else
	tap_skip "mix-shared.pcap: steered + passed = packets" "no $pcaps"
	tap_skip "every capture of the manifest: no packet is missing" "no $pcaps"
	tap_skip "flows, packets and bytes are nDPI's, but for known differences" "no $pcaps"
	tap_skip "looking inside of tunnels: the flows are nDPI's, too" "no $pcaps"
fi
tap_end
