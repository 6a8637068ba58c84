#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
set -eu

usage() {
	cat <<-END
	usage: scripts/vm_run.sh [OPTIONS] -- COMMAND [ARGUMENT...]

	Boots Debian's stock kernel under QEMU and runs COMMAND in it, as root, in the project
	directory. The VM sees this machine's root file system (a tmpfs takes the writes) and the
	project directory read-write. Prints what COMMAND prints, on standard output, and returns
	its exit status; 124 means time ran out, 125 that the VM failed or its kernel complained
	(panic, oops, BUG, WARNING).

	  --cpus N       virtual CPUs (4; debug: 2)
	  --mem M        memory in MiB (2048; debug: 3072)
	  --timeout S    seconds until the VM is killed (600)
	  --append ARGS  more kernel parameters
	  --kernel REL   kernel release (that of the newest installed headers), or one of the names
	                 6.1, 6.12, sid and debug; SLUICE_VM_KERNEL is the default
	  --virtual-time the VM's clock counts its instructions, one a nanosecond, and leaps where it is idle: what
	                 is measured in it does not depend on how busy this machine is. One CPU only;
	                 while the VM waits for this machine's files its time runs fast
	  --systemd      boot systemd; COMMAND runs as a service in it
	  --nic-queues N give the VM a NIC eth0 (virtio) with N receive queues, an RSS table and native
	                 XDP; see below. Needs root and /dev/net/tun

	With --nic-queues the machine outside is the other end of the wire: a network namespace of
	its own, made and removed here, with the addresses 10.77.0.1/24 and fd77::1/64 and without
	offloads. The VM's eth0 is 10.77.0.2/24 and fd77::2/64, with all queues in use. In the VM

	    scripts/vm_outside.sh COMMAND [ARGUMENT...]

	runs COMMAND out there, natively and in the project directory, prints what it prints and
	returns its exit status. Such programs are not emulated, so they can overload the VM; they
	compete with QEMU for real CPUs, and what QEMU cannot read in time is dropped at the tap
	("ip -s link show wire" outside), not in the NIC. Any number may run at once; what still
	runs when the VM ends is killed.

	"debug" is the kernel of scripts/debug_kernel.sh (KASAN, UBSAN, lockdep, kmemleak, failslab,
	KUnit). With it a run also fails when the kernel's log has a report of a checker, or when
	memory has leaked by the time COMMAND is done. It is several times slower.

	Kernel logs stay in build/vm/*.log. SLUICE_VM_VERBOSE=1 shows the kernel's output on
	standard error as it comes; SLUICE_VM_ACCEL replaces the accelerator "tcg,thread=multi".
	Several VMs can run at once.
	END
}

die() { echo "vm_run: $*" >&2; exit 125; }

cpus='' mem='' limit=600 append='' kernel='' systemd='' queues= virtual=
while [ $# -gt 0 ]; do
	case $1 in
	--help|-h) usage; exit 0 ;;
	--systemd) systemd=1; shift ;;
	--virtual-time) virtual=1; shift ;;
	--cpus|--mem|--timeout|--append|--kernel|--nic-queues)
		[ $# -ge 2 ] || die "$1 needs a value; see --help"
		case $1 in
		--cpus) cpus=$2 ;;
		--mem) mem=$2 ;;
		--timeout) limit=$2 ;;
		--append) append=$2 ;;
		--kernel) kernel=$2 ;;
		--nic-queues) queues=$2 ;;
		esac
		shift 2 ;;
	--) shift; break ;;
	-*) die "unknown option $1; see --help" ;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || { usage >&2; exit 125; }

case ${queues:-1} in
*[!0-9]*|0) die "--nic-queues needs a number, such as 4" ;;
esac
if [ -n "$queues" ]; then
	[ "$(id -u)" = 0 ] || die "--nic-queues makes a network namespace: run it as root"
	[ -c /dev/net/tun ] || die "--nic-queues needs /dev/net/tun: modprobe tun"
fi

cd "$(dirname "$0")/.."
project=$PWD
case $project in
*[[:space:],]*) die "the project's path '$project' has a blank or comma in it; move it" ;;
esac

kernel=${kernel:-${SLUICE_VM_KERNEL:-}}
debug=
[ "$kernel" != debug ] || debug=1
[ -z "$virtual" ] || cpus=1
cpus=${cpus:-$((debug ? 2 : 4))} mem=${mem:-$((debug ? 3072 : 2048))}
# Three loops of ACPI's interpreter, about the routing of interrupts that nothing here uses, would
# run into their 30 s limit.
[ -z "$debug" ] || append="$append pci=noacpi"
release=$(scripts/vm_image.sh $kernel)
image=build/vm/$release
# A day of logs is enough.
find build/vm -maxdepth 1 -name '*.log' -mtime +0 -delete

run=$(mktemp -d "$project/build/vm/run.XXXXXX")
name=${run##*/run.}
log=build/vm/$name.log
pid='' watcher=''
ns='' server='' nic=() in_ns=()
cleanup() {
	[ -z "$watcher" ] || kill "$watcher" 2> /dev/null || :
	[ -z "$pid" ] || kill "$pid" 2> /dev/null || :
	[ -z "$ns" ] || nic_end
	rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- the NIC and what is outside ---

# Makes the namespace, a tap in it, and QEMU's options; answers the VM's requests from then on.
nic_start() {
	ns=sluice-vm-$$
	# Not "ip netns exec", which would give QEMU another /sys to share.
	in_ns=(nsenter "--net=/run/netns/$ns" --)
	ip netns add "$ns" || die "cannot make the network namespace $ns"
	"${in_ns[@]}" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
	"${in_ns[@]}" ip link set lo up
	"${in_ns[@]}" ip tuntap add wire mode tap multi_queue || die "cannot make a tap device"
	# A frame on a wire is complete; a checksum left to be filled in is lost in a cpumap.
	"${in_ns[@]}" ethtool -K wire tx off > /dev/null || die "cannot turn off offloads"
	"${in_ns[@]}" ip link set wire up
	"${in_ns[@]}" ip address add 10.77.0.1/24 dev wire
	"${in_ns[@]}" ip address add fd77::1/64 dev wire

	nic=(-netdev "tap,id=n0,ifname=wire,script=no,downscript=no,queues=$queues,vhost=off"
		-device "virtio-net-pci,netdev=n0,mq=on,vectors=$((2 * queues + 2)),rss=on")
	append="$append sluice.nic=$queues net.ifnames=0"
	mkdir "$run/outside"
	serve_outside &
	server=$!
}

# Runs every NAME.command that vm_outside.sh puts there; the answer is complete with NAME.status.
serve_outside() {
	local file

	trap - EXIT
	trap 'exit 0' TERM
	while sleep 0.05; do
		for file in "$run"/outside/*.command; do
			mv "$file" "${file%.command}.running" 2> /dev/null || continue
			# A session of its own can be killed with all that it started.
			# shellcheck disable=SC2016 # the inner shell's
			setsid bash -c 'echo $$ > "$0.pid"
				"$@" bash "$0.running" < /dev/null > "$0.output" 2>&1
				echo $? > "$0.new" && rm "$0.pid" && mv "$0.new" "$0.status"' \
				"${file%.command}" "${in_ns[@]}" &
		done
	done
}

nic_end() {
	local file pids=''

	[ -z "$server" ] || { kill "$server"; wait "$server"; } 2> /dev/null || :
	for file in "$run"/outside/*.pid; do
		[ ! -e "$file" ] || kill -- "-$(cat "$file")" 2> /dev/null || :
	done
	# Whoever is left, QEMU too, would keep the namespace and its tap alive.
	for _ in {1..20}; do
		pids=$(ip netns pids "$ns" 2> /dev/null) || pids=''
		[ -n "$pids" ] || break
		sleep 0.05
	done
	# shellcheck disable=SC2086 # a list
	[ -z "$pids" ] || kill -9 $pids 2> /dev/null || :
	ip netns del "$ns" 2> /dev/null || :
}

# The guest's clock, see tsc_khz.c; where that cannot be built it measures for itself.
tsc_khz() {
	local program=$project/build/vm/tsc_khz

	[ -z "$virtual" ] || { echo tsc_early_khz=1000000; return; }
	[ "$(uname -m)" = x86_64 ] || return 0
	[ "$program" -nt scripts/tsc_khz.c ] ||
		{ gcc -O2 -o "$run/tsc_khz" scripts/tsc_khz.c && mv "$run/tsc_khz" "$program"; } || return 0
	"$program" | sed 's/^/tsc_early_khz=/'
}

printf '%q ' "$@" > "$run/command"
[ -z "$queues" ] || nic_start
[ -z "$systemd" ] || touch "$run/systemd"
mkfifo "$run/output"
: > "$log"
level=5		# warnings and worse
if [ -n "${SLUICE_VM_VERBOSE:-}" ]; then
	level=8
	tail -f "$log" >&2 &
	watcher=$!
fi

thread=multi clock=()
[ -z "$virtual" ] || thread=single clock=(-icount shift=0,sleep=off)
cat "$run/output" &
reader=$!
timeout -k 5 "$limit" "${in_ns[@]}" qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
	-accel "${SLUICE_VM_ACCEL:-tcg,thread=$thread}" "${clock[@]}" -cpu max -smp "$cpus" -m "$mem" \
	-kernel "$image/vmlinuz" -initrd "$image/initramfs" \
	-append "console=ttyS0 loglevel=$level panic=-1 oops=panic mitigations=off tsc=reliable $(tsc_khz) \
sluice.project=$project sluice.run=$run sluice.release=$release $append" \
	-serial "file:$log" \
	"${nic[@]}" \
	-chardev "file,id=output,path=$run/output" -device virtio-serial-pci \
	-device virtserialport,chardev=output,name=sluice.output \
	-virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
	-virtfs "local,path=$project,mount_tag=project,security_model=none,multidevs=remap" \
	< /dev/null 2> "$run/qemu.err" &
pid=$!
status=0
wait "$pid" || status=$?
pid=
# Nobody opened the pipe if QEMU did not start.
[ "$status" = 0 ] || kill "$reader" 2> /dev/null || :
wait "$reader" 2> /dev/null || :

# dmesg has what the console did not print.
[ ! -s "$run/kernel.log" ] || { echo "--- dmesg"; cat "$run/kernel.log"; } >> "$log"
[ ! -s "$run/kmemleak" ] || { echo "--- kmemleak"; cat "$run/kmemleak"; } >> "$log"

complaints='WARNING: CPU|BUG:|Oops|Kernel panic|general protection fault|UBSAN:'
[ -z "$debug" ] ||
	complaints+='|WARNING: |ODEBUG:|INFO: (task|trying|lockdep)|^unreferenced object|^kmemleak gave up'
complaint=$(grep -m 1 -aE "$complaints" "$log" || :)
if [ "$status" = 124 ] || [ "$status" = 137 ]; then
	echo "vm_run: killed after $limit s; kernel log: $log" >&2
	exit 124
elif [ -n "$complaint" ]; then
	echo "vm_run: the kernel complained: $complaint" >&2
	echo "vm_run: see $log" >&2
	exit 125
elif [ ! -s "$run/status" ]; then
	cat "$run/qemu.err" >&2
	tail -n 5 "$log" >&2
	die "the VM ended without an exit status; kernel log: $log"
fi
exit "$(cat "$run/status")"
