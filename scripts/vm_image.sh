#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Prepares Debian's stock kernel for scripts/vm_run.sh: the linux-image package whose release
# matches the installed kernel headers (so that modules from "make kmod" load) is downloaded,
# unpacked without being installed, and gets an initramfs that knows how to mount 9p.
# The result is cached in build/vm/RELEASE; the last line printed is RELEASE.
set -eu
cd "$(dirname "$0")/.."

if [ "${1:-}" = --help ]; then
	echo "usage: scripts/vm_image.sh [RELEASE|6.1|6.12|sid|debug]"
	echo "Prepares build/vm/RELEASE (default, 6.1: newest installed headers) and prints RELEASE."
	echo "6.12 is bookworm-backports' kernel, sid the newest of Debian; see scripts/vm_suite.bash."
	echo "debug is the kernel of scripts/debug_kernel.sh, which is built if need be (ten minutes)."
	exit 0
fi

die() { echo "vm_image: $*" >&2; exit 125; }
. scripts/vm_suite.bash

[ "$(uname -m)" = x86_64 ] || die "only x86-64 is supported, this is $(uname -m)"

need=(qemu-system-x86_64 cpio depmod modprobe busybox dpkg apt-get flock xz zstd)
for tool in "${need[@]}"; do
	command -v "$tool" > /dev/null || [ -x "/usr/sbin/$tool" ] || { scripts/install_deps.sh >&2; break; }
done
[ -n "$(ls -d /usr/src/linux-headers-*[0-9]-amd64 2> /dev/null)" ] || scripts/install_deps.sh >&2
PATH=$PATH:/usr/sbin:/sbin

release=${1:-${SLUICE_VM_KERNEL:-}}
suite='' debug=
if suite_of "$release" > /dev/null; then
	suite=$release release=
elif [ "$release" = debug ]; then
	release=$(scripts/debug_kernel.sh) debug=1
elif [ "$release" = 6.1 ]; then
	release=
fi
if [ -z "$suite" ] && [ -z "$release" ]; then
	release=$(ls -dv /usr/src/linux-headers-*[0-9]-amd64 2> /dev/null | tail -n 1)
	release=${release##*/linux-headers-}
fi
[ -n "$suite$release" ] || die "no kernel headers in /usr/src: run scripts/install_deps.sh as root"

mkdir -p build/vm
exec 9> build/vm/.lock
flock 9

[ -z "$suite" ] || release=$(suite_release "$suite")
dir=build/vm/$release
# What neither a test nor a virtual machine uses is most of a kernel.
unused=(sound drivers/{accel,gpu,hid,iio,infiniband,media,mmc,mtd,platform,scsi,staging,usb,video})

build_image() {
	local tmp=build/vm/.new module file

	rm -rf "$tmp" && mkdir -p "$tmp/pkg" "$tmp/root/bin" "$tmp/root/mod"
	echo "vm_image: preparing kernel $release" >&2
	if [ -n "$suite" ]; then
		mapfile -t packages < <(suite_depends "$suite" "linux-image-$release")
		suite_unpack "$suite" "$tmp/pkg" "${packages[@]}"
	elif [ -n "$debug" ]; then
		cp -R build/vm/debug/pkg/. "$tmp/pkg"
	else
		download_here "$tmp"
	fi
	mv "$(find "$tmp/pkg" -name "vmlinuz*" -type f | head -n 1)" "$tmp/vmlinuz"
	mkdir "$tmp/lib"
	mv "$tmp"/pkg/*lib/modules "$tmp/lib/" 2> /dev/null || mv "$tmp/pkg/usr/lib/modules" "$tmp/lib/"
	rm -r "$tmp/pkg"
	( cd "$tmp/lib/modules/$release/kernel" && rm -rf "${unused[@]}" )
	depmod -b "$PWD/$tmp" "$release"

	# What it takes to mount the root, in the order in which modprobe loads it.
	cp "$(command -v busybox)" "$tmp/root/bin/busybox"
	for module in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
		modprobe -d "$PWD/$tmp" -S "$release" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' > "$tmp/order"
	while read -r file; do
		module=${file##*/}
		case $module in	# as busybox wants them
		*.xz) module=${module%.xz}; xz -dc "$file" > "$tmp/root/mod/$module" ;;
		*.zst) module=${module%.zst}; zstd -qdc "$file" > "$tmp/root/mod/$module" ;;
		*) cp "$file" "$tmp/root/mod/" ;;
		esac
		echo "$module"
	done < "$tmp/order" > "$tmp/root/mod/order"
	cp scripts/vm_initramfs.sh "$tmp/root/init"
	chmod 755 "$tmp/root/init" "$tmp/root/bin/busybox"
	( cd "$tmp/root" && find . | cpio --quiet -o -H newc ) > "$tmp/initramfs"
	rm -r "$tmp/root" "$tmp/order"
	[ ! -d "$dir/headers" ] || mv "$dir/headers" "$tmp/"	# of vm_kmod.sh
	rm -rf "$dir" && mv "$tmp" "$dir"
}

# The machine's own suite.
download_here() {
	local tmp=$1

	mkdir "$tmp/deb"
	( cd "$tmp/deb" && { apt-get -qq download "linux-image-$release" ||
		{ [ "$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq download "linux-image-$release"; }
	} 2> ../apt.log ) || {
		cat "$tmp/apt.log" >&2
		die "cannot download linux-image-$release; update linux-headers-amd64 to the archive's release"
	}
	dpkg -x "$tmp"/deb/linux-image-*.deb "$tmp/pkg"
	rm -r "$tmp/deb" "$tmp/apt.log"
}

[ -e "$dir/initramfs" ] && [ "$dir/initramfs" -nt scripts/vm_initramfs.sh ] &&
	[ "$dir/initramfs" -nt scripts/vm_image.sh ] &&
	{ [ -z "$debug" ] || [ "$dir/initramfs" -nt build/vm/debug/release ]; } || build_image
echo "$release"
