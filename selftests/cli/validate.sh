#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=60
#
# "sluice sim validate": a hand-made directory whose outcome is known, the reference runs themselves
# where they are, and malformed files.

. "$(dirname "$0")/../lib.sh"
require_tool jq
require_build build/sluice build/selftests/lab/ktrend
sluice=build/sluice
m3=../shared/data/ecn-reference/m3
dir=$tmpdir/runs

settings()	# CC_MODE
{
	cat <<-END
	# CC_MODE $1
	# PACKET_PAYLOAD_SIZE 1000
	# HAS_WIN 1
	# VAR_WIN 1
	# FIXED_WIN 18000
	# KMIN_MAP 2 10000000000 15 40000000000 60
	# KMAX_MAP 2 10000000000 15 40000000000 60
	# PMAX_MAP 2 10000000000 1.00 40000000000 1.00
	# EWMA_GAIN 0.0625
	# MIN_RATE 1000Mb/s
	# DCTCP_RATE_AI 615Mb/s
	# ALPHA_RESUME_INTERVAL 50
	# RATE_DECREASE_INTERVAL 50
	# RP_TIMER 55
	# FAST_RECOVERY_TIMES 1
	# RATE_AI 10Mb/s
	# RATE_HAI 10Mb/s
	END
	printf '%s\t' flow src dst size_bytes start_ns ns3_fct_ns ns3_ideal_fct_ns
	echo maxmin_fct_ns
}

row() { printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$@"; }

# Three runs each of DCTCP and DCQCN. One flow of 100 packets is alone; then two, three or four
# start together from host 1 and take as many times the 83.8 us.
make_runs()
{
	local shard=0 mode cc n i

	rm -rf "$dir"; mkdir -p "$dir"
	printf 'shard\tcc\tflows\n' > "$dir/INDEX.tsv"
	for cc in dctcp dcqcn; do
		[ $cc = dctcp ] && mode=8 || mode=1
		for n in 2 3 4; do
			shard=$((shard + 1))
			{
				settings $mode
				row 0 1 2 100000 1000000000 85838 85838 83840
				for ((i = 1; i <= n; i++)); do
					row $i 1 2 100000 1001000000 $((n * 83838 + 2000)) 85838 $((n * 83840))
				done
			} > "$dir/shard0${shard}_$cc.tsv"
			printf '%s\t%s\t%s\n' $shard $cc $((n + 1)) >> "$dir/INDEX.tsv"
		done
	done
	printf '90\ttimely\t5\n' >> "$dir/INDEX.tsv"
}

test_small()
{
	local out

	make_runs
	out=$($sluice -j sim validate "$dir"); check_err $? "sim validate"
	jq -e '[.dctcp, .dcqcn] | all(.runs == 3 and .fit.runs == 2 and .held_out.runs == 1 and
	       .spearman_mean > 0.99 and .null.spearman_p99 > 0.99 and .median_rel_err_mean < 0.1 and
	       .null.median_rel_err_mean < 0.05 and .held_out.spearman_mean == null and
	       (.each | length) == 3 and .each[0].flows == 3 and all(.each[]; .unended == 0))' \
		<<< "$out" > /dev/null
	check_err $? "other figures than by hand: $out"
	jq -e '.skipped == { timely: 1 } and (.closed_forms | length) == 6 and
	       all(.closed_forms[]; .rel_err < 0.15 and .rel_err > -0.15)' <<< "$out" > /dev/null
	check_err $? "skipped runs or closed forms: $out"
	[ "$out" = "$($sluice -j sim validate "$dir" seed 1)" ]; check_err $? "not repeatable"
	$sluice -j sim validate "$dir" flows 1 runs 2 |
		jq -e '.dctcp.runs == 2 and .dctcp.median_rel_err_p99 < 0.001' > /dev/null
	check_err $? "limits of flows and runs"
	$sluice sim validate "$dir" | grep -q '^dctcp  *held_out  *null  *1 '; check_err $? "no text"
}

