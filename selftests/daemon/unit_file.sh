#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=120
#
# What "make install" lays down: the files, a unit that systemd accepts, a configuration that the
# installed daemon accepts, man pages without a complaint.
. "$(dirname "$0")/../lib.sh"
require_build build/sluiced build/sluice

root=$tmpdir/root

test_install()
{
	local file

	make --no-print-directory install DESTDIR="$root" PREFIX=/usr > "$tmpdir/make.log" 2>&1
	check_err $? "make install: $(tail -n 3 "$tmpdir/make.log")"
	for file in usr/sbin/sluiced usr/sbin/sluice usr/lib/sluice/xdp_steer.bpf.o \
			etc/sluice/sluice.conf lib/systemd/system/sluiced.service \
			usr/share/man/man8/sluiced.8 usr/share/man/man8/sluice.8 \
			usr/share/man/man5/sluice.conf.5; do
		[ -e "$root/$file" ]
		check_err $? "$file was not installed"
	done
}

test_unit()
{
	local unit=$root/lib/systemd/system/sluiced.service

	grep -q '@[A-Z]*@' "$unit"
	check_fail $? "a placeholder is left: $(grep '@[A-Z]*@' "$unit")"
	systemd-analyze verify --root="$root" sluiced.service > "$tmpdir/verify" 2>&1
	check_err $? "systemd-analyze: $(cat "$tmpdir/verify")"
	[ ! -s "$tmpdir/verify" ]
	check_err $? "systemd-analyze said: $(cat "$tmpdir/verify")"
	# A verifier that accepts anything would prove nothing.
	sed -i 's/^Type=notify/Type=notfy/' "$unit"
	systemd-analyze verify --root="$root" sluiced.service 2>&1 | grep -q notfy
	check_err $? "a broken unit was accepted"
	sed -i 's/^Type=notfy/Type=notify/' "$unit"
}

test_hardening()
{
	local unit=$root/lib/systemd/system/sluiced.service

	# It would make the knobs below /sys read-only.
	grep -q '^ProtectKernelTunables=\(yes\|true\|1\)' "$unit"
	check_fail $? "ProtectKernelTunables= is set"
	grep -q '^ProtectSystem=strict' "$unit" && grep -q '^ReadWritePaths=.*/sys/fs/bpf' "$unit"
	check_err $? "the file system is not protected, or bpffs is"
}

test_config()
{
	"$root/usr/sbin/sluiced" -c "$root/etc/sluice/sluice.conf" --check-config \
		> "$tmpdir/out" 2>&1
	check_err $? "the installed configuration: $(cat "$tmpdir/out")"
}

test_man()
{
	local page

	for page in Documentation/man/*.[58]; do
		mandoc -T lint "$page" > "$tmpdir/lint" 2>&1
		check_err $? "$page: $(cat "$tmpdir/lint")"
		[ ! -s "$tmpdir/lint" ]
		check_err $? "$page: $(cat "$tmpdir/lint")"
	done
}

run_test test_install "make install DESTDIR= puts every file in its place"
if command -v systemd-analyze > /dev/null; then
	run_test test_unit "systemd-analyze verify --root has no complaint"
else
	tap_skip "systemd-analyze verify --root has no complaint" "systemd-analyze is not installed"
fi
run_test test_hardening "the hardening leaves /sys writable"
run_test test_config "the installed configuration is accepted"
if command -v mandoc > /dev/null; then
	run_test test_man "the man pages have no lint"
else
	tap_skip "the man pages have no lint" "mandoc is not installed"
fi
tap_end
