#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: host timeout=240
#
# "sluice lab report" on campaigns whose truth is known (lab_campaign.awk says it): it finds what is
# there, declares nothing where there is nothing, and says what is wrong with what it is given.

. "$(dirname "$0")/../lib.sh"
require_tool jq sqlite3 awk
require_build build/sluice
sluice=build/sluice
id=$(awk '/define STORE_APPLICATION_ID/ { print $3 }' user/lab/store.h)
version=$(awk '/define STORE_VERSION/ { print $3 }' user/lab/store.h)

# make_db NAME [-v VARIABLE=VALUE ...]
make_db()
{
	local db=$tmpdir/$1.db

	shift
	{ echo "PRAGMA synchronous = OFF; PRAGMA application_id = $id; PRAGMA user_version = $version;"
	  cat user/lab/schema.sql
	  awk -f selftests/cli/lab_campaign.awk "$@"; } | sqlite3 "$db"
}

report() { $sluice -j lab report "$@"; }
say() { $sluice lab report "$@"; }

# is JSON FILTER MESSAGE
is()
{
	jq -e "$2" <<< "$1" > /dev/null
	check_err $? "$3: $(jq -c "$2" <<< "$1" 2>&1 | head -c 200)"
}

test_truth()
{
	local r text

	make_db truth -v kind=truth
	r=$(report "$tmpdir/truth.db"); check_err $? "report"
	is "$r" '[.cases[].oracle] == ["static:12112", "static:24224", "static:6056", "static:193792",
		"static:193792"]' "another oracle"
	# (1 - exp(-0.1)) = 9.5 %: against the rule, which is better than every single threshold.
	is "$r" 'all(.cases[]; .best_baseline == "double")' "another best baseline"
	is "$r" '.all.opportunity | .mean > 0.075 and .mean < 0.115 and .low > 0.05 and .high < 0.14' \
		"opportunity is not 9.5 %"
	is "$r" '.all.band == "NO-GO" and .held_out and .all.cases == 3' "band"
	# Best static comes from training alone, where 24,224 bytes are the best or next to it.
	is "$r" 'all(.cases[2:][]; .best_static == "static:24224" or .best_static == "static:12112")' \
		"best static has seen the test"
	is "$r" '.ladder[] | select(.policy == "learned") | .over_oracle.mean > 0.01 and
		.over_oracle.mean < 0.03 and .captured.mean > 0.9 and .captured.mean < 1 and
		.verdict == "holds" and .own == 0.9 and .same_k == 1 and .alike_k == 1' "learned"
	is "$r" '.ladder[] | select(.policy == "double") | .own == null and .same_k == 0' "double"
	is "$r" '.ladder[] | select(.policy == "static:6056") | .same_k > 0.33 and .same_k < 0.34' \
		"gamma's threshold is that of one case of three"
	is "$r" '[.by_family[] | select(.policy == "learned") | .family] == ["c", "d"] and
		all(.by_family[]; .verdict == "holds")' "by family"
	is "$r" '.goals[0] | .goal == "J" and (.opportunity.mean - 0.09 | fabs) < 0.02' "goals"
	is "$r" '.primary | .p < 0.01 and .verdict == "holds" and .pairs == 30' "primary endpoint"
	is "$r" '(.patterns.clusters | length) == 4 and .cases[3].cluster == .cases[4].cluster' "clusters"
	is "$r" '.patterns.failures[] | select(.policy == "double") | .lost == 5 and
		(.octaves - 1 | fabs) < 0.01 and (.fix | test("yes, by a factor"))' "double can be fixed"
	is "$r" '.patterns.failures[] | select(.policy == "learned") | .lost == 0' "learned does not fail"
	is "$r" '.patterns.correlations[] | select(.metric == "slowdown_mean 10k") | .spearman > 0.8 and
		.p < 0.05' "slowdown goes with J"
	is "$r" '.patterns.correlations[] | select(.metric == "latency_p99_us") | .p > 0.05' \
		"noise goes with J"
	is "$r" '.patterns.findings[] | select(.what | test("k_bytes")) | .holds' "K has two signs"
	is "$r" '.outcomes[] | select(.policy == "online") | .failed == 35 and .valid == 65' "failures"

	text=$(say "$tmpdir/truth.db"); check_err $? "report as text"
	grep -q '^to be won: opportunity .*NO-GO' <<< "$text"; check_err $? "no verdict: $text"
	grep -q '^NO-GO for sure. ' <<< "$text"; check_err $? "no answer: $text"
	grep -q '^! 35 runs failed' <<< "$text"; check_err $? "failures are not told"
	grep -q '^! kernel is missing in 1 of 5 cases (gamma)' <<< "$text"
	check_err $? "what is missing is not told"
	grep -q '^! No A/A campaign' <<< "$text"; check_err $? "the missing A/A campaign is not told"
	grep -q 'shown 1 times before' <<< "$text"; check_err $? "looks are not counted"
}

