#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Installs what is missing, builds, and shows the main job on real TCP traffic: the daemon learns
# in the lab, and is then compared with two fixed ways to set ECN thresholds. Ends with a table.
set -eu
cd "$(dirname "$0")/.."

usage() {
	cat <<-END
	usage: scripts/quickstart.sh [--host|--vm] [--train S] [--trial S] [--trials N]

	Learns for S seconds (60), then replays one list of flow arrivals of S seconds (18) with each
	of three policies, N times (2). Runs on this machine if it can load the kernel module,
	otherwise in a virtual machine; --host or --vm decides it. Results stay in build/quickstart.
	END
}

place='' train=60 trial=18 trials=2
while [ $# -gt 0 ]; do
	case $1 in
	--help|-h) usage; exit 0 ;;
	--host|--vm) place=${1#--}; shift ;;
	--train|--trial|--trials)
		[[ ${2:-} =~ ^[1-9][0-9]*$ ]] ||
			{ echo "quickstart: $1 needs a whole number, not '${2:-}'" >&2; exit 1; }
		declare "${1#--}=$2"
		shift 2 ;;
	*) echo "quickstart: unknown option $1; see --help" >&2; exit 1 ;;
	esac
done

if [ "$(id -u)" != 0 ]; then
	echo "quickstart: needs root, to install packages, make network namespaces and load BPF" \
		"programs and a module: sudo scripts/quickstart.sh" >&2
	exit 1
fi

# Why the module and the lab cannot run on the running kernel; nothing if they can.
host_obstacle() {
	local module

	[ -e /proc/modules ] || { echo "this kernel has no loadable modules"; return; }
	[ -e "/lib/modules/$(uname -r)/build/include/config/kernel.release" ] ||
		{ echo "no headers for the running kernel $(uname -r)"; return; }
	for module in sch_tbf sch_netem tcp_dctcp veth; do
		modprobe -nq $module || { echo "this kernel has no module $module"; return; }
	done
	[ "$(cat /sys/kernel/security/lockdown 2> /dev/null | grep -o '\[.*\]')" != "[integrity]" ] ||
		echo "kernel lockdown refuses unsigned modules"
}

scripts/install_deps.sh
obstacle=$(host_obstacle)
if [ -z "$place" ]; then
	place=host
	[ -z "$obstacle" ] || place=vm
fi
if [ $place = host ]; then
	[ -z "$obstacle" ] || { echo "quickstart: cannot run on this host: $obstacle" >&2; exit 1; }
	release=$(uname -r)
	headers=/lib/modules/$release/build
	echo "running on this host, kernel $release"
else
	release=$(scripts/vm_image.sh)
	headers=/usr/src/linux-headers-$release
	echo "running in a virtual machine, kernel $release${obstacle:+ ($obstacle)}"
fi

echo "building"
lab=()
for source in selftests/lab/*.c; do
	lab+=("build/${source%.c}")
done
make -j2 KDIR="$headers" user kmod "${lab[@]}" | { grep -v 'up to date\|Nothing to be done' || :; }

out=build/quickstart
rm -rf "$out" && mkdir -p "$out"
if [ $place = vm ]; then
	exec scripts/vm_run.sh --timeout $((600 + train + 6 * trials * trial)) -- \
		selftests/lab/compare.sh "$out" "$train" "$trial" "$trials"
fi
if [ ! -d /sys/module/sch_sluice ]; then
	insmod "build/kmod/$release/sch_sluice.ko"
	trap 'rmmod sch_sluice' EXIT
fi
selftests/lab/compare.sh "$out" "$train" "$trial" "$trials"
