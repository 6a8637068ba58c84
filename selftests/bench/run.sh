#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the benchmarks that are built and prints their lines, also to build/bench.txt.
# Speed is reported here and never asserted in a test.
set -u
cd "$(dirname "$0")/../.." || exit 1

out=build/bench.txt
ran=0
failed=0

mkdir -p build
: > "$out"
for bench in build/selftests/bench/bench_*; do
	[ -f "$bench" ] && [ -x "$bench" ] || continue
	ran=$((ran + 1))
	"$bench" > "$out.one" || { echo "$bench failed" >&2; failed=$((failed + 1)); }
	tee -a "$out" < "$out.one"
done
rm -f "$out.one"
if [ "$ran" -eq 0 ]; then
	echo "no benchmark is built: run \"make bench\"" >&2
	exit 1
fi
[ "$failed" -eq 0 ]
