#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host,vm timeout=60
#
# Every program of the XDP object loads, and the verifier walks no more instructions than recorded
# in verifier.tsv for kernels of this series, give or take a tenth. Programs are those of the
# object. --record rewrites the rows of the running kernel's series.

record=
[ "${1:-}" != --record ] || record=1
. "$(dirname "$0")/../lib.sh"
object=build/xdp_steer.bpf.o
table=selftests/bpf/verifier.tsv
count=build/selftests/bpf/verified_insns
require_root
require_build $object $count

release=$(uname -r)
[[ $release =~ ^[0-9]+\.[0-9]+ ]] || skip_all "kernel release '$release' has no series"
series=${BASH_REMATCH[0]}
$count $object > "$tmpdir/now" 2> "$tmpdir/words" ||
	{ cat "$tmpdir/words"; echo "Bail out! cannot read $object"; tap_done=1; exit 1; }

# record_rows: this series' rows are replaced, "-" being "does not load".
record_rows()
{
	{
		grep '^#' $table
		{
			awk -F '\t' -v series="$series" '!/^#/ && $2 != series' $table
			awk -v OFS='\t' -v series="$series" '{ print $1, series, $2 }' "$tmpdir/now"
		} | sort -t $'\t' -k 1,1 -k 2,2V
	} > "$tmpdir/table" && cat "$tmpdir/table" > $table
	diag "recorded $(wc -l < "$tmpdir/now") programs of series $series in $table"
}

# recorded PROGRAM: its count, or nothing.
recorded()
{
	awk -F '\t' -v program="$1" -v series="$series" '$1 == program && $2 == series { print $3 }' \
		$table
}

test_program()
{
	local expected

	expected=$(recorded "$program")
	diag "$program: $insns instructions, recorded ${expected:-nothing}"
	if [ "$insns" = - ]; then
		[ "$expected" = - ]
		check_err $? "$(sed -n "s/^# //; /./p; /^$program does not load/q" "$tmpdir/words" |
			tail -n 8)"
		return
	fi
	if [ -z "$expected" ] || [ "$expected" = - ]; then
		diag "not recorded: selftests/bpf/verifier.sh --record"
		return
	fi
	[ $((insns * 10)) -le $((expected * 11)) ]
	check_err $? "the verifier walks $insns instructions, recorded are $expected: simplify, \
or record what is meant to be (selftests/bpf/verifier.sh --record)"
	[ $((insns * 10)) -ge $((expected * 9)) ] ||
		diag "fewer than recorded: selftests/bpf/verifier.sh --record keeps the gain"
}

test_rows_have_programs()
{
	local gone

	gone=$(awk -F '\t' -v series="$series" '
		NR == FNR { split($0, a, " "); there[a[1]] = 1; next }
		!/^#/ && $2 == series && !($1 in there) { print $1 }' "$tmpdir/now" $table)
	[ -z "$gone" ]; check_err $? "recorded, but not in $object: ${gone//$'\n'/ }"
}

if [ -n "$record" ]; then
	record_rows
elif ! awk -F '\t' -v series="$series" '$2 == series { n++ } END { exit !n }' $table; then
	skip_all "no instruction counts are recorded for Linux $series ($table)"
fi
while read -r program insns; do
	run_test test_program "$program loads, and its verification costs no more than recorded"
done < "$tmpdir/now"
run_test test_rows_have_programs "every recorded program is in the object"
tap_end
