#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Static checks of the module and of the headers it shares with user space: sparse, cppcheck,
# clang-tidy, and the kernel's checkpatch where one is installed. All suppressions stand here, with
# their reasons; there are none in the sources.
# shellcheck disable=SC2317 # functions are called by the checker's name
set -eu
cd "$(dirname "$0")/.."

usage() {
	cat <<-END
	usage: scripts/static_checks.sh [sparse|cppcheck|clang-tidy|checkpatch]...

	Runs these checkers, or all, over kmod/ and include/, with the newest installed kernel headers
	or those of KDIR. Prints what ran and what it found; the exit status is 1 if that is anything.
	checkpatch is taken from CHECKPATCH=FILE, from KDIR or from Debian's package linux-source-6.1
	(or another linux-source), and left out if there is none.
	END
}

# --- what is not checked, and why -----------------------------------------------

cppcheck_suppress=(
	# The iterators of hash_for_each_possible(), a macro that cppcheck does not see.
	uninitvar:kmod/sysfs.c
	# Kernel headers are no input here.
	missingInclude missingIncludeSystem
	# Functions and fields that another file, or user space, uses.
	unusedFunction unusedStructMember
	# X macros of the contract are tables, whichever columns a user takes.
	unknownMacro
)

tidy_checks=(
	'-*' 'clang-analyzer-*' 'bugprone-*' 'cert-*' 'misc-*' 'performance-*' 'portability-*'
	'readability-misleading-indentation' 'readability-redundant-*'
	# memcpy and memset: C11's Annex K is not in the kernel.
	'-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling'
	# Integers of one type side by side are what an AQM is about.
	'-bugprone-easily-swappable-parameters'
	# Include guards with a leading underscore are the kernel's style.
	'-bugprone-reserved-identifier' '-cert-dcl37-c' '-cert-dcl51-cpp'
	# Names and designated initialisers in the X macros' rows cannot be in parentheses.
	'-bugprone-macro-parentheses'
	# Callbacks have the parameters that their type demands.
	'-misc-unused-parameters'
	# count is below PAGE_SIZE where it becomes ssize_t, which is what sysfs wants.
	'-bugprone-narrowing-conversions'
	# Sizes of structures in assertions are constants that fit.
	'-bugprone-implicit-widening-of-multiplication-result'
	# The kernel's snprintf() cannot fail.
	'-cert-err33-c'
	# Inside of kfree_rcu(), READ_ONCE() and the hash table's macros.
	'-performance-no-int-to-ptr' '-bugprone-sizeof-expression'
)

checkpatch_ignore=(
	# Aligned columns and up to 100 characters a line are said in CONTRIBUTING.md.
	LONG_LINE LONG_LINE_COMMENT LONG_LINE_STRING
	# X macros: tables that are no functions, without do-while and without parentheses.
	COMPLEX_MACRO MULTISTATEMENT_MACRO_USE_DO_WHILE MACRO_ARG_REUSE MACRO_ARG_UNUSED
	MACRO_ARG_PRECEDENCE TRAILING_SEMICOLON
	# The one place for it is compat.h; KERNEL_VERSION(...) looks like a constant on the left.
	LINUX_VERSION_CODE CONSTANT_COMPARISON
	# Headers that user space and BPF compile, too, cannot say __always_inline.
	PREFER_DEFINED_ATTRIBUTE_MACRO
	# There is no MAINTAINERS file outside of the kernel's tree.
	FILE_PATH_CHANGES
)

checkpatch_accept=(
	# "default:" behind an X macro's use is taken for the second half of "?:".
	'include/sluice/tree.h:[0-9]+: ERROR:SPACING: spaces required around that .:.'
	# A comment beside a field that goes on below it.
	'include/uapi/linux/.*WARNING:BLOCK_COMMENT_STYLE: Block comments use a trailing'
)

# --- running -------------------------------------------------------------------

