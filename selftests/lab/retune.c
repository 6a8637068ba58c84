// SPDX-License-Identifier: GPL-2.0
/*
 * Changes the ECN setting of a stock qdisc over and over, as the daemon would, only faster:
 *
 *   retune DEV PARENT RATE SECONDS MBIT
 *
 * RATE times a second, for a capacity of MBIT Mbit/s; each change is read back. Prints one line of
 * name=value pairs, with the last setting as tc will show it, and leaves that in force.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/qdisc.h"

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void sleep_until(double at)
{
	double s = at - seconds();
	struct timespec ts;

	if (s <= 0)
		return;
	ts.tv_sec = (time_t)s;
	ts.tv_nsec = (long)((s - ts.tv_sec) * 1e9);
	nanosleep(&ts, NULL);
}

static int find(struct qdisc_reader *r, const char *dev, const char *parent,
		struct qdisc_sample *out, struct sl_err *e)
{
	const struct qdisc_sample *s;
	size_t n, i;
	int ret;

	ret = qdisc_read(r, &s, &n, e);
	if (ret < 0)
		return ret;
	for (i = 0; i < n; i++) {
		if (strcmp(s[i].id.ifname, dev) || strcmp(s[i].id.parent, parent) ||
		    s[i].backend == ECN_SLUICE)
			continue;
		*out = s[i];
		return 0;
	}
	return sl_err(e, -ENOENT, "no stock qdisc at %s %s", dev, parent);
}

int main(int argc, char **argv)
{
	static const struct qdisc_triple triples[] = {
		{ 15000, 15000, 1000000 }, { 30000, 90000, 100000 },
		{ 60000, 60000, 500000 }, { 20000, 80000, 10000 },
	};
	unsigned long written = 0, refused = 0, different = 0;
	struct qdisc_reader *r;
	struct qdisc_sample s;
	struct ecn_raw raw;
	struct sl_err e;
	double begin, rate;

	if (argc != 6) {
		fprintf(stderr, "usage: retune DEV PARENT RATE SECONDS MBIT\n");
		return 2;
	}
	rate = atof(argv[3]);
	if (qdisc_reader_new(&r, &e) < 0)
		goto fail;
	qdisc_reader_stock(r, true);
	if (find(r, argv[1], argv[2], &s, &e) < 0)
		goto fail;
	begin = seconds();
	while (seconds() - begin < atof(argv[4])) {
		ecn_backend(s.backend)->encode(&s, &triples[written % 4], atof(argv[5]) * 1e6 / 8,
					       &raw);
		if (ecn_backend_change(qdisc_reader_socket(r), &s, &raw, true, &e) < 0) {
			fprintf(stderr, "retune: %s\n", e.text);
			refused++;
		}
		written++;
		if (find(r, argv[1], argv[2], &s, &e) < 0)
			goto fail;
		different += !ecn_raw_same(&s.raw, &raw);
		sleep_until(begin + written / rate);
	}
	printf("written=%lu refused=%lu different=%lu marked=%llu backlog=%llu limit=%u min=%u "
	       "max=%u max_p=%u ce_threshold=%u\n", written, refused, different,
	       (unsigned long long)s.stats.ce_packets,
	       (unsigned long long)s.stats.backlog_max_bytes, s.stats.limit_bytes, raw.qth_min,
	       raw.qth_max, raw.max_p, raw.ce_threshold_us);
	qdisc_reader_free(r);
	return 0;
fail:
	fprintf(stderr, "retune: %s\n", e.text);
	return 1;
}
