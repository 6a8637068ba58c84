#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds the module for a kernel of vm_image.sh. The headers are unpacked into
# build/vm/RELEASE/headers, nothing is installed. Those of sid need sid's compiler and C
# library: there, that directory is a root with all that they depend on (400 MB), entered by chroot
# in a mount namespace. The last line printed is RELEASE.
set -eu
cd "$(dirname "$0")/.."

if [ "${1:-}" = --help ]; then
	echo "usage: scripts/vm_kmod.sh [6.1|6.12|sid|debug]"
	echo "Builds build/kmod/RELEASE/sch_sluice.ko and prints RELEASE. sid takes 400 MB, and root."
	exit 0
fi

die() { echo "vm_kmod: $*" >&2; exit 125; }
. scripts/vm_suite.bash

command -v pahole > /dev/null || scripts/install_deps.sh >&2	# for the module's BTF
name=${1:-${SLUICE_VM_KERNEL:-6.1}}
release=$(scripts/vm_image.sh "$name")

failed() {
	rm -f "build/kmod/$release/sch_sluice.ko"	# no module rather than an old one
	exit 1
}

if ! suite_of "$name" > /dev/null; then
	kdir=/usr/src/linux-headers-$release
	[ "$name" != debug ] || kdir=$PWD/build/vm/debug/headers$kdir
	make KDIR="$kdir" kmod-tests >&2 || failed
	echo "$release"
	exit 0
fi

exec 9> build/vm/.lock
flock 9
headers=build/vm/$release/headers
kdir=/usr/src/linux-headers-$release

unpack_headers() {
	local packages

	mapfile -t packages < <(suite_depends "$name" "linux-headers-$release" | grep -v linux-image)
	suite_unpack "$name" "$1" "${packages[@]}"
	sed -i "s|/usr/src|$PWD/$headers/usr/src|" "$1$kdir/Makefile"
}

# What a running system would have by its packages' maintainer scripts is little: awk.
unpack_root() {
	local archives=$suite_root/apt-$name/cache/archives file

	suite_apt "$name" apt-get -o Debug::NoLocking=true install --yes --no-install-recommends \
		--download-only "linux-headers-$release" make base-files bash dash coreutils sed grep \
		mawk findutils diffutils > "$1/log" 2>&1 ||
		{ cat "$1/log" >&2; die "cannot download what linux-headers-$release needs"; }
	# base-files first: it has the links /bin, /lib, ... into /usr.
	for file in "$archives"/base-files_*.deb "$archives"/*.deb; do
		dpkg -x "$file" "$1"
	done
	suite_apt "$name" apt-get clean
	ln -sf mawk "$1/usr/bin/awk"
	mkdir -p "$1/proc" "$1/dev" "$1/tmp" "$1$PWD"
}

[ "$name" != sid ] || [ "$(id -u)" = 0 ] || die "building for sid takes chroot: needs root"
if [ ! -e "$headers$kdir/Makefile" ]; then
	echo "vm_kmod: unpacking the headers of $release" >&2
	rm -rf "$headers" "$headers.new"
	mkdir "$headers.new"
	if [ "$name" = sid ]; then
		unpack_root "$headers.new"
	else
		unpack_headers "$headers.new"
	fi
	mv "$headers.new" "$headers"
fi

if [ "$name" = sid ]; then
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount bash -c 'mount --make-rprivate / && mount -t proc proc "$1/proc" &&
		mount --rbind /dev "$1/dev" && mount --bind "$PWD" "$1$PWD" &&
		exec chroot "$1" make -C "$PWD" KDIR="$2" kmod-tests' - "$headers" "$kdir" >&2 || failed
else
	make KDIR="$PWD/$headers$kdir" kmod-tests >&2 || failed
fi
echo "$release"