case ${1:-} in
--help|-h) usage; exit 0 ;;
esac
wanted=("$@")
[ ${#wanted[@]} -gt 0 ] || wanted=(sparse cppcheck clang-tidy checkpatch)

# shellcheck disable=SC2012 # sorted by version
kdir=${KDIR:-$(ls -dv /usr/src/linux-headers-*[0-9]-"$(dpkg --print-architecture)" 2> /dev/null | tail -n 1)}
[ -n "$kdir" ] || { echo "static_checks: no kernel headers: run scripts/install_deps.sh" >&2; exit 1; }
headers=(include/sluice/*.h include/uapi/linux/sluice*.h)
out=build/static
mkdir -p "$out"
bad=0

# verdict NAME WHAT LOG: prints the findings in LOG, if there are any.
verdict() {
	if [ -s "$3" ]; then
		sed "s|$PWD/||g" "$3"
		echo "$1: $(grep -cE '(warning|error|style|performance|portability|WARNING|ERROR|CHECK):' "$3") findings: $2"
		bad=1
	else
		echo "$1: clean: $2"
	fi
}

need() {
	command -v "$1" > /dev/null ||
		{ echo "static_checks: $1 is not installed: run scripts/install_deps.sh" >&2; exit 1; }
}

# Builds the module in a directory of its own; clang-tidy needs the commands that it takes.
build() {
	rm -rf "$out/kmod"
	make --no-print-directory B="$out" KDIR="$kdir" KMOD_FLAGS="$1" kmod > "$out/build.log" 2>&1 ||
		{ cat "$out/build.log"; exit 1; }
	objects=("$out"/kmod/*/.[a-z]*.o.cmd)
}

run_sparse() {
	need sparse
	build "C=2 CF=-D__CHECK_ENDIAN__"
	grep -E '(warning|error):|^[^ ]+:[0-9]+:[0-9]+:' "$out/build.log" > "$out/sparse.log" || :
	verdict sparse "$(sparse --version), make C=2 CF=-D__CHECK_ENDIAN__ with ${kdir##*/}" "$out/sparse.log"
}

run_cppcheck() {
	need cppcheck
	# A header is checked where a source includes it, and alone.
	cppcheck --quiet --enable=warning,style,performance,portability --std=c11 -D__KERNEL__ \
		-I include -I include/uapi "${cppcheck_suppress[@]/#/--suppress=}" \
		kmod/*.c "${headers[@]}" > "$out/cppcheck.log" 2>&1 || :
	verdict cppcheck "$(cppcheck --version), warning,style,performance,portability" "$out/cppcheck.log"
}

run_clang-tidy() {
	local cmd source flags checks

	need clang-tidy
	[ -n "${objects:-}" ] || build ''
	printf -v checks '%s,' "${tidy_checks[@]}"
	: > "$out/tidy.log"
	for cmd in "${objects[@]}"; do
		source=$(sed -n 's/^source_[^ ]* := //p' "$cmd")
		[[ $source != *.mod.c && -n $source ]] || continue
		# Of gcc's command, what clang knows and what decides the meaning of the source.
		flags=$(sed -n 's/^cmd_[^ ]* := *[^ ]* //p' "$cmd" | sed 's/ -c -o .*//' | tr ' ' '\n' |
			awk '/^-include$/ { print; getline; print; next }
			     /^-(I|D|nostdinc|std=|fshort-wchar|m64|mcmodel|mno-(sse2?|mmx|3dnow|avx|80387|red-zone)$)/')
		# shellcheck disable=SC2086,SC2046 # words, with the quotes of a shell's line
		( cd "$kdir" && clang-tidy --quiet --header-filter='/(kmod|sluice|linux/sluice)' \
			--checks="${checks%,}" "$source" -- $(eval echo $flags) ) 2>> "$out/tidy.err" |
			grep -v '^$' >> "$out/tidy.log" || :
	done
	verdict clang-tidy "$(clang-tidy --version | sed -n 's/.*\(LLVM version\)/\1/p'), ${#tidy_checks[@]} patterns" \
		"$out/tidy.log"
}

# Of a whole kernel's sources it takes three files, which are kept.
find_checkpatch() {
	local archive own=build/checkpatch

	for tool in "${CHECKPATCH:-}" "$kdir/scripts/checkpatch.pl" "$own/scripts/checkpatch.pl"; do
		[ ! -f "$tool" ] || { echo "$tool"; return; }
	done
	for archive in /usr/src/linux-source-*.tar.xz; do
		[ -f "$archive" ] || continue
		echo "static_checks: taking checkpatch.pl from $archive" >&2
		mkdir -p "$own"
		tar -xJf "$archive" -C "$own" --strip-components=1 --wildcards \
			'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch'
		echo "$own/scripts/checkpatch.pl"
		return
	done
}

run_checkpatch() {
	local tool

	tool=$(find_checkpatch)
	if [ -z "$tool" ]; then
		echo "checkpatch: left out: no checkpatch.pl (see --help)"
		return
	fi
	need perl
	perl "$tool" --no-tree --terse --no-summary --show-types --max-line-length=100 \
		--ignore "$(IFS=,; echo "${checkpatch_ignore[*]}")" --file kmod/*.[ch] "${headers[@]}" 2>&1 |
		grep -vE "$(IFS='|'; echo "${checkpatch_accept[*]}")" > "$out/checkpatch.log" || :
	verdict checkpatch "$tool" "$out/checkpatch.log"
}

objects=()
for tool in "${wanted[@]}"; do
	declare -F "run_$tool" > /dev/null || { usage >&2; exit 1; }
	"run_$tool"
done
exit $bad
