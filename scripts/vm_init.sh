#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Process 1 in the VM of vm_run.sh: finishes the mounts, runs the command, reports its exit
# status through the shared run directory and ends the VM. With systemd, it becomes systemd,
# which runs the same file again as a service (argument "service").
project=$1
run=$2

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=dumb LC_ALL=C.UTF-8 SLUICE_IN_VM=1

# The NIC of --nic-queues, with all its queues in use also if they are more than there are CPUs.
nic_up() {
	local queues file

	export SLUICE_VM_OUTSIDE=$run/outside
	read -r queues < <(sed -n "s/.*sluice.nic=\([0-9]*\).*/\1/p" /proc/cmdline)
	modprobe virtio_net || return 1
	for _ in {1..100}; do
		[ ! -e /sys/class/net/eth0 ] || break
		sleep 0.05
	done
	sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
		net.ipv6.conf.eth0.accept_dad=0
	file=/sys/class/net/eth0/queues/rx-$((queues - 1))
	if [ ! -e "$file" ]; then
		ethtool -L eth0 combined "$queues" && ethtool -X eth0 equal "$queues" || return 1
	fi
	ip link set eth0 up && ip address add 10.77.0.2/24 dev eth0 &&
		ip address add fd77::2/64 dev eth0
}

# The debug kernel knows what memory nobody points at. It reports what is 5 s old when a scan
# starts and has not changed since the scan before.
scan_leaks() {
	local file=/sys/kernel/debug/kmemleak

	[ -e $file ] || return 0
	sleep 5
	{ echo scan && echo scan; } > $file 2> /dev/null ||
		echo "kmemleak gave up" > "$run/kmemleak"
	cat $file >> "$run/kmemleak"
}

run_command() {
	local status

	cd "$project" || exit 1
	if [ -d "$run/outside" ] && ! nic_up; then
		echo "echo \"vm: eth0 does not come up\"; exit 125" > "$run/command"
	fi
	# A pipe, because the port can be opened only once and scripts reopen /dev/stderr.
	bash "$run/command" < /dev/null > >(exec cat > /dev/vport*p1) 2>&1
	status=$?
	# Let the last words through, but do not wait for those who still hold the pipe.
	for _ in {1..20}; do
		kill -0 $! 2> /dev/null || break
		sleep 0.05
	done
	scan_leaks
	dmesg > "$run/kernel.log"
	echo "$status" > "$run/status.new" && mv "$run/status.new" "$run/status"
	sync -f "$run/status"
	echo 1 > /proc/sys/kernel/sysrq
	echo b > /proc/sysrq-trigger	# QEMU runs with -no-reboot: this ends it
	sleep 60
}

if [ "${3:-}" = service ]; then
	run_command
	exit 1
fi

: > /etc/fstab
echo sluice-vm > /proc/sys/kernel/hostname

if [ -e "$run/systemd" ]; then
	mkdir -p /run/systemd/system
	cat > /run/systemd/system/sluice-vm.service <<-END
	[Unit]
	Description=Command of vm_run.sh
	Wants=dbus.socket
	After=basic.target dbus.socket

	[Service]
	Type=oneshot
	TimeoutStartSec=infinity
	ExecStart=/bin/bash $project/scripts/vm_init.sh $project $run service
	END
	cat > /run/systemd/system/sluice-vm.target <<-END
	[Unit]
	Requires=basic.target sluice-vm.service
	AllowIsolate=yes
	END
	exec /lib/systemd/systemd --unit=sluice-vm.target --log-target=kmsg
fi

mkdir -p /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
ip link set lo up
run_command
