#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm
# Input that is wrong, by sysfs and by netlink, alone and from several writers at once. (knobs.sh,
# learned.sh and tree.sh have what is out of range or malformed for each file.)
. "$(dirname "$0")/../lib.sh"
. selftests/module/common.bash
module_setup
require_build build/selftests/module/change_load build/selftests/module/nl_fuzz
cp build/selftests/module/change_load build/selftests/module/nl_fuzz "$tmpdir/bin"
link_setup || exit 1

tc qdisc add dev sl0 root handle 1: sluice
q=$net/sl0/sluice/root

# state: everything that may be written, and its counter.
state()
{
	local file value

	for file in "${writable[@]}" manual_gen source; do
		value='?'
		read -r value < "$q/$file"
		echo "$file $value"
	done
}
mapfile -t writable < <($nl knobs | cut -d ' ' -f 1; echo learned)

# What is longer than a page, or than any number, or empty.
test_overlong()
{
	local before file text long digits
	before=$(state)

	printf -v digits '%05000d' 7
	printf -v long '7%4999s' ''
	for file in "${writable[@]}"; do
		for text in "$digits" "$long" "${digits:0:4095}" "${long:0:4095}" " $long" '+' '-' '٣' '0b1' '1e3' '7,' '7;rm'; do
			# A leading zero is a number; so many of them are one, too.
			[ "$text" != "${digits:0:4095}" ] && [ "$text" != "$digits" ] || text=1$text
			check_refused "$text" "$q/$file"
		done
	done
	check_equal "state" "$(state)" "$before"
}

test_read_only()
{
	local before file n=0
	before=$(state)

	while read -r file; do
		write 1 "$file"
		check_fail $? "$file took a write"
		check_equal "$file" "$error" "Permission denied"
		n=$((n + 1))
	done < <(find "$q" -type f ! -perm /200)
	[ $n -gt 30 ]
	check_err $? "only $n files are read-only"
	find "$net/sl0/sluice" -type f -perm /022 | grep .
	check_fail $? "others may write"
	: 2> /dev/null > "$net/sl0/sluice/new"
	check_fail $? "a file can be made"
	rm "$q/qth_min" 2> /dev/null
	check_fail $? "a file can be removed"
	check_equal "state" "$(state)" "$before"
}

# Each with the errno and a sentence that names what is wrong.
test_netlink_sentences()
{
	local before request expected text
	before=$(state)

	while IFS=: read -r request expected; do
		text=$($nl change sl0 root limit_pkts=77 ${request//@/:} 2>&1)
		check_fail $? "$request was accepted"
		[[ $text == "Invalid argument: "*"$expected"* ]]
		check_err $? "$request: '$text' has no '$expected'"
	done <<-END
	qth_min=2147483648:qth_min must be 0 to 0x7fffffff (bytes)
	limit_bytes=1513:limit_bytes must be 1514 to
	hold=2:hold must be 0 to 1
	qth_min=5 qth_max=4:qth_min would be above qth_max
	attr@0=1:Unknown attribute type
	attr@4000=1:Unknown attribute type
	attr@$(($($nl knobs | wc -l) + 1))=1:Unsupported attribute
	short@limit_bytes:invalid attribute length
	END
	check_equal "state" "$(state)" "$before"
}

test_netlink_fuzz()
{
	local accepted=0 refused=0 replaced=0 disputed=0 text

	text=$(nl_fuzz sl0 root "${SLUICE_FUZZ_SECONDS:-6}" "${SLUICE_FUZZ_SEED:-1}" 2>&1)
	check_err $? "$text"
	diag "$text"
	[[ $text != accepted=* ]] || eval "$text"
	check_range "accepted" $accepted 20 100000000
	check_range "refused" $refused 20 100000000
	check_range "replaced" $replaced 1 100000000

	# It is still a queue.
	tc qdisc del dev sl0 root
	tc qdisc add dev sl0 root handle 1: sluice
	check_files "60000 180000 0" qth_min qth_max manual_gen
	receiver 5000 50
	$udp send 10.9.0.2 5000 50 $payload 2
	received 5000
	check_equal "packets received, reordered" "$packets $reordered" "50 0"
}

# Five writers who do not know of each other: each write is taken or refused as a whole and counted once.
test_concurrent()
{
	local by accepted refused failed per_second total=0 bad=0 looks pids=() n=0

	for by in netlink netlink sysfs sysfs learned watch; do
		start change_load sl0 root $by 0 4 bad > "$tmpdir/writer.$n" 2> "$tmpdir/writer.$n.err"
		pids+=("$pid")
		n=$((n + 1))
	done
	wait "${pids[@]}"
	for ((n = 0; n < 6; n++)); do
		accepted=0 refused=0 failed=-1
		eval "$(cat "$tmpdir/writer.$n")"
		check_equal "failed of writer $n: $(head -n 1 "$tmpdir/writer.$n.err")" "$failed" 0
		[ $n -ge 4 ] || total=$((total + accepted))
		[ $n != 5 ] || looks=$accepted
		bad=$((bad + refused))
	done
	diag "$total writes taken, $bad refused, $looks looks meanwhile"
	check_range "writes taken" $total 50 100000000
	check_range "writes refused" $bad 50 100000000
	check_range "looks" "$looks" 50 100000000
	check_files $total manual_gen
}

run_test test_overlong "what is overlong or malformed is refused by each file and changes nothing"
run_test test_read_only "files that only tell cannot be written"
run_test test_netlink_sentences "netlink says in a sentence what is wrong"
run_test test_netlink_fuzz "random options: applied as a whole, or refused and nothing changed"
run_test test_concurrent "several writers at once, half of it bad: nothing is lost, torn or counted twice"
tap_end