test_go()
{
	local r

	make_db go -v kind=go
	r=$(report "$tmpdir/go.db"); check_err $? "report"
	is "$r" '.all.band == "GO" and .all.opportunity.mean > 0.35 and .all.p < 0.01' "43 % are no GO"
	# Three cases that differ by so much do not say what a fourth one would do.
	is "$r" '.all.over == "cases" and .all.opportunity.low < 0.25' "too sure of other workloads"
	is "$r" '.primary.clear_families == 2 and .primary.captured_in_clear_families.mean > 0.9' \
		"captured where it is clear"
}

# Nothing to win: neither a band, nor a test, nor a share of nothing, whatever the seed.
test_null()
{
	local r seed

	for seed in 1 2 3; do
		make_db "null$seed" -v kind=null -v seed=$seed
		r=$(report "$tmpdir/null$seed.db"); check_err $? "report"
		is "$r" '.all.band == "NO-GO" and (.all.opportunity.mean | fabs) < 0.025' \
			"seed $seed: a false opportunity"
		is "$r" 'all(.ladder[]; .p == null or .p > 0.05)' "seed $seed: a false difference"
		is "$r" 'all(.ladder[]; .verdict != "loses")' "seed $seed: a false loss"
		is "$r" '[.ladder[] | .captured.mean] | all(. == null)' "seed $seed: a share of nothing"
	done
}

test_aa()
{
	local r text

	make_db aa -v kind=aa -v trials=10
	r=$(report "$tmpdir/aa.db"); check_err $? "report"
	is "$r" '.aa and .instrument.copies == 50 and .all == null' "no A/A report"
	is "$r" '.instrument | .cv > 0.018 and .cv < 0.022 and .cv_over_trials > 0.07' "noise is not 2 %"
	is "$r" '.instrument | (.false_opportunity | fabs) < 0.002 and .false_opportunity_upper < 0.01' \
		"a false opportunity"
	is "$r" '.instrument | .naive_false_opportunity > 0.002' "choosing and judging by the same runs"
	r=$(report "$tmpdir/truth.db" --aa "$tmpdir/aa.db"); check_err $? "--aa"
	is "$r" '.instrument.dealt == {"cases": 5, "thresholds": 8, "trials": 20, "select": 10}' \
		"another shape"
	# Noise of 8 % is more than the instrument may have.
	make_db noisy -v kind=aa -v noise=0.08 -v trials=6
	text=$(say "$tmpdir/noisy.db"); grep -q '^! The coefficient of variation' <<< "$text"
	check_err $? "the noise is not told: $text"
	text=$(say "$tmpdir/null1.db" --aa "$tmpdir/noisy.db")
	grep -q '^! The opportunity .* is not above' <<< "$text"
	check_err $? "the opportunity is within what the instrument shows: $text"
}

test_page()
{
	local page=$tmpdir/page.html text

	text=$(say "$tmpdir/truth.db" --aa "$tmpdir/aa.db" -o "$page" 2>&1); check_err $? "page: $text"
	[ "$(tail -n 1 "$page")" = "</body></html>" ]; check_err $? "the page has no end"
	! grep -qiE '<script|https?:|@import|url\(|<link|<img[^>]*src="[^d]' "$page"
	check_err $? "not self-contained: $(grep -oiE '<script|https?:.{20}|@import|<link' "$page" | head -3)"
	grep -q 'made-up &amp; &lt;known&gt;' "$page"; check_err $? "the plan is not escaped"
	if command -v gnuplot > /dev/null; then
		[ "$(grep -c '<svg' "$page")" = 6 ]; check_err $? "not six plots"
	fi
	text=$(PATH=/nonexistent $sluice lab report "$tmpdir/truth.db" -o "$page" 2>&1 > /dev/null)
	check_err $? "without gnuplot"
	[[ $text == *"written without its plots: there is no gnuplot"* ]]
	check_err $? "the missing gnuplot is not told: $text"
	grep -q 'no gnuplot on this machine' "$page" && ! grep -q '<svg' "$page"
	check_err $? "the page does not say so"
	text=$(say "$tmpdir/truth.db" -o "$tmpdir/none/page.html" 2>&1 > /dev/null)
	check_fail $? "a page nowhere"
	[[ $text == "sluice: cannot write $tmpdir/none/page.html"* ]]; check_err $? "said: $text"
}

