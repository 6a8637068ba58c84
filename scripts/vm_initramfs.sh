#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# /init of the initramfs that vm_image.sh builds: puts a tmpfs over the host's root (9p,
# read-only), mounts the project read-write at its own path, and hands over to vm_init.sh.
bb=/bin/busybox
die() { $bb echo "vm: $*" > /dev/kmsg; $bb reboot -f; }

$bb mkdir -p /proc /sys /dev /lower /upper /new
$bb mount -t devtmpfs dev /dev
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
while read -r module; do
	$bb insmod "/mod/$module" || die "cannot load $module"
done < /mod/order

for word in $($bb cat /proc/cmdline); do
	case $word in
	sluice.project=*) project=${word#*=} ;;
	sluice.run=*) run=${word#*=} ;;
	sluice.release=*) release=${word#*=} ;;
	esac
done

share=trans=virtio,version=9p2000.L,msize=512000
$bb mount -t 9p -o "ro,cache=loose,$share" root /lower || die "no root over 9p"
$bb mount -t tmpfs -o size=75% upper /upper
$bb mkdir /upper/data /upper/work
$bb mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work root /new ||
	die "no overlay"

$bb mount --move /dev /new/dev
$bb mount --move /proc /new/proc
$bb mount --move /sys /new/sys
$bb mount -t tmpfs -o mode=1777 tmp /new/tmp
$bb mount -t tmpfs -o mode=755 run /new/run
$bb mkdir -p "/new$project"
$bb mount -t 9p -o "cache=mmap,$share" project "/new$project" || die "no project over 9p"
$bb mkdir -p /new/usr/lib/modules
$bb mount --bind "/new$project/build/vm/$release/lib/modules" /new/usr/lib/modules

exec $bb switch_root /new /bin/bash "$project/scripts/vm_init.sh" "$project" "$run"