# What the simulator has to be worth: half the null model's error and ranks of 0.97.
test_reference()
{
	local out

	out=$($sluice -j sim validate $m3); check_err $? "sim validate"
	jq -e '[.dctcp, .dcqcn | ., .held_out] | all(.runs >= 9 and .spearman_mean >= 0.97 and
	       .spearman_p99 >= 0.97 and .median_rel_err_p99 * 2 <= .null.median_rel_err_p99 and
	       .median_rel_err_mean * 2 <= .null.median_rel_err_mean)' <<< "$out" > /dev/null
	check_err $? "not better than the null model by half: $(jq -c 'del(.[]?.each?)' <<< "$out")"
	jq -e 'all(.dctcp.each[], .dcqcn.each[]; .unended == 0)' <<< "$out" > /dev/null
	check_err $? "flows that did not end"
}

refused()	# PATTERN ARGUMENT...
{
	local out status pattern=$1

	shift
	out=$($sluice sim validate "$@" 2>&1 > /dev/null); status=$?
	[ $status != 0 ] && [ $status -le 2 ] && [[ $out == "sluice: "*$pattern* ]]
	check_err $? "sim validate $*: status $status, $out"
}

test_refused()
{
	local cut

	refused "no directory of reference runs"
	refused "No such file" "$tmpdir/none"
	refused "there is no parameter 'k'" "$dir" k 5
	refused "flows must be 1 to" "$dir" flows 0
	refused "seed must be 0 to" "$dir" seed
	make_runs
	sed -i '3s/dctcp/dctcp x/' "$dir/INDEX.tsv"
	refused "INDEX.tsv:3: not 'shard cc flows" "$dir"
	make_runs
	sed -i 's/CC_MODE 8/CC_MODE 7/' "$dir/shard01_dctcp.tsv"
	refused "shard01_dctcp.tsv: CC_MODE 7" "$dir"
	make_runs
	sed -i '20s/^1/x/' "$dir/shard02_dctcp.tsv"
	refused "shard02_dctcp.tsv:20: not eight whole numbers" "$dir"
	make_runs
	sed -i '19,$s/[0-9]*\(\t85838\t[0-9]*\)$/-1\1/' "$dir/shard01_dctcp.tsv"
	refused "shard01_dctcp.tsv: no flow ended" "$dir"
	make_runs
	rm "$dir/shard05_dcqcn.tsv"
	refused "shard05_dcqcn.tsv: No such file" "$dir"
	# Cut anywhere, a file is refused.
	make_runs
	cp "$dir/shard04_dcqcn.tsv" "$tmpdir/whole"
	for ((cut = 0; cut < $(stat -c %s "$tmpdir/whole") - 1; cut += 61)); do
		head -c $cut "$tmpdir/whole" > "$dir/shard04_dcqcn.tsv"
		refused "shard04_dcqcn.tsv" "$dir"
	done
}

# The tools of the comparison over K: what is compared with itself agrees, and more K is more wait.
test_ktrend()
{
	local ktrend=build/selftests/lab/ktrend

	$ktrend flows --load 40 --seconds 0.3 --endless 1 --incast 8 selftests/lab/dist/rpc.txt \
		> "$tmpdir/flows"
	check_err $? "ktrend flows"
	$ktrend run "$tmpdir/flows" > "$tmpdir/points"; check_err $? "ktrend run"
	awk 'NR == 1 { first = $3 } { last = $3; left += $6 } END { exit !(NR == 10 && left == 10 &&
		last > 1.5 * first) }' "$tmpdir/points"
	check_err $? "short flows do not wait longer behind a higher K: $(cat "$tmpdir/points")"
	$ktrend compare self "$tmpdir/points" "$tmpdir/points" | grep -q '^self  *1.00 .* 0.0 %  *1 x'
	check_err $? "a run differs from itself"
	head -n 3 "$tmpdir/points" > "$tmpdir/few"
	! $ktrend compare self "$tmpdir/points" "$tmpdir/few" > /dev/null 2>&1
	check_err $? "three lines for ten"
	printf '5 100\n3 100\n' > "$tmpdir/disorder"
	! $ktrend run "$tmpdir/disorder" 2> /dev/null; check_err $? "flows out of order"
}

run_test test_small "a hand-made directory has the figures it must have"
if [ -d $m3 ]; then
	run_test test_reference "ns-3's runs come out nearer than by the null model"
else
	tap_skip "ns-3's runs come out nearer than by the null model" "$m3 is not there"
fi
run_test test_ktrend "the tools of the comparison over K agree with themselves"
run_test test_refused "what is malformed is refused with file and line"
tap_end
