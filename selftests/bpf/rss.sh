#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=400
#
# RSS on a NIC that has it: the table is read and written, and packets arrive at the receive queue
# and the CPU that "sluice flow where" says.
#
#	+--- outside (a namespace) ---+          +------------ VM -------------+
#	| wire 10.77.0.1, fd77::1     |----------| eth0 10.77.0.2, fd77::2     |
#	|                             |          |      4 queues, 128 slots    |
#	+-----------------------------+          +-----------------------------+
#
# On the host it boots the VM and runs itself there.

if [ -z "${SLUICE_VM_OUTSIDE:-}" ]; then
	cd "$(dirname "$0")/../.." || exit 1
	why=''
	[ "$(id -u)" = 0 ] || why="needs root"
	[ -c /dev/net/tun ] || why="there is no /dev/net/tun"
	[ -z "$why" ] || { echo "1..0 # SKIP $why"; exit 4; }
	exec scripts/vm_run.sh --nic-queues 4 --timeout 380 -- bash selftests/bpf/rss.sh
fi

. "$(dirname "$0")/../lib.sh"
require_tool ethtool bpftool socat
require_build build/sluice build/selftests/bpf/rss_queue.bpf.o
ensure_bpffs

sluice=build/sluice
dev=eth0
pins=/sys/fs/bpf/rss_test
outside() { scripts/vm_outside.sh "$@"; }

# table_of: the queue of each slot, as ethtool prints the table.
table_of()
{
	ethtool -x $dev | awk '/^ *[0-9]+:/ { for (i = 2; i <= NF; i++) printf "%s ", $i }'
}

# The same from sluice.
table_json()
{
	$sluice -j rss show $dev | awk '/"table"/ { inside = 1; next } /\]/ { inside = 0 }
		inside { sub(",", ""); printf "%s ", $1 }'
}

# predict TUPLES: lines "sport queue cpu source", of the forward direction.
predict()
{
	awk '{ print $1, $2 ":" $3, $4 ":" $5 }' "$1" | $sluice -j flow where $dev - |
		awk '{ gsub("[\",:]", "") }
			$1 == "forward" { inside = 1 }
			$1 == "reverse" { inside = 0 }
			inside { at[$1] = $2 }
			inside && $1 == "rss_queue" {
				print at["sport"], at["rss_queue"], at["cpu"], at["source"]
			}'
}

test_show()
{
	local out

	out=$($sluice rss show $dev); check_err $? "rss show failed"
	[[ $out == "$dev: 4 receive queues, 128 slots, function toeplitz, "* ]]
	check_err $? "it says: $out"
	[[ $out == *"udp4 src,dst,sport,dport;"*"ip6 src,dst"* ]]; check_err $? "fields: $out"
	[[ $out == *$'\n'"key $(ethtool -x $dev | grep -A 1 'hash key' | tail -n 1)"$'\n'* ]]
	check_err $? "another key than ethtool's: $out"
	[ "$(table_json)" = "$(table_of)" ]; check_err $? "another table than ethtool's"
	$sluice rss show lo 2> "$tmpdir/err"; [ $? = 1 ]; check_err $? "lo: no status 1"
	grep -q "^sluice: lo has no RSS indirection table$" "$tmpdir/err"
	check_err $? "lo: $(cat "$tmpdir/err")"
}

test_set()
{
	local before
	before=$(table_of)

	$sluice rss set $dev weight 1 0 2 1; check_err $? "rss set weight failed"
	[ "$(table_of)" = "$(printf '0 %.0s' {1..32}; printf '2 %.0s' {1..64}
		printf '3 %.0s' {1..32})" ]
	check_err $? "weights 1 0 2 1 gave $(table_of)"
	[ "$(table_json)" = "$(table_of)" ]; check_err $? "it reads back otherwise"

	before=$(table_of)
	$sluice rss set $dev equal 5 2> /dev/null; [ $? = 1 ]; check_err $? "equal 5: no status 1"
	$sluice rss set $dev weight 0 0 2> /dev/null; [ $? = 1 ]; check_err $? "weight 0 0"
	$sluice rss set $dev weight 1 1 1 1 1 2> /dev/null; [ $? = 1 ]; check_err $? "five weights"
	$sluice rss set $dev equal 2> /dev/null; [ $? = 2 ]; check_err $? "equal: no status 2"
	[ "$(table_of)" = "$before" ]; check_err $? "a refused table changed something"

	$sluice rss set $dev equal 3; check_err $? "rss set equal 3"
	[[ "$(table_of)" == "0 1 2 0 1 2 "* ]]; check_err $? "equal 3 gave $(table_of)"
}

