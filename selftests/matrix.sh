#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the tests of the BPF programs and of the module on each kernel that sluice supports, and
# prints a table. Takes some ten minutes a kernel; not part of "every test".
set -eu
cd "$(dirname "$0")/.."

usage() {
	cat <<-END
	usage: selftests/matrix.sh [debug] [--kernel NAME]... [PATTERN...]

	Runs the tests of the BPF programs and of the module in VMs with Linux 6.1, 6.12 and sid's
	(or those named), and prints a row per kernel and test. "debug" runs those of the module
	with the kernel of scripts/debug_kernel.sh, which has the kernel's own checkers. PATTERNs
	choose tests by parts of their names. The exit status is 1 if any failed. Outputs are kept
	in build/matrix.
	END
}

kernels=()
while [ $# -gt 0 ]; do
	case $1 in
	--help|-h) usage; exit 0 ;;
	debug) kernels+=(debug); shift ;;
	--kernel) kernels+=("${2:?needs a kernel, see --help}"); shift 2 ;;
	-*) echo "matrix: unknown option $1; see --help" >&2; exit 1 ;;
	*) break ;;
	esac
done
[ ${#kernels[@]} -gt 0 ] || kernels=(6.1 6.12 sid)

mkdir -p build/matrix
failed=0
for kernel in "${kernels[@]}"; do
	log=build/matrix/$kernel.log
	status=0
	echo "matrix: Linux $kernel, $log" >&2
	SLUICE_SELFTEST_OUT=build/matrix/$kernel scripts/selftest.sh --kernel "$kernel" "$@" \
		> "$log" 2>&1 || status=1
	release=$(cat "build/matrix/$kernel/release" 2> /dev/null || echo "$kernel")
	# The rows of tests, what follows each ("    | why"), and what went wrong beside tests.
	awk -v release="$release" '
		/^         selftests\// { name = $1; sub(/^ +[^ ]+ +/, ""); rows++
			printf "%-22s %-30s %s\n", release, name, $0; next }
		/^    \| / { print; next }
		/the VM itself failed|^vm_run:|^selftest: the module/ {
			printf "%-22s %s\n", release, $0 }
		{ last = $0 }
		END { if (!rows) printf "%-22s ran nothing: %s\n", release, last }' "$log"
	[ $status = 0 ] || failed=1
done
exit $failed
