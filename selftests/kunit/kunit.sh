#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: debug
# The KUnit suites of sluice_kunit.c, run by loading it: a result here for each of their cases.
. "$(dirname "$0")/../lib.sh"
require_root

[ -d /sys/kernel/debug/kunit ] || skip_all "this kernel has no KUnit, or no debugfs is mounted"
mark="sluice kunit.sh $$"
echo "$mark" > /dev/kmsg
load_test_module sluice_kunit
dmesg --notime | sed "1,/$mark/d" > "$tmpdir/ktap"

planned=0 reported=0 suites=''
while read -r line; do
	name=${line##* }
	case $line in
	'# Subtest: '*) suite=$name why='' ;;
	1..*) planned=$((planned + ${line#1..})) ;;
	"ok "*" sluice_aqm" | "ok "*" sluice_tree") suites+=" $name" ;;
	"not ok "*" sluice_aqm" | "not ok "*" sluice_tree") ;;	# its cases have said so
	"ok "*) reported=$((reported + 1)); tap_result "$suite: $name"; why='' ;;
	"not ok "*)
		reported=$((reported + 1))
		check_err 1 "${why:-no reason given}"
		tap_result "$suite: $name"
		why='' ;;
	*) why+="${why:+$'\n'}$line" ;;
	esac
done < "$tmpdir/ktap"

[ "$reported" -gt 0 ] && [ "$reported" = "$planned" ]
check_err $? "$planned cases were announced and $reported reported"
[ "$tap_failed" != 0 ] || [ "$suites" = " sluice_aqm sluice_tree" ]
check_err $? "the suites that succeeded are:$suites"
tap_result "both suites ran all of their cases"
tap_end