test_where()
{
	local out

	out=$($sluice flow where $dev tcp 10.77.0.1:80 10.77.0.2:5000); check_err $? "flow where failed"
	[[ $out == *"nic rss     queue "*", slot "*", hash 0x"*"  queue "*"not steered: $dev has no"* ]]
	check_err $? "where says: $out"
	$sluice flow where lo tcp 10.77.0.1:80 10.77.0.2:5000 > "$tmpdir/out"
	grep -q "^nic rss unknown: lo has no RSS indirection table$" "$tmpdir/out"
	check_err $? "lo: $(cat "$tmpdir/out")"
	echo "udp 1.2.3.4:5" | $sluice flow where $dev - 2> "$tmpdir/err"; [ $? = 1 ]
	check_err $? "a flow of two words: no status 1"
	grep -q "^sluice: line 1: " "$tmpdir/err"; check_err $? "$(cat "$tmpdir/err")"
}

# tuples N FIRST_PORT: lines "proto saddr sport daddr dport", source ports consecutive, a quarter
# each of UDP and TCP over IPv4 and IPv6.
tuples()
{
	local i port

	for ((i = 0; i < $1; i++)); do
		port=$(($2 + i))
		case $((i % 4)) in
		0) echo "udp 10.77.0.1 $port 10.77.0.2 $((1000 + 37 * i))" ;;
		1) echo "tcp 10.77.0.1 $port 10.77.0.2 $((1000 + 41 * i))" ;;
		2) echo "udp [fd77::1] $port [fd77::2] $((1000 + 43 * i))" ;;
		3) echo "tcp [fd77::1] $port [fd77::2] $((1000 + 47 * i))" ;;
		esac
	done
}

# send TUPLES: a packet of each; TCP's is a SYN that nobody accepts.
send()
{
	cat > "$SLUICE_VM_OUTSIDE/send.sh" <<-'END'
	while read -r proto saddr sport daddr dport; do
		case $saddr in
		\[*) v=6 ;;
		*) v=4 ;;
		esac
		case $proto in
		udp) echo x | socat -u - UDP$v-SENDTO:$daddr:$dport,bind=$saddr:$sport ;;
		tcp) socat -u /dev/null TCP$v:$daddr:$dport,bind=$saddr:$sport,connect-timeout=2 ;;
		esac
	done < "$1" 2> /dev/null
	true
	END
	cp "$1" "$SLUICE_VM_OUTSIDE/tuples"
	outside bash "$SLUICE_VM_OUTSIDE/send.sh" "$SLUICE_VM_OUTSIDE/tuples"
}

# Writes lines "port queue moved" of the arrivals at ports FIRST to LAST to $tmpdir/arrived; 1 while
# some are missing. (Few processes: each takes a fifth of a second in the VM.)
all_arrived()
{
	bpftool map dump pinned $pins/map | awk -v first="$1" -v last="$2" '
		{ gsub("[^0-9a-z]+", " "); n = split($0, word, " ") }
		{ for (i = 1; i < n; i++) at[word[i]] = word[i + 1] }
		"moved" in at {
			if (at["key"] >= first && at["key"] <= last) {
				print at["key"], at["queue"], at["moved"]
				seen++
			}
			delete at["moved"]
		}
		END { exit seen != last - first + 1 }' > "$tmpdir/arrived"
}

# check_queues TUPLES FIRST LAST: all arrive where the predictor says; sets $queues_seen.
check_queues()
{
	local wrong

	send "$1"; check_err $? "sending failed"
	busywait 5000 all_arrived "$2" "$3"
	check_err $? "of ports $2 to $3 only $(wc -l < "$tmpdir/arrived") arrived"
	predict "$1" | awk '{ print $1, $2, 0 }' | sort > "$tmpdir/predicted"
	sort -o "$tmpdir/arrived" "$tmpdir/arrived"
	[ "$(wc -l < "$tmpdir/predicted")" = $(($3 - $2 + 1)) ]; check_err $? "tuples without prediction"
	wrong=$(comm -23 "$tmpdir/predicted" "$tmpdir/arrived" | wc -l)
	[ "$wrong" = 0 ]; check_err $? "$wrong of $(($3 - $2 + 1)) tuples arrived elsewhere than predicted"
	queues_seen=$(awk '{ print $2 }' "$tmpdir/arrived" | sort -u | wc -l)
}