# refused SENTENCE ARGUMENT...
refused()
{
	local what=$1 text

	shift
	text=$(say "$@" 2>&1)
	check_fail $? "'$*' was accepted"
	[[ $text == *"$what"* ]]; check_err $? "'$*' said: $text"
}

test_bad()
{
	local text

	echo "no database at all, however long this line may be, and it is rather long" > "$tmpdir/text"
	: > "$tmpdir/empty"
	refused "is no database of sluice lab" "$tmpdir/text"
	refused "is empty" "$tmpdir/empty"
	refused "No such file" "$tmpdir/nowhere.db"
	make_db version; sqlite3 "$tmpdir/version.db" 'PRAGMA user_version = 99'
	refused "has version 99" "$tmpdir/version.db"
	make_db other; sqlite3 "$tmpdir/other.db" 'PRAGMA application_id = 1'
	refused "database of another program" "$tmpdir/other.db"
	make_db none -v kind=truth; sqlite3 "$tmpdir/none.db" 'DELETE FROM metrics'
	refused "none of its 1180 runs is valid and has a J" "$tmpdir/none.db"
	sqlite3 "$tmpdir/none.db" 'DROP TABLE metrics'
	refused "cannot be read as a campaign's database: no such table" "$tmpdir/none.db"
	head -c 200000 "$tmpdir/truth.db" > "$tmpdir/half.db"
	refused "half.db" "$tmpdir/half.db"
	refused "is no A/A campaign" "$tmpdir/truth.db" --aa "$tmpdir/null1.db"
	refused "is an A/A campaign itself" "$tmpdir/aa.db" --aa "$tmpdir/aa.db"
	refused "no database given"
	refused "needs a file" "$tmpdir/truth.db" -o
	refused "one word too many" "$tmpdir/truth.db" again
	refused "no option '--what'" --what

	make_db one -v kind=truth -v trials=1
	text=$(say "$tmpdir/one.db"); check_err $? "one trial: $text"
	[[ $text == *"! There is one trial only."* && $text == *"cannot be told: one trial only"* ]]
	check_err $? "one trial: $text"
	# A policy that failed throughout, and a campaign of which four trials of twenty were reached, the
	# last one but for a workload: it is judged by what there is.
	make_db broken -v kind=truth
	sqlite3 "$tmpdir/broken.db" "
		UPDATE runs SET state = 'failed' WHERE policy = 11;
		UPDATE attempts SET state = 'failed' WHERE run IN (SELECT id FROM runs WHERE policy = 11);
		DELETE FROM attempts WHERE run IN
			(SELECT id FROM runs WHERE trial > 3 OR (trial = 3 AND workload = 2));
		UPDATE runs SET state = 'pending' WHERE id NOT IN (SELECT run FROM attempts);
		DELETE FROM metrics WHERE attempt NOT IN (SELECT id FROM attempts WHERE state = 'valid');"
	text=$(say "$tmpdir/broken.db" -o "$tmpdir/broken.html" 2>&1); check_err $? "half a campaign: $text"
	[[ $text == *"runs are still to be done"* && $text == *"! learned has no valid run at all"* &&
	   $text == *"judged by the other 2"* && $text != *"double is missing"* ]]
	check_err $? "half a campaign: $text"
	[[ $text != *nan* ]]; check_err $? "not a number: $text"

	make_db few -v kind=truth -v trials=8
	text=$(say "$tmpdir/few.db"); check_err $? "eight trials"
	[[ $text == *"! 4 trials are left to estimate by"* ]]; check_err $? "eight trials: $text"
}

run_test test_truth "what is there is found"
run_test test_go "a large opportunity is a GO"
run_test test_null "where there is nothing, nothing is declared"
run_test test_aa "an A/A campaign tells the noise and the false opportunity"
run_test test_page "the page is one file, with plots or the reason why not"
run_test test_bad "bad input is refused, and what is thin is told"
tap_end
