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

	  --cpus N       virtual CPUs (4)
	  --mem M        memory in MiB (2048)
	  --timeout S    seconds until the VM is killed (600)
	  --append ARGS  more kernel parameters
	  --kernel REL   kernel release (that of the newest installed headers), or one of the names
	                 6.1, 6.12 and sid; SLUICE_VM_KERNEL is the default
	  --systemd      boot systemd; COMMAND runs as a service in it

	Kernel logs stay in build/vm/*.log. SLUICE_VM_VERBOSE=1 shows the kernel's output on
	standard error as it comes; SLUICE_VM_ACCEL replaces the accelerator "tcg,thread=multi".
	Several VMs can run at once.
	END
}

die() { echo "vm_run: $*" >&2; exit 125; }

cpus=4 mem=2048 limit=600 append='' kernel='' systemd=
while [ $# -gt 0 ]; do
	case $1 in
	--help|-h) usage; exit 0 ;;
	--systemd) systemd=1; shift ;;
	--cpus|--mem|--timeout|--append|--kernel)
		[ $# -ge 2 ] || die "$1 needs a value; see --help"
		case $1 in
		--cpus) cpus=$2 ;;
		--mem) mem=$2 ;;
		--timeout) limit=$2 ;;
		--append) append=$2 ;;
		--kernel) kernel=$2 ;;
		esac
		shift 2 ;;
	--) shift; break ;;
	-*) die "unknown option $1; see --help" ;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || { usage >&2; exit 125; }

cd "$(dirname "$0")/.."
project=$PWD
case $project in
*[[:space:],]*) die "the project's path '$project' has a blank or comma in it; move it" ;;
esac

release=$(scripts/vm_image.sh $kernel)
image=build/vm/$release
# A day of logs is enough.
find build/vm -maxdepth 1 -name '*.log' -mtime +0 -delete

run=$(mktemp -d "$project/build/vm/run.XXXXXX")
name=${run##*/run.}
log=build/vm/$name.log
pid='' watcher=''
cleanup() {
	[ -z "$watcher" ] || kill "$watcher" 2> /dev/null || :
	[ -z "$pid" ] || kill "$pid" 2> /dev/null || :
	rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

printf '%q ' "$@" > "$run/command"
[ -z "$systemd" ] || touch "$run/systemd"
mkfifo "$run/output"
: > "$log"
level=5		# warnings and worse
if [ -n "${SLUICE_VM_VERBOSE:-}" ]; then
	level=8
	tail -f "$log" >&2 &
	watcher=$!
fi

cat "$run/output" &
reader=$!
timeout -k 5 "$limit" qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
	-accel "${SLUICE_VM_ACCEL:-tcg,thread=multi}" -cpu max -smp "$cpus" -m "$mem" \
	-kernel "$image/vmlinuz" -initrd "$image/initramfs" \
	-append "console=ttyS0 loglevel=$level panic=-1 oops=panic mitigations=off tsc=reliable \
sluice.project=$project sluice.run=$run sluice.release=$release $append" \
	-serial "file:$log" \
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

complaint=$(grep -m 1 -aE 'WARNING: CPU|BUG:|Oops|Kernel panic|general protection fault|UBSAN:' \
	"$log" || :)
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
