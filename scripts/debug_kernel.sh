#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds the kernel that has the kernel's own checkers switched on (debug_kernel.config): Debian's
# source of Linux 6.1 with KASAN, UBSAN, lockdep, kmemleak, failslab and KUnit. No distribution
# has such a kernel as a package. What is kept is in build/vm/debug:
#
#	pkg/boot/vmlinuz-RELEASE, pkg/lib/modules/RELEASE	for vm_image.sh
#	headers/usr/src/linux-headers-RELEASE			for vm_kmod.sh
#	stamp							what it was built from
#
# The last line printed is RELEASE.
set -eu
cd "$(dirname "$0")/.."

if [ "${1:-}" = --help ]; then
	cat <<-END
	usage: scripts/debug_kernel.sh [--keep]
	Builds the debug kernel for "scripts/vm_run.sh --kernel debug" unless build/vm/debug has it,
	and prints its release. Installs what that takes (the source and its tools, by package name);
	about ten minutes on two CPUs, and 3 GB while it runs. --keep leaves the built tree in
	build/vm/debug/linux, where another build starts from.
	END
	exit 0
fi

die() { echo "debug_kernel: $*" >&2; exit 125; }
keep=
[ "${1:-}" != --keep ] || keep=1

source_package=linux-source-6.1
packages="$source_package gcc make flex bison bc libelf-dev libssl-dev perl python3-minimal kmod cpio xz-utils"
dir=$PWD/build/vm/debug
tree=$dir/linux

version_of() { dpkg-query -W -f '${Version}' "$1" 2> /dev/null || :; }

install_packages() {
	local package missing=()

	for package in $packages; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] ||
			missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "missing packages; run as root, or: sudo apt-get install ${missing[*]}"
	echo "debug_kernel: installing ${missing[*]}" >&2
	{ apt-get -qq update &&
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}"
	} > "$dir/log" 2>&1 || { cat "$dir/log" >&2; die "cannot install ${missing[*]}"; }
}

# A kernel that is built needs neither its source nor its tools any more.
stamp() {
	echo "$source_package $1"
	cat scripts/debug_kernel.config
}

unpack() {
	[ ! -e "$tree/Makefile" ] || return 0
	echo "debug_kernel: unpacking $source_package" >&2
	rm -rf "$tree" && mkdir -p "$tree"
	tar -C "$tree" --strip-components 1 -xf "/usr/src/$source_package.tar.xz" ||
		die "cannot unpack /usr/src/$source_package.tar.xz"
}

kernel_make() { make -C "$tree" -s LOCALVERSION= "$@"; }

configure() {
	local line lost=0

	{ kernel_make x86_64_defconfig && kernel_make kvm_guest.config &&
		cat scripts/debug_kernel.config >> "$tree/.config" &&
		kernel_make olddefconfig; } > "$dir/log" 2>&1 ||
		{ cat "$dir/log" >&2; die "cannot configure the kernel"; }
	while read -r line; do
		case $line in
		CONFIG_*) grep -qxF -- "$line" "$tree/.config" && continue ;;
		'# CONFIG_'*' is not set')
			line=${line#\# } line=${line% is not set}
			grep -q "^$line=" "$tree/.config" || continue
			line="$line=n" ;;
		*) continue ;;
		esac
		echo "debug_kernel: Kconfig does not take $line" >&2
		lost=1
	done < scripts/debug_kernel.config
	[ $lost = 0 ] || die "the options above depend on something else: see $tree/.config"
}

# What a module is built with: the list of the kernel's own scripts/package/builddeb.
install_headers() {
	local target=$1

	mkdir -p "$target"
	( cd "$tree" && {
		find . arch/x86 -maxdepth 1 -name 'Makefile*'
		find include scripts arch/x86/include -type f -o -type l
		find arch/x86 -name Kbuild.platforms -o -name Platform
		find arch/x86 -path '*/scripts/*' -type f
		echo tools/objtool/objtool
		echo Module.symvers
		echo .config
	} | while read -r file; do [ ! -e "$file" ] || echo "$file"; done | sort -u |
		cpio --quiet -pdm "$target" )
}

build() {
	local release

	install_packages
	unpack
	configure
	echo "debug_kernel: building, about ten minutes; see $dir/log" >&2
	kernel_make -j2 bzImage modules > "$dir/log" 2>&1 ||
		{ tail -n 30 "$dir/log" >&2; die "the build failed, see $dir/log"; }
	release=$(make -C "$tree" -s LOCALVERSION= kernelrelease)
	rm -rf "$dir/pkg" "$dir/headers"
	mkdir -p "$dir/pkg/boot"
	cp "$(cd "$tree" && realpath "$(make -s image_name)")" "$dir/pkg/boot/vmlinuz-$release"
	kernel_make INSTALL_MOD_PATH="$dir/pkg" INSTALL_MOD_STRIP=1 modules_install >> "$dir/log" 2>&1 ||
		die "modules_install failed, see $dir/log"
	mkdir -p "$dir/pkg/lib/modules/$release/kernel"		# there may be none
	rm -f "$dir/pkg/lib/modules/$release"/{build,source}
	install_headers "$dir/headers/usr/src/linux-headers-$release"
	[ -n "$keep" ] || rm -rf "$tree"
	echo "$release" > "$dir/release"
	stamp "$(version_of "$source_package")" > "$dir/stamp"
}

mkdir -p "$dir"
PATH=$PATH:/usr/sbin:/sbin
exec 8> "$dir/.lock"
flock 8

# Where the source is not installed (any more), what was built before counts.
version=$(version_of "$source_package")
[ -n "$version" ] || version=$(sed -n "1s/^$source_package //p" "$dir/stamp" 2> /dev/null || :)
if [ ! -s "$dir/release" ] || ! stamp "$version" | cmp -s - "$dir/stamp"; then
	build
fi
cat "$dir/release"
