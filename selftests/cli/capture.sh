#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=300
#
# "sluice capture anonymise": nothing of payload and addresses is left, what the XDP program makes
# of the capture is the same, and a file is there as a whole or not at all.

. "$(dirname "$0")/../lib.sh"
require_root
require_tool jq
require_build build/sluice
sluice=build/sluice
pcaps=../shared/data/pcaps
all="gre,ipip,vxlan,geneve,gtpu"

hex()
{
	printf "$(tr -d ' \n\t' | sed 's/../\\x&/g')"
}

# file_header TYPE [MAGIC]; record: the packet's hexadecimal digits on stdin.
file_header() { echo "${2:-d4c3b2a1} 0200 0400 00000000 00000000 00000400 $1000000"; }
record()
{
	local data bytes

	data=$(tr -d ' \n\t')
	bytes=$(printf %02x $((${#data} / 2)))
	echo "15cd5b07 2a000000 ${bytes}000000 ${bytes}000000 $data"
}

secret="53656372657420746578742c20313030"	# "Secret text, 100"
macs="0a1122334455 0a5544332211"
udp="4500002c 00004000 4011 0000 c6336407 cb007109 3039 0035 0018 0000 $secret"

small()
{
	file_header 01 "$@"
	record <<< "$macs 0800 $udp"
	record <<< "$macs 0806 0001 0800 0604 0001 0a5544332211 c6336407 000000000000 cb007109"
	record <<< "$macs 0800 45000040 00000000 402f 0000 cb007109 c6336407 0000 0800 $udp"
	record <<< "$macs 88b5 $secret"
	record <<< "0a1122"
}

# lacks FILE HEX...: none of the byte strings is in the file.
lacks()
{
	local file=$1 bytes text

	text=$(od -An -v -tx1 "$file" | tr -d ' \n')
	shift
	for bytes in "$@"; do
		[[ $text != *$bytes* ]]; check_err $? "$bytes is still there"
	done
}

# What replay says, without addresses and CPUs, in the order of flows.
shape()
{
	$sluice -j replay "$@" | jq -c '.flows = [.flows[] | del(.saddr, .daddr, .cpu)]'
}

# same_shape IN OUT [inside TUNNELS]
same_shape()
{
	local in=$1 out=$2

	shift 2
	[ "$(shape "$in" "$@")" = "$(shape "$out" "$@")" ]
	check_err $? "$in: replay makes something else of it $*"
}

test_small()
{
	local out=$tmpdir/small.out

	small | hex > "$tmpdir/small.pcap"
	$sluice -j capture anonymise "$tmpdir/small.pcap" "$out" key "$tmpdir/key" > "$tmpdir/json"
	check_err $? "anonymise"
	jq -e '.packets == 5 and .whole == 2 and .cut == {"not_ip": 2, "truncated": 1} and
	       .key == "made" and .bytes_in > .bytes_out' "$tmpdir/json" > /dev/null
	check_err $? "$(cat "$tmpdir/json")"
	lacks "$out" "$secret" c6336407 cb007109 0a1122334455 0a5544332211 "$(cat "$tmpdir/key")"
	same_shape "$tmpdir/small.pcap" "$out"
	same_shape "$tmpdir/small.pcap" "$out" inside $all
	[ "$(stat -c %a "$tmpdir/key")" = 600 ]; check_err $? "the key may be read by others"
	# Record headers: time, what is left, and the length that there was.
	[ "$(od -An -tx1 -j24 -N16 "$out" | tr -d ' \n')" = 15cd5b072a0000002a0000003a000000 ]
	check_err $? "the first record is $(od -An -tx1 -j24 -N16 "$out")"
}

test_keys()
{
	local in=$tmpdir/small.pcap

	$sluice capture anonymise "$in" "$tmpdir/again" key "$tmpdir/key" > "$tmpdir/text"
	cmp -s "$tmpdir/again" "$tmpdir/small.out"; check_err $? "the same key gives another file"
	$sluice capture anonymise "$in" "$tmpdir/random1" > "$tmpdir/text"
	grep -q '^the key was random' "$tmpdir/text"; check_err $? "$(cat "$tmpdir/text")"
	$sluice capture anonymise "$in" "$tmpdir/random2" > /dev/null
	! cmp -s "$tmpdir/random1" "$tmpdir/random2" && ! cmp -s "$tmpdir/random1" "$tmpdir/again"
	check_err $? "a random key is none"
}

# Cooked and raw headers stay, but for the address; time stamps keep their precision.
test_link_types()
{
	{ file_header 65; record <<< "$udp"; } | hex > "$tmpdir/raw.pcap"
	{
		file_header 71
		record <<< "0000 0001 0006 0a11223344550000 0800 $udp"
		record <<< "0000 0001 0006 0a1122"
	} | hex > "$tmpdir/sll.pcap"
	{ file_header 14; record <<< "0800 0000 00000002 0001 00 06 0a11223344550000 $udp"; } | hex |
		sed 's/\x14\x00\x00\x00/\x14\x01\x00\x00/' > "$tmpdir/sll2.pcap"
	small 4d3cb2a1 | hex > "$tmpdir/nano.pcap"
	for type in raw sll sll2 nano; do
		$sluice capture anonymise "$tmpdir/$type.pcap" "$tmpdir/$type.out" > /dev/null
		check_err $? "$type"
		[ $type = nano ] || same_shape "$tmpdir/$type.pcap" "$tmpdir/$type.out"
		lacks "$tmpdir/$type.out" "$secret" c6336407 cb007109 0a1122334455
		cmp -s -n 4 "$tmpdir/$type.pcap" "$tmpdir/$type.out" &&
			cmp -s -i 20 -n 12 "$tmpdir/$type.pcap" "$tmpdir/$type.out"
		check_err $? "$type: another format, link type or time"
	done
}

# refused STATUS PATTERN ARGUMENT...: a sentence, and no file.
refused()
{
	local status=$1 pattern=$2 out got

	shift 2
	out=$($sluice capture "$@" 2>&1 > /dev/null); got=$?
	[ $got = "$status" ] && [[ $out == "sluice: "*$pattern* ]]
	check_err $? "capture $*: status $got, $out"
	[ -z "$(find "$tmpdir/none"* 2> /dev/null)" ]; check_err $? "capture $*: left a file"
}

test_refused()
{
	local in=$tmpdir/small.pcap none=$tmpdir/none

	head -c 90 "$in" > "$tmpdir/cut.pcap"
	refused 1 "is damaged" anonymise "$tmpdir/cut.pcap" "$none"
	echo "this is no capture, it is a text of some length" > "$tmpdir/text"
	refused 1 "cannot read capture" anonymise "$tmpdir/text" "$none"
	file_header 69 | hex > "$tmpdir/wifi.pcap"
	refused 1 "has link type IEEE802_11" anonymise "$tmpdir/wifi.pcap" "$none"
	refused 1 "would be replaced" anonymise "$in" "$in"
	refused 1 "no regular file" anonymise "$in" /dev/null
	refused 1 "cannot make" anonymise "$in" "$tmpdir/nowhere/none"
	cp "$tmpdir/key" "$tmpdir/open" && chmod 644 "$tmpdir/open"
	refused 1 "others have access" anonymise "$in" "$none" key "$tmpdir/open"
	install -m 600 "$tmpdir/text" "$tmpdir/bad"
	refused 1 "bad:1: a key is 64 hexadecimal digits" anonymise "$in" "$none" key "$tmpdir/bad"
	refused 2 "give the names" anonymise "$in"
	refused 2 "give the names" anonymise "$in" "$none" by "$tmpdir/key"
	refused 2 "there is no 'capture show'" show "$in"
	$sluice capture anonymise "$in" /dev/full 2> /dev/null; check_fail $? "/dev/full was written"
}

# Of all link types and tunnels that there are a few.
test_real()
{
	local file n=0

	for file in mix-shared.pcap ndpi/gre.pcapng zeek/tunnels_4in6.pcap; do
		file=$pcaps/$file
		[ -e "$file" ] || continue
		$sluice capture anonymise "$file" "$tmpdir/real" > /dev/null
		check_err $? "$file"
		same_shape "$file" "$tmpdir/real" inside $all
		! grep -qa 'HTTP/1\.[01]\|User-Agent\|www\.' "$tmpdir/real"
		check_err $? "$file: payload is left"
		n=$((n + 1))
	done
	[ $n -ge 3 ]; check_err $? "only $n captures are there"
}

run_test test_small "no payload and no address is left, all else is"
run_test test_keys "a key gives the same again, another one does not"
run_test test_link_types "other link types, and nanoseconds"
run_test test_refused "what cannot be done is refused, and leaves no file"
if [ -e $pcaps/mix-shared.pcap ]; then
	run_test test_real "real captures: the same flows, packets and bytes, by replay"
else
	tap_skip "real captures: the same flows, packets and bytes, by replay" "no $pcaps"
fi
tap_end
