#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Prepares Debian's stock kernel for scripts/vm_run.sh: the linux-image package whose release
# matches the installed kernel headers (so that modules from "make kmod" load) is downloaded,
# unpacked without being installed, and gets an initramfs that knows how to mount 9p.
# The result is cached in build/vm/RELEASE; the last line printed is RELEASE.
set -eu
cd "$(dirname "$0")/.."

if [ "${1:-}" = --help ]; then
	echo "usage: scripts/vm_image.sh [RELEASE]"
	echo "Prepares build/vm/RELEASE (default: newest installed headers) and prints RELEASE."
	exit 0
fi

die() { echo "vm_image: $*" >&2; exit 125; }

[ "$(uname -m)" = x86_64 ] || die "only x86-64 is supported, this is $(uname -m)"

need=(qemu-system-x86_64 cpio depmod modprobe busybox dpkg apt-get flock)
for tool in "${need[@]}"; do
	command -v "$tool" > /dev/null || [ -x "/usr/sbin/$tool" ] || { scripts/install_deps.sh >&2; break; }
done
[ -n "$(ls -d /usr/src/linux-headers-*[0-9]-amd64 2> /dev/null)" ] || scripts/install_deps.sh >&2
PATH=$PATH:/usr/sbin:/sbin

release=${1:-${SLUICE_VM_KERNEL:-}}
if [ -z "$release" ]; then
	release=$(ls -dv /usr/src/linux-headers-*[0-9]-amd64 2> /dev/null | tail -n 1)
	release=${release##*/linux-headers-}
fi
[ -n "$release" ] || die "no kernel headers in /usr/src: run scripts/install_deps.sh as root"

mkdir -p build/vm
exec 9> build/vm/.lock
flock 9

dir=build/vm/$release
build_image() {
	local tmp=build/vm/.new deb module file

	rm -rf "$tmp" && mkdir -p "$tmp/deb" "$tmp/root/bin" "$tmp/root/mod"
	echo "vm_image: preparing kernel $release" >&2
	# Unsigned first: unpacking needs no secure boot, and it is the same code.
	( cd "$tmp/deb" && { apt-get -qq download "linux-image-$release" ||
		{ [ "$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq download "linux-image-$release"; }
	} 2> ../apt.log ) || {
		cat "$tmp/apt.log" >&2
		die "cannot download linux-image-$release; update linux-headers-amd64 to the archive's release"
	}
	dpkg -x "$tmp"/deb/linux-image-*.deb "$tmp/pkg"
	rm -r "$tmp/deb"
	mv "$tmp/pkg/boot/vmlinuz-$release" "$tmp/vmlinuz"
	mkdir "$tmp/lib"
	mv "$tmp"/pkg/*lib/modules "$tmp/lib/" 2> /dev/null || mv "$tmp/pkg/usr/lib/modules" "$tmp/lib/"
	rm -r "$tmp/pkg"
	depmod -b "$PWD/$tmp" "$release"

	# What it takes to mount the root, in the order in which modprobe loads it.
	cp "$(command -v busybox)" "$tmp/root/bin/busybox"
	for module in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
		modprobe -d "$PWD/$tmp" -S "$release" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' > "$tmp/order"
	while read -r file; do
		cp "$file" "$tmp/root/mod/"
		echo "${file##*/}"
	done < "$tmp/order" > "$tmp/root/mod/order"
	cp scripts/vm_initramfs.sh "$tmp/root/init"
	chmod 755 "$tmp/root/init" "$tmp/root/bin/busybox"
	( cd "$tmp/root" && find . | cpio --quiet -o -H newc ) > "$tmp/initramfs"
	rm -r "$tmp/root" "$tmp/order" "$tmp/apt.log"
	rm -rf "$dir" && mv "$tmp" "$dir"
}

[ -e "$dir/initramfs" ] && [ "$dir/initramfs" -nt scripts/vm_initramfs.sh ] &&
	[ "$dir/initramfs" -nt scripts/vm_image.sh ] || build_image
echo "$release"
