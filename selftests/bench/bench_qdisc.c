// SPDX-License-Identifier: GPL-2.0
/*
 * What a snapshot of all sluice qdiscs costs: one RTM_GETQDISC dump, read and parsed by the
 * daemon's own reader, 201 times. Where there are none, it says so; qdisc_vm.sh makes 64 of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/qdisc.h"
#include "measure.h"

#define DUMPS	201

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

int main(void)
{
	static double us[DUMPS];
	const struct qdisc_sample *samples;
	struct qdisc_reader *r = NULL;
	struct summary s;
	struct sl_err e;
	size_t n = 0;
	int ret;

	ret = qdisc_reader_new(&r, &e);
	for (int i = -1; i < DUMPS && ret == 0; i++) {	/* the first one makes its buffers */
		double begin = now_us();

		ret = qdisc_read(r, &samples, &n, &e);
		if (i >= 0)
			us[i] = now_us() - begin;
		if (!n)
			break;
	}
	qdisc_reader_free(r);
	if (ret < 0) {
		fprintf(stderr, "bench_qdisc: %s\n", e.text);
		return 1;
	}
	if (!n) {
		printf("qdisc/dump: no sluice qdisc here, see selftests/bench/qdisc_vm.sh\n");
		return 0;
	}
	summarise(us, DUMPS, &s);
	printf("qdisc/dump_%zu_us %.0f iqr %.0f min %.0f max %.0f\n", n, s.median, s.iqr, s.min, s.max);
	return 0;
}
