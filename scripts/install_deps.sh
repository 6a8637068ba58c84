#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Installs, by name, the Debian packages that building, testing and the lab
# need and that are missing. Does nothing when all are there.
set -eu

BUILD="gcc make pkg-config clang llvm libbpf-dev bpftool libelf-dev zlib1g-dev
libnl-3-dev libnl-route-3-dev libsystemd-dev libjansson-dev libinih-dev libpcap-dev nettle-dev libsqlite3-dev
libgsl-dev gnuplot-nox
linux-headers-amd64"
TEST="libcmocka-dev libclang-rt-dev iproute2 iputils-ping socat ethtool jq sqlite3 kmod procps util-linux systemd mandoc clang-format xdp-tools
dkms sparse cppcheck clang-tidy perl"
LAB="qemu-system-x86 busybox-static cpio xz-utils zstd pahole"

missing=()
for package in $BUILD $TEST $LAB; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
		missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "missing packages: ${missing[*]}" >&2
	echo "run as root, or: sudo apt-get install ${missing[*]}" >&2
	exit 1
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install -y --no-install-recommends "${missing[@]}" > /dev/null
