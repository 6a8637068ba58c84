# SPDX-License-Identifier: GPL-2.0
# The table and the verdict of soak.sh, from memory.tsv and minutes.tsv.
#
# A slope is the mean of the differences between one minute and the next, after the first third of the run, with
# Student's interval: right for a random walk with drift, which is what a heap's size looks like at best,
# and too wide rather than too narrow for noise around a constant.

function t95(df) { return df < 1 ? 12.7 : 1.96 + 2.4 / df + 3 / (df * df) + 5 / df ^ 3 }

# Mean of v[from..to-1] into mean, half of the width of its interval into half; NAN-free values counted into count.
function moments(v, from, to,    i, sum, sq) {
	count = sum = sq = 0
	for (i = from; i < to; i++)
		if (i in v) { count++; sum += v[i]; sq += v[i] * v[i] }
	mean = count ? sum / count : 0
	half = count > 1 ? t95(count - 1) * sqrt((sq - sum * sum / count) / (count - 1) / count) : 0
	if (half != half) half = 0
}

function interval(unit) { return sprintf("%.3g [%.3g, %.3g]%s", mean, mean - half, mean + half, unit) }

FILENAME != seen { seen = FILENAME; file++ }

file == 1 {
	m = int($1 / 60)
	rss_sum[m] += $2; rss_n[m]++
	peak = $3; threads = $5
	if (!samples++) { first_rss = $2; first_ticks = $6; first_s = $1 }
	last_rss = $2; last_ticks = $6; last_s = $1
	fds_n[m]++; fds_sum[m] += $4
	if ($4 > fds_max) fds_max = $4
	last_m = m
	next
}

{
	n++
	for (k = 0; k < 2; k++) {
		r = $(3 + 2 * k)
		flows += $(4 + 2 * k)
		if (r == "nan") continue
		regret[2 * $1 + k] = r; total += r; pairs++
		kind_sum[$2] += r; kind_n[$2]++
	}
	epochs = $7; skipped = $8; late50 = $9; late99 = $10
	decisions[n - 1] = $11; carried = $12; rows = $13; steps = $14; lost = $15
	states = $16; novel = $17; stage = $18; incumbent = $19
}

END {
	warm = int((last_m + 1) / 3)
	for (m = warm; m < last_m; m++)
		if (rss_n[m] && rss_n[m + 1]) {
			rise[m] = rss_sum[m + 1] / rss_n[m + 1] - rss_sum[m] / rss_n[m]
			more_fds[m] = fds_sum[m + 1] / fds_n[m + 1] - fds_sum[m] / fds_n[m]
		}
	for (i = 1; i < n; i++)
		rate[i] = decisions[i] - decisions[i - 1]

	printf "\n%-44s %s\n", "minutes", int(last_s / 60 + 1) " of " minutes ", in " n " periods"
	printf "%-44s %d, %d, %d (peak)\n", "memory, KiB: first, last", first_rss, last_rss, peak
	moments(rise, warm, last_m)
	grows = count > 1 && mean - half > 0 && last_rss > first_rss + 1024
	printf "%-44s %s, of %d\n", "memory, KiB a minute [95 %]", interval(""), count
	moments(more_fds, warm, last_m)
	leaks = count > 1 && mean - half > 0
	printf "%-44s %s, at most %d\n", "open files, more a minute [95 %]", interval(""), fds_max
	printf "%-44s %d\n", "threads", threads
	if (last_s > first_s)
		printf "%-44s %.2f %%\n", "CPU time, of one core", 100 * (last_ticks - first_ticks) / hz / (last_s - first_s)
	printf "%-44s %d, %d skipped; p50 %.0f us, p99 %.0f us late\n", "epochs", epochs, skipped, late50, late99
	late = skipped > epochs / 100
	moments(rate, 1, n)
	printf "%-44s %d; %s a minute, %d carried out\n", "decisions", decisions[n - 1], interval(""), carried
	printf "%-44s %d, of %d\n", "states taken for new", novel, states
	printf "%-44s %d transitions in the window or updates, %d steps, %d lost\n", "learning", rows, steps, lost
	printf "%-44s %s, stage %s\n", "in force at the end", incumbent, stage
	moments(regret, 0, 2 * n)
	printf "%-44s %.3f over %d pairs (%d flows); %s a pair\n",
		"regret, sum of ln(J / J of the reference)", total, pairs, flows, interval("")
	printf "%-44s %s\n", "  the reference", reference
	split(kinds, what, ";")
	for (k = 0; k < 6; k++)
		if (kind_n[k]) printf "  %-42s %.3f of %d\n", what[k + 1], kind_sum[k] / kind_n[k], kind_n[k]
	# The second half's minutes less those of the first with the same traffic.
	h = int(n / 12) * 6
	for (i = 0; h && i < 2 * h; i++)
		if ((i in regret) && ((i + 2 * h) in regret)) drift[i] = regret[i + 2 * h] - regret[i]
	moments(drift, 0, 2 * h)
	drifts = count > 5 && mean - half > 0
	if (count > 1) printf "%-44s %s a pair\n", "its drift, second half less first", interval("")
	else printf "%-44s too few minutes\n", "its drift, second half less first"

	verdict = "sound"
	if (lost) verdict = "not sound: transitions are lost"
	if (drifts) verdict = "not sound: decisions become worse"
	if (late) verdict = "not sound: epochs are skipped"
	if (leaks) verdict = "not sound: open files grow"
	if (grows) verdict = "not sound: memory grows"
	if (died) verdict = "not sound: it ended in " died
	printf "\nverdict: %s\n", verdict
	exit (verdict != "sound")
}
