#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: none (the scripts below are, one by one)
# Runs all tests of the module here, in the VM: scripts/vm_run.sh -- selftests/module/run.sh
# Exit status: 0, 1 when one failed, 4 when all were skipped.

cd "$(dirname "$0")" || exit 1
skipped=0 failed=0 total=0
for script in knobs learned tree marking modes place bad_input change_rate statistics eval lifetime; do
	echo "# $script"
	"./$script.sh"
	case $? in
	0) ;;
	4) skipped=$((skipped + 1)) ;;
	*) failed=$((failed + 1)) ;;
	esac
	total=$((total + 1))
done
[ $failed = 0 ] || exit 1
[ $skipped != $total ] || exit 4