test_queues()
{
	$sluice rss set $dev weight 1 2 3 2; check_err $? "rss set"
	tuples 64 20000 > "$tmpdir/tuples"
	check_queues "$tmpdir/tuples" 20000 20063
	[ "$queues_seen" = 4 ]; check_err $? "only $queues_seen queues were used"
}

# Another key and an even table; ports of UDP over IPv4 do not count any more.
test_queues_without_ports()
{
	local key='' i

	key=$(for ((i = 0; i < 40; i++)); do printf '%s%02x' "${key:+:}" $((RANDOM % 256)); key=1; done)
	ethtool -X $dev hkey "$key"; check_err $? "cannot set the key"
	ethtool -N $dev rx-flow-hash udp4 sd; check_err $? "cannot set the fields"
	$sluice rss set $dev equal 4; check_err $? "rss set"
	tuples 16 21000 > "$tmpdir/tuples"
	check_queues "$tmpdir/tuples" 21000 21015
	[ "$(awk '($1 - 21000) % 4 == 0 { print $2 }' "$tmpdir/arrived" | sort -u | wc -l)" = 1 ]
	check_err $? "UDP over IPv4 went to several queues"
}

# counts_of CPU: "sent" as the data plane counts it.
sent_to()
{
	$sluice -j cpu show $dev | awk '/"cpu":/ { sub(",", "", $2); cpu = $2 }
		/"sent_packets":/ { sub(",", "", $2); sent[cpu] = $2 }
		END { for (c = 0; c < 4; c++) printf "%d ", sent[c] }'
}
sent_sum() { [ "$(sent_to | awk '{ print $1 + $2 + $3 + $4 }')" -ge "$1" ]; }

# The other half of the prediction: which CPU the bucket has, an operator's entry before it.
test_cpus()
{
	local cpu want=(0 0 0 0) got before=(0 0 0 0)
	local entry="udp 10.77.0.1:22000 10.77.0.2:1000"

	bpftool net detach xdpdrv dev $dev
	$sluice load $dev native cpus 0-3 > /dev/null; check_err $? "load failed"
	defer $sluice unload $dev
	# Nothing but these tuples may count: IPv6 has chatter of its own.
	outside sysctl -qw net.ipv6.conf.wire.disable_ipv6=1; check_err $? "cannot silence IPv6"
	tuples 48 22000 | grep '^udp 10' > "$tmpdir/tuples"
	$sluice flow set $dev $entry cpu 3; check_err $? "flow set"
	predict "$tmpdir/tuples" > "$tmpdir/predicted"
	[[ $(head -n 1 "$tmpdir/predicted") == *" 3 flow-operator" ]]
	check_err $? "the operator's entry is not in force: $(head -n 1 "$tmpdir/predicted")"
	while read -r _ _ cpu _; do
		want[cpu]=$((want[cpu] + 1))
	done < "$tmpdir/predicted"
	before=($(sent_to))
	send "$tmpdir/tuples"; check_err $? "sending failed"
	busywait 5000 sent_sum 12; check_err $? "not all arrived: $(sent_to)"
	got=($(sent_to))
	for cpu in 0 1 2 3; do
		[ $((got[cpu] - before[cpu])) = "${want[cpu]}" ]
		check_err $? "predicted ${want[*]} by CPU, sent ${got[*]} less ${before[*]}"
	done
}

run_test test_show "rss show agrees with ethtool"
run_test test_set "rss set writes the table, and refuses what cannot be"
run_test test_where "flow where as text, without a table, and of a bad line"

mkdir -p $pins
defer rm -rf $pins
if ! { bpftool prog load build/selftests/bpf/rss_queue.bpf.o $pins/prog &&
	bpftool net attach xdpdrv pinned $pins/prog dev $dev &&
	bpftool map pin name arrivals $pins/map; }; then
	echo "Bail out! cannot attach rss_queue.bpf.o"
	exit 1
fi
run_test test_queues "64 tuples arrive at the predicted queue"
run_test test_queues_without_ports "16 more, with another key and without UDP ports"
run_test test_cpus "packets are sent to the predicted CPU"
tap_end
