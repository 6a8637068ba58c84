#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host
# The module as a package: what "make dkms" installs is all that DKMS needs to build it, the result
# describes itself, and "make install" puts the same things where they belong. Nothing of the
# machine is changed.
. "$(dirname "$0")/../lib.sh"
require_root
require_tool dkms modinfo unshare

kdir=$(ls -dv /usr/src/linux-headers-*[0-9]-amd64 2> /dev/null | tail -n 1)
[ -n "$kdir" ] || skip_all "no kernel headers in /usr/src"
release=${kdir##*/linux-headers-}
version=$(sed -n 's/^VERSION[[:space:]]*:= *//p' Makefile)

# DKMS makes itself a key for signatures below /var/lib/dkms, whatever its options say.
dkms_here()
{
	unshare --mount bash -c 'mount --make-rprivate / && mount -t tmpfs none /var/lib/dkms && exec "$@"' - \
		dkms "$@" --sourcetree "$tmpdir/root/usr/src" --dkmstree "$tmpdir/dkms" \
		--installtree "$tmpdir/modules" > "$tmpdir/log" 2>&1
}

# check_modinfo FILE
check_modinfo()
{
	local field value

	for field in name version description author license srcversion vermagic; do
		value=$(modinfo -F $field "$1" 2> /dev/null)
		[ -n "$value" ]
		check_err $? "modinfo has no $field"
		case $field in
		name) [ "$value" = sch_sluice ] ;;
		version) [ "$value" = "$version" ] ;;
		license) [ "$value" = GPL ] ;;
		vermagic) [[ $value == "$release "* ]] ;;
		*) true ;;
		esac
		check_err $? "modinfo: $field is '$value'"
	done
	# Both ways in which a kernel asks for the module when tc wants the qdisc.
	for value in sch_sluice net-sch-sluice; do
		modinfo -F alias "$1" | grep -qx "$value"
		check_err $? "modinfo: no alias $value"
	done
	[ -z "$(modinfo -F depends "$1")" ]
	check_err $? "modinfo: depends on $(modinfo -F depends "$1")"
}

test_dkms()
{
	local ko

	make dkms DESTDIR="$tmpdir/root" > "$tmpdir/log" 2>&1
	check_err $? "make dkms: $(tail -n 3 "$tmpdir/log")"
	mkdir -p "$tmpdir/dkms" "$tmpdir/modules"
	dkms_here add "sluice/$version"
	check_err $? "dkms add: $(tail -n 3 "$tmpdir/log")"
	dkms_here build "sluice/$version" -k "$release" --kernelsourcedir "$kdir"
	check_err $? "dkms build: $(tail -n 3 "$tmpdir/log") $(tail -n 5 "$tmpdir"/dkms/sluice/*/build/make.log 2> /dev/null)"
	ko=$(find "$tmpdir/dkms/sluice/$version/$release" -name 'sch_sluice.ko*' 2> /dev/null)
	[ -n "$ko" ]
	check_err $? "dkms built no module"
	check_modinfo "$ko"
	dkms_here remove "sluice/$version" --all
	check_err $? "dkms remove: $(tail -n 3 "$tmpdir/log")"
}

test_install()
{
	local root=$tmpdir/image ko="/lib/modules/$release/updates/sch_sluice.ko" file

	make kmod KDIR="$kdir" > "$tmpdir/log" 2>&1 &&
		make install KDIR="$kdir" DESTDIR="$root" PREFIX=/usr >> "$tmpdir/log" 2>&1
	check_err $? "make install: $(tail -n 3 "$tmpdir/log")"
	for file in /usr/sbin/sluiced /usr/sbin/sluice /usr/lib/sluice/xdp_steer.bpf.o \
			/usr/include/linux/sluice.h /usr/include/linux/sluice_steer.h \
			/etc/sluice/sluice.conf /lib/systemd/system/sluiced.service \
			/usr/share/man/man8/sluice.8 $ko; do
		[ -s "$root$file" ]
		check_err $? "make install did not install $file"
	done
	cmp -s "build/kmod/$release/sch_sluice.ko" "$root$ko"
	check_err $? "the module installed is not the one that was built"
	check_modinfo "$root$ko"
	# Outside of the tree the contract needs nothing but itself.
	echo '#include <linux/sluice.h>' | gcc -fsyntax-only -I"$root/usr/include" -xc - 2> "$tmpdir/log"
	check_err $? "the contract header alone: $(head -n 3 "$tmpdir/log")"
	[ "$("$root/usr/sbin/sluice" --version | awk '{ print $NF }')" = "$version" ]
	check_err $? "the module's version is not the tool's"
	grep -rl '@[A-Z]*@' "$root/lib/systemd" "$root/etc" > /dev/null
	check_fail $? "a placeholder was left in what was installed"
}

run_test test_dkms "dkms builds the module from what make dkms installs"
run_test test_install "make install"
tap_end
