# SPDX-License-Identifier: GPL-2.0
#
# SQL that fills a database of "sluice lab" with a campaign whose truth is known.
#
#	awk -f lab_campaign.awk -v kind=truth|go|null|aa [-v trials=N] [-v seed=N] [-v noise=SD]
#
# truth: ln J of threshold i on workload w is 0.1 (i - o[w])^2 above the best, o = 2 and 3 in training
# (alpha, beta) and 1, 6 and 6 in the test (gamma; delta and epsilon, one family). "double" has
# twice the best threshold everywhere, "learned" the best one at a price of 2 %, "online" as much
# and a third of its runs failed, "kernel" costs 50 % more and was never run on gamma.
# go: the same, but "double" costs three times as much as the best: nothing simple is good.
# null: the same policies, and no difference between them at all.
# aa: 50 copies of one policy.
function normal() { return sqrt(-2 * log(1 - rand())) * cos(6.283185307 * rand()) }
function policy(name, role, k)
{
	printf "INSERT INTO policies VALUES (%d, '%s', '%s', %s, NULL);\n", ++policies, name, role,
		k ? k : "NULL"
}
function metric(name, class, value)
{
	printf "INSERT INTO metrics (attempt, name, class, t0_s, t1_s, whole, value, n) VALUES " \
		"(%d, '%s', '%s', 0, 6, 1, %.9g, 100);\n", run, name, class, value
}
function measure(w, p, t, ln, k,	state)
{
	run++
	state = p == failing && t % 3 == 1 ? "failed" : "done"
	printf "INSERT INTO runs VALUES (%d, %d, 1, %d, %d, 0, %d, 1, '%s');\n", run, w, p, t, run, state
	printf "INSERT INTO attempts (id, run, number, state, started_unix_s, duration_s, clock_step_s, " \
		"boot, sluice, kernel, host, calibration, drain_share) VALUES (%d, %d, 1, '%s', 0, 1, 0, " \
		"'a', '0.1.0', '6.1', 'h', 100, 0.99);\n", run, run, state == "done" ? "valid" : "failed"
	if (state == "failed")
		return
	ln += base[w] + arrivals[w, t] + noise * normal()
	metric("J", "", exp(ln))
	if (kind == "aa")
		return
	metric("k_bytes", "", k)
	metric("slowdown_mean", "10k", exp(0.8 * ln + 0.02 * normal()))
	metric("goodput_share", "", 0.9 * exp(-0.1 * ln))
	metric("latency_p99_us", "", 1000 * exp(0.01 * normal()))
	metric("decisions", "", 100)
	metric("decisions_own", "", p == learned ? 90 : 0)
}
BEGIN {
	srand(seed ? seed : 1)
	trials = trials ? trials : 20
	noise = noise ? noise : 0.02
	split("alpha beta gamma delta epsilon", name)
	split("a b c d d", family)
	split("2 3 1 6 6", best)
	split("0 0 1 1 1", test)
	print "BEGIN;"
	printf "INSERT INTO plan VALUES (1, 'made-up', '[plan]\nname = made-up & <known>\n', 'x', " \
		"'simulator', 1, %d, 3, 0.3, 0.3, 0.2, 0.2, 0.2, 'J', '', 'learned', 'best-static', %d, 0);\n",
		trials, kind == "aa"
	for (w = 1; w <= 5; w++) {
		printf "INSERT INTO workloads VALUES (%d, '%s', '%s', %d, '{}');\n", w, name[w], family[w],
			test[w]
		base[w] = w
		for (t = 0; t < trials; t++)
			arrivals[w, t] = 0.1 * normal()
	}
	print "INSERT INTO configurations VALUES (1, 'default', '{}');"
	for (i = 0; kind != "aa" && i < 8; i++)
		policy("static:" 3028 * 2 ^ i, "static", 3028 * 2 ^ i)
	for (i = 0; kind == "aa" && i < 50; i++)
		policy("bdp#" i + 1, "baseline", 0)
	if (kind != "aa") {
		policy("kernel", "default", 0)
		policy("double", "baseline", 0)
		policy("learned", "learned", 0)
		learned = policies
		policy("online", "online", 0)
		failing = policies
	}
	for (w = 1; w <= 5; w++) {
		for (t = 0; t < trials; t++) {
			for (p = 1; p <= policies; p++) {
				if (kind == "null" || kind == "aa")
					measure(w, p, t, 0, 3028 * 2 ^ (p - 1))
				else if (p <= 8)
					measure(w, p, t, 0.1 * (p - 1 - best[w]) ^ 2, 3028 * 2 ^ (p - 1))
				else if (p == 9 && name[w] != "gamma")
					measure(w, p, t, log(1.5), 3028)
				else if (p == 10)
					measure(w, p, t, kind == "go" ? log(3) : 0.1, 3028 * 2 ^ (best[w] + 1))
				else if (p > 10)
					measure(w, p, t, 0.02, 3028 * 2 ^ best[w])
			}
		}
	}
	print "COMMIT;"
}
