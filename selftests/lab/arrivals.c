// SPDX-License-Identifier: GPL-2.0
/*
 * Draws an open-loop list of flow arrivals: Poisson in time, sizes from a
 * distribution file ("bytes cumulative" per line, cumulative as a fraction or
 * in percent, linear in between), sender uniform. It is drawn once and then
 * replayed for every policy, so that policies are compared on the same work.
 *
 * Output: a comment with the parameters, then "time_us bytes sender" lines.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dist.h"
#include "lib/rng.h"

static void __attribute__((noreturn)) fail(const char *what, const char *name)
{
	fprintf(stderr, "arrivals: %s: %s\n", name, what);
	exit(1);
}

static double number(const char *text, double low, double high, const char *option)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= low && v <= high)) {
		fprintf(stderr, "arrivals: --%s '%s' is not a number from %g to %g\n", option, text,
			low, high);
		exit(1);
	}
	return v;
}

static void usage(FILE *f)
{
	fputs("usage: arrivals --dist FILE|NAME --rate-bps R [--load 0.5] [--duration S] [--seed N]\n"
	      "                [--senders N]\n"
	      "NAME is a file selftests/lab/dist/NAME.txt. load is the share of R that arrives.\n",
	      f);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "rate-bps", required_argument, NULL, 'r' },
		{ "load", required_argument, NULL, 'l' },
		{ "duration", required_argument, NULL, 'd' },
		{ "dist", required_argument, NULL, 'f' },
		{ "senders", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	double rate_bps = 0, load = 0.5, duration_s = 10, t_s = 0, mean_gap_s;
	uint64_t seed = 1;
	uint32_t senders = 1;
	const char *name = NULL;
	struct rng root, gaps, sizes, who;
	struct sl_err e = { "" };
	struct dist d;
	char path[512];
	int c, i;

	while ((c = getopt_long(argc, argv, "", options, &i)) != -1) {
		switch (c) {
		case 's':
			seed = (uint64_t)number(optarg, 0, 1e15, "seed");
			break;
		case 'r':
			rate_bps = number(optarg, 1e3, 1e12, "rate-bps");
			break;
		case 'l':
			load = number(optarg, 0.001, 10, "load");
			break;
		case 'd':
			duration_s = number(optarg, 0.1, 1e5, "duration");
			break;
		case 'f':
			name = optarg;
			break;
		case 'n':
			senders = (uint32_t)number(optarg, 1, 1000, "senders");
			break;
		default:
			usage(c == 'h' ? stdout : stderr);
			return c != 'h';
		}
	}
	if (!name || !rate_bps || optind < argc) {
		usage(stderr);
		return 1;
	}
	if (strchr(name, '/'))
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "selftests/lab/dist/%s.txt", name);
	if (dist_read(path, &d, &e)) {
		fprintf(stderr, "arrivals: %s\n", e.text);
		return 1;
	}

	rng_seed(&root, seed);
	rng_split(&root, 1, &gaps);
	rng_split(&root, 2, &sizes);
	rng_split(&root, 3, &who);
	mean_gap_s = dist_mean(&d) * 8 / (load * rate_bps);
	printf("# duration_us=%.0f seed=%" PRIu64 " rate_bps=%.0f load=%g dist=%s mean_bytes=%.0f "
	       "senders=%u\n",
	       duration_s * 1e6, seed, rate_bps, load, name, dist_mean(&d), senders);
	for (;;) {
		double bytes;

		t_s -= mean_gap_s * log(1 - rng_uniform(&gaps));
		if (t_s >= duration_s)
			break;
		bytes = dist_quantile(&d, rng_uniform(&sizes));
		printf("%.0f %.0f %u\n", t_s * 1e6, bytes < 1 ? 1 : bytes, rng_below(&who, senders));
	}
	dist_free(&d);
	if (fflush(stdout))
		fail(strerror(errno), "output");
	return 0;
}
