#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds and runs every test. The last line is "N passed, N failed, N skipped".
#
# Tests are cmocka programs (selftests/unit, selftests/bpf), bounded runs of the fuzz drivers
# (selftests/fuzz, with sanitizers) and scripts that source selftests/lib.sh. A script says where it runs, in one of its first lines:
#
#	# sluice-test: host|vm|host,vm|systemd|debug|none [timeout=SECONDS]
#
# host: on this machine, in namespaces of its own; vm: in the VM of scripts/vm_run.sh, which all
# such scripts share; host,vm: in both, one after the other; systemd: in a VM booted with systemd;
# debug: only with --kernel debug; none: not a test. Without that line executable scripts run on the host, those of
# selftests/module in the VM.
set -u
cd "$(dirname "$0")/.." || exit 1

usage() {
	cat <<-END
	usage: scripts/selftest.sh [--list] [--no-build] [--kernel NAME] [PATTERN...]

	Builds and runs every test, or those whose name contains one of the PATTERNs, and ends with
	"N passed, N failed, N skipped"; the exit status is 1 if any failed. Outputs are kept in
	build/selftest. --list prints the names, with where each runs. --kernel runs what belongs to
	BPF and to the module, and nothing else, in a VM with the kernel 6.1, 6.12 or sid (see
	scripts/vm_image.sh); --kernel debug what belongs to the module, under the kernel's own
	checkers. SLUICE_VM_KERNEL=NAME runs everything, with that kernel in the VM.
	END
}

out=${SLUICE_SELFTEST_OUT:-build/selftest}
list='' build=1 inside='' kernel=''
where=		# tells the logs of a script's run in the VM from those of its run on the host
while [ $# -gt 0 ]; do
	case $1 in
	--help|-h) usage; exit 0 ;;
	--list) list=1 ;;
	--no-build) build='' ;;
	--inside) inside=1 where=.vm ;;	# in the VM: run the tests named, results go to $out
	--kernel) kernel=${2:?needs a kernel, see --help}; shift ;;
	-*) echo "selftest: unknown option $1; see --help" >&2; exit 1 ;;
	*) break ;;
	esac
	shift
done

