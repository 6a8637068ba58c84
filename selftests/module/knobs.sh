#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm
# The module itself and the operator's knobs: defaults, ranges and atomicity, by sysfs and netlink.
. "$(dirname "$0")/../lib.sh"
. selftests/module/common.bash
module_setup
link_setup || exit 1

test_modinfo()
{
	local info field
	info=$(modinfo "build/kmod/$(uname -r)/sch_sluice.ko")

	for field in description version author alias license; do
		grep -q "^$field: *[^ ]" <<< "$info"
		check_err $? "modinfo has no $field"
	done
	grep -q '^license: *GPL' <<< "$info"
	check_err $? "licence is not GPL"
	grep -q '^alias: *sch_sluice$' <<< "$info"
	check_err $? "tc could not load it by alias"
}

test_defaults()
{
	local name min max def n=0 files=()

	tc qdisc add dev sl0 root sluice
	check_err $? "tc without options"
	q=$net/sl0/sluice/root
	dump sl0 root
	while read -r name min max def; do
		check_files "$def" "$name"
		check_equal "$name by netlink" "${option[$name]}" "$def"
		files+=("$q/$name")
		n=$((n + 1))
	done < <($nl knobs)
	[ $n -ge 8 ]
	check_err $? "only $n knobs"
	check_files "baseline none 0 0 0 0" source learned generation manual_gen lease_ms lease_expired
	check_equal "files that are not 0644" \
		"$(find "${files[@]}" "$q/learned" ! -perm 644)" ""
	check_equal abi_version "${stats[abi_version]}" \
		"$(sed -n 's/^#define SLUICE_ABI_VERSION[[:space:]]*\([0-9]*\).*/\1/p' include/uapi/linux/sluice.h)"
	tc -s qdisc show dev sl0 | grep -q 'dropped 0, overlimits 0'
	check_err $? "tc -s shows no statistics"
}

# Every knob: both bounds are taken, what is beyond them is refused and changes nothing.
test_sysfs_ranges()
{
	local name min max def bad gen value

	check_write 0 "$q/qth_min"
	while read -r name min max def; do
		gen=$(knob manual_gen)
		for value in "$min" "$max"; do
			check_write "$value" "$q/$name"
			check_files "$value" "$name"
		done
		check_files $((gen + 2)) manual_gen
		for bad in $((min - 1)) $((max + 1)) 4294967296 18446744073709551617 -1 x 0x10 \
				"$max x" "$max$max" "$max.0" "$max $max" " $max" $'\n'; do
			check_refused "$bad" "$q/$name"
		done
		check_files "$max $((gen + 2))" "$name" manual_gen
		[ "$name" != qth_min ] || check_write 0 "$q/$name"
	done < <($nl knobs | sort)	# qth_max before qth_min
	printf '7\0x' > "$q/qth_min" 2> /dev/null
	check_fail $? "a NUL and garbage were accepted"
	check_write $'7\n' "$q/qth_min"
	check_files 7 qth_min
}

test_netlink_ranges()
{
	local name min max def bad text value

	$nl change sl0 root qth_min=0 qth_max=0
	check_err $? "qth_min=0 qth_max=0"
	while read -r name min max def; do
		for value in "$min" "$max"; do
			$nl change sl0 root "$name=$value"
			check_err $? "$name=$value"
			check_files "$value" "$name"
		done
		for bad in $((min - 1)) $((max + 1)); do
			[ "$bad" != -1 ] || bad=4294967295
			text=$($nl change sl0 root "$name=$bad" 2>&1)
			check_fail $? "$name=$bad was accepted"
			[[ $text == "Invalid argument: "*"$name must be "* ]]
			check_err $? "$name=$bad: '$text' does not say what is wrong"
		done
		check_files "$max" "$name"
		[ "$name" != qth_min ] || $nl change sl0 root qth_min=0
	done < <($nl knobs | sort)
}

# One bad value in a request, and nothing of it happens.
test_netlink_atomic()
{
	local gen bad

	$nl change sl0 root qth_min=100 qth_max=200 max_p=300 hold=0 limit_pkts=50
	gen=$(knob manual_gen)
	for bad in limit_bytes=1 max_p=1000001 "qth_max=99" "qth_min=201" "attr:99=1" \
			"short:limit_bytes" "attr:$(($($nl knobs | wc -l) + 1))=1"; do	# TCA_SLUICE_PAD
		$nl change sl0 root limit_pkts=60 "$bad" 2> /dev/null
		check_fail $? "$bad was accepted"
		check_files "50 100 200" limit_pkts qth_min qth_max
	done
	check_files "$gen" manual_gen
	$nl change sl0 root qth_min=1000 qth_max=2000
	check_err $? "moving both thresholds up at once"
	$nl change sl0 root qth_min=10 qth_max=20
	check_err $? "moving both thresholds down at once"
	check_files $((gen + 2)) manual_gen
}

# qth_min > qth_max cannot be reached, whatever is written in whatever order.
test_threshold_order()
{
	local i lo hi

	check_write 0 "$q/qth_min"
	check_write 500 "$q/qth_max"
	check_write 500 "$q/qth_min"
	check_refused 501 "$q/qth_min"
	check_refused 499 "$q/qth_max"
	check_files "500 500" qth_min qth_max
	for ((i = 0; i < 500; i++)); do
		write $((RANDOM % 9)) "$q/qth_min"
		write $((RANDOM % 9)) "$q/qth_max"
		read -r lo < "$q/qth_min"
		read -r hi < "$q/qth_max"
		[ "$lo" -le "$hi" ]
		check_err $? "qth_min $lo > qth_max $hi"
	done
}

# Options at creation: the operator's as well; a bad one leaves nothing behind.
test_create_options()
{
	tc qdisc del dev sl0 root
	check_err $? "tc del"
	$nl add sl0 root qth_min=5 qth_max=4 2> /dev/null
	check_fail $? "qth_min > qth_max at creation"
	[ ! -e $net/sl0/sluice ]
	check_err $? "a failed creation left a directory"
	$nl add sl0 root limit_pkts=0 2> /dev/null
	check_fail $? "limit_pkts=0 at creation"
	[ ! -e $net/sl0/sluice ]
	check_err $? "a failed creation left a directory"
	$nl add sl0 root qth_min=5 qth_max=6
	check_err $? "qth_min=5 qth_max=6 at creation"
	check_files "5 6" qth_min qth_max
	tc qdisc del dev sl0 root
	[ ! -e $net/sl0/sluice ]
	check_err $? "the directory outlived the qdisc"
}

run_test test_modinfo "modinfo is complete"
run_test test_defaults "tc qdisc add without options gives the table's defaults"
run_test test_sysfs_ranges "sysfs: each knob takes its bounds and refuses what is beyond"
run_test test_netlink_ranges "netlink: each knob takes its bounds and refuses what is beyond"
run_test test_netlink_atomic "netlink: a request is applied whole or not at all"
run_test test_threshold_order "qth_min > qth_max cannot be reached"
run_test test_create_options "options at creation"
tap_end
