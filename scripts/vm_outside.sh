#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# In a VM of "scripts/vm_run.sh --nic-queues N": runs a command outside, at the other end of the
# wire. The request is a file in the run directory, which both sides see; so is the answer.
set -eu

if [ $# = 0 ] || [ "$1" = --help ]; then
	echo "usage: scripts/vm_outside.sh COMMAND [ARGUMENT...]"
	echo "In a VM with a NIC (scripts/vm_run.sh --help), runs COMMAND at the other end of its wire."
	exit 0
fi
dir=${SLUICE_VM_OUTSIDE:-}
[ -d "$dir" ] || {
	echo "vm_outside: this is no VM with a NIC: scripts/vm_run.sh --nic-queues N" >&2
	exit 125
}

name=$(mktemp "$dir/XXXXXX")
trap 'rm -f "$name" "$name".*' EXIT
printf '%q ' "$@" > "$name"
mv "$name" "$name.command"
until [ -e "$name.status" ]; do
	sleep 0.05
done
cat "$name.output"
exit "$(cat "$name.status")"