wanted() {
	local pattern

	[ ${#patterns[@]} -gt 0 ] || return 0
	for pattern in "${patterns[@]}"; do
		[[ $1 != *$pattern* ]] || return 0
	done
	return 1
}

# Prints "PLACE TIMEOUT" of a script.
placement() {
	local line place='' limit=''

	line=$(head -n 8 "$1" | sed -n 's/^# sluice-test: *//p')
	place=${line%% *}
	[[ $line != *timeout=* ]] || { limit=${line#*timeout=}; limit=${limit%% *}; }
	if [ -z "$place" ]; then
		place=none
		[ ! -x "$1" ] || case $1 in
		selftests/module/*) place=vm ;;
		selftests/bpf/*|selftests/daemon/*|selftests/cli/*) place=host ;;
		esac
	fi
	echo "$place ${limit:-300}"
}

scripts() {	# PLACE: names of the scripts that run there
	local file place

	for file in selftests/*/*.sh; do
		[ -e "$file" ] || continue
		read -r place _ < <(placement "$file")
		[[ ,$place, == *,$1,* ]] && wanted "$file" && echo "$file"
	done
}

programs() {	# unit|bpf|fuzz: names of the sources of test programs
	local file

	for file in selftests/"$1"/test_*.c selftests/"$1"/fuzz_*.c; do
		[ -e "$file" ] && wanted "${file%.c}" && echo "${file%.c}"
	done
}

log_of() { echo "$out/${1//\//_}$where.log"; }

# run NAME TIMEOUT COMMAND...: keeps output and exit status.
run() {
	local name=$1 limit=$2 log
	log=$(log_of "$1")

	shift 2
	printf '%5d s  %-42s' $SECONDS "$name"
	timeout -k 10 "$limit" "$@" < /dev/null > "$log" 2>&1
	echo $? > "$log.status"
}

passed=0 failed=0 skipped=0 broken=()

# tally NAME: counts the TAP lines of a log; a script that died or lost results has failed.
tally() {
	local name=$1 log status p f s plan why=''
	log=$(log_of "$1")

	status=$(cat "$log.status" 2> /dev/null || echo none)
	read -r p f s plan < <(awk '
		/^not ok [0-9]+ # SKIP/ { s++; next }	# as cmocka says it
		/^not ok/ { f++; next }
		/^ok/ { if (/# SKIP/) s++; else p++ }
		/^1\.\.[0-9]+/ { split($1, a, "[.][.]"); plan += a[2]; planned = 1 }
		END { print p + 0, f + 0, s + 0, planned ? plan : "none" }' "$log" 2> /dev/null)
	p=${p:-0} f=${f:-0} s=${s:-0}
	case $status in
	none) why="did not run" ;;
	124|137) why="timed out" ;;
	4) [ $((p + f)) -gt 0 ] || s=$((s > 0 ? s : 1)) ;;
	*)
		if [ "${plan:-none}" = none ]; then
			why="ended without a plan, status $status"
		elif [ "$plan" != $((p + f + s)) ]; then
			why="planned $plan, reported $((p + f + s))"
		elif [ "$status" != 0 ] && [ "$f" = 0 ]; then
			why="exit status $status"
		fi ;;
	esac
	[ -z "$why" ] || f=$((f + 1))
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	printf '%s%s%s%s\n' "$p passed" "$([ "$f" = 0 ] || echo ", $f FAILED")" \
		"$([ "$s" = 0 ] || echo ", $s skipped")" "${why:+ ($why)}"
	[ "$f" = 0 ] || broken+=("$name")
	if [ "$f" != 0 ]; then
		if [ -n "$why" ]; then
			tail -n 25 "$log" 2> /dev/null
		else
			awk '/^not ok/ { show = 1; print; next } /^ok/ { show = 0 } show && /^#/' "$log"
		fi | sed 's/^/    | /'
	elif [ "$s" != 0 ]; then
		grep -a '# SKIP' "$log" | sed 's/^/    | /'
	fi
}

in_vm() {	# SYSTEMD? NAME...: boots one VM for the tests, then counts
	local option=$1 name log where=.vm limit=1800

	shift
	[ $# -gt 0 ] || return 0
	[ -z "$kernel" ] || limit=2400
	[ -z "$debug" ] || limit=7200
	printf '%5d s  booting a VM%s for %d tests\n' $SECONDS "${kernel:+ with Linux $kernel}" $#
	# The VM is killed only if something in it hangs beyond its own time-outs.
	# shellcheck disable=SC2086 # no option is no word
	scripts/vm_run.sh $option ${kernel:+--kernel "$kernel"} --timeout "$limit" -- \
		env SLUICE_SELFTEST_OUT="$out" SLUICE_VM_DEBUG="$debug" scripts/selftest.sh --inside "$@"
	log=$?
	[ "$log" = 0 ] || echo
	for name; do
		printf '         %-42s' "$name"
		tally "$name"
	done
	if [ "$log" != 0 ]; then
		failed=$((failed + 1))
		broken+=("the VM: status $log")
		echo "         the VM itself failed with status $log"
	fi
}

# Of a test that was killed, in the VM: what it leaves behind shall not fail the next one.
sweep() {
	local kind dev

	ip -all netns delete
	for kind in veth dummy ifb; do
		for dev in $(ip -o link show type $kind 2> /dev/null | sed 's/^[0-9]*: \([^@:]*\).*/\1/'); do
			ip link delete "$dev" 2> /dev/null		# its peer has taken it along
		done
	done
}

if [ -n "$inside" ]; then
	uname -r > "$out/release"
	for name; do
		if [ ! -e "$name" ]; then
			run "$name" 300 "build/$name"
		else
			read -r place limit < <(placement "$name")
			# One written for the host takes several times as long under emulation, and
			# so does everything under the debug kernel.
			[ "$place" != host ] && [ -z "${SLUICE_VM_DEBUG:-}" ] || limit=$((limit * 4))
			run "$name" "$limit" bash "$name"
		fi
		status=$(cat "$(log_of "$name").status")
		echo "status $status"
		[ "$status" = 0 ] || sweep
	done
	exit 0
fi

patterns=("$@")
mapfile -t unit < <(programs unit)
mapfile -t bpf < <(programs bpf)
mapfile -t fuzz < <(programs fuzz)
mapfile -t host < <(scripts host)
mapfile -t vm < <(scripts vm)
mapfile -t systemd < <(scripts systemd)
if [ -n "$kernel" ]; then
	mapfile -t vm < <(printf '%s\n' "${bpf[@]}" "${host[@]}" "${vm[@]}" |
		awk '/^selftests\/(bpf|module)\// && !seen[$0]++')
	unit=() bpf=() fuzz=() host=() systemd=()
fi
debug=
if [ "${kernel:-${SLUICE_VM_KERNEL:-}}" = debug ]; then
	debug=1
	mapfile -t -O ${#vm[@]} vm < <(scripts debug)
	[ -z "$kernel" ] || mapfile -t vm < <(printf '%s\n' "${vm[@]}" | grep -v '^selftests/bpf/')
fi

if [ -n "$list" ]; then
	for name in "${unit[@]}" "${bpf[@]}" "${fuzz[@]}" "${host[@]}"; do
		echo "host $name"
	done
	for name in "${vm[@]}"; do
		echo "vm $name"
	done
	for name in "${systemd[@]}"; do
		echo "systemd $name"
	done
	exit 0
fi

if [ "$(id -u)" != 0 ]; then
	echo "selftest: needs root, to install packages, make network namespaces and load BPF" \
		"programs: sudo scripts/selftest.sh" >&2
	exit 1
fi

rm -rf "$out" && mkdir -p "$out" || exit 1
scripts/install_deps.sh || exit 1

if [ -n "$build" ]; then
	echo "building"
	make -j2 user tests || { echo "selftest: the build failed" >&2; exit 1; }
	scripts/vm_kmod.sh $kernel > /dev/null || {
		status=$?
		echo "selftest: the module${kernel:+ for Linux $kernel} was not built" >&2
		# Another kernel still has the BPF programs to try. 125: there is no such kernel.
		[ -n "$kernel" ] && [ $status != 125 ] || exit 1
	}
	sanitized=("${unit[@]}" "${fuzz[@]}")
	if [ ${#sanitized[@]} -gt 0 ]; then
		make -j2 SAN=1 "${sanitized[@]/#/build/san/}" ||
			{ echo "selftest: the sanitizer build failed" >&2; exit 1; }
	fi
fi

for name in "${unit[@]}" "${bpf[@]}"; do
	run "$name" 300 "build/$name"
	tally "$name"
done
for name in "${unit[@]/#/build/san/}" "${fuzz[@]/#/build/san/}"; do
	run "$name" 600 "$name"
	tally "$name"
done
for name in "${host[@]}"; do
	read -r _ limit < <(placement "$name")
	run "$name" "$limit" bash "$name"
	tally "$name"
done
in_vm '' "${vm[@]}"
in_vm --systemd "${systemd[@]}"

if [ ${#broken[@]} -gt 0 ]; then
	echo "failed:"
	printf '  %s\n' "${broken[@]}"
	echo "outputs are in $out"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
