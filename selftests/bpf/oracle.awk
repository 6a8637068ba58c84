# SPDX-License-Identifier: GPL-2.0
#
# awk -f oracle.awk FILE.json FILE.out: flows of a "sluice replay -j" against those of nDPI's
# ndpiReader. Both sides are summed over the directions of a flow and over the entries that a
# time-out made of it; ports of ICMP, where we have an id, do not count. Prints one line
#
#	SAME BYTES PACKETS OURS THEIRS
#
# flows that are equal, that differ in bytes only, in packets, and that only one side has; then
# one line "# ..." for each that is not equal.

# One spelling of an IPv6 address: "::" may stand for a single group, and need not.
function spelt(addr,	n, g, i, out, fill)
{
	if (addr !~ /:/)
		return addr
	sub(/^::/, "0::", addr)
	sub(/::$/, "::0", addr)
	n = split(addr, g, ":")
	for (i = 1; i <= n; i++) {
		if (g[i] != "") {
			out = out ":" g[i]
			continue
		}
		for (fill = n; fill <= 8; fill++)
			out = out ":0"
	}
	return substr(out, 2)
}

function end_point(addr, port) { return "[" spelt(addr) "]:" port }

function key(proto, a, b) { return proto " " (a < b ? a " " b : b " " a) }

FNR == 1 { file++ }
file == 1 {
	gsub(/[",]/, "")
	value[$1] = $2
}
file == 1 && $1 == "cpu:" {
	proto = toupper(value["proto:"])
	if (proto == "2")
		proto = "IGMP"
	if (proto == "ICMP6")
		proto = "ICMPV6"
	icmp = proto ~ /^ICMP/
	k = key(proto, end_point(value["saddr:"], icmp ? 0 : value["sport:"]),
		end_point(value["daddr:"], icmp ? 0 : value["dport:"]))
	packets[k] += value["packets:"]
	bytes[k] += value["bytes:"]
}
# "	12	TCP 10.0.0.1:80 <-> [fd00::1]:443 ...[3 pkts/187 bytes <-> 0 pkts/0 bytes]..."
file == 2 && /^\t[0-9]+\t[A-Z]/ && match($0, /\[[0-9]+ pkts\/[0-9]+ bytes <?-> [0-9]+ pkts\/[0-9]+ bytes\]/) {
	split(substr($0, RSTART + 1, RLENGTH), n, /[ \/]/)
	for (i = 3; i <= 5; i += 2) {
		match($i, /:[0-9]+$/)
		addr = substr($i, 1, RSTART - 1)
		gsub(/[][]/, "", addr)
		$i = end_point(addr, substr($i, RSTART + 1))
	}
	k = key($2, $3, $5)
	their_packets[k] += n[1] + n[6]
	their_bytes[k] += n[3] + n[8]
}
END {
	for (k in their_packets)
		if (!(k in packets))
			note[theirs++, "t"] = "only theirs: " k " " their_packets[k] "/" their_bytes[k]
		else if (packets[k] != their_packets[k])
			note[different++, "p"] = "packets: " k " " packets[k] "/" bytes[k] \
				", theirs " their_packets[k] "/" their_bytes[k]
		else if (bytes[k] != their_bytes[k])
			note[sized++, "b"] = "bytes: " k " " packets[k] "/" bytes[k] ", theirs " their_bytes[k]
		else
			same++
	for (k in packets)
		if (!(k in their_packets))
			note[ours++, "o"] = "only ours: " k " " packets[k] "/" bytes[k]
	print same + 0, sized + 0, different + 0, ours + 0, theirs + 0
	for (k in note)
		print "# " note[k]
}
