// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the frequency of this machine's time stamp counter in kHz, for vm_run.sh. QEMU's guests
 * read that counter. While they boot they measure its frequency against an emulated timer, and
 * when QEMU does not get a CPU at the wrong moment, their clock is wrong by a factor ever after.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define MEASURE_NS	50000000

/* Both clocks at one moment, as nearly as can be had: the best of some readings. */
static uint64_t ticks_at(int64_t *now_ns)
{
	uint64_t shortest = UINT64_MAX, ticks = 0;

	for (int i = 0; i < 20; i++) {
		struct timespec t;
		uint64_t before = __rdtsc(), after;

		clock_gettime(CLOCK_MONOTONIC_RAW, &t);
		after = __rdtsc();
		if (after - before >= shortest)
			continue;
		shortest = after - before;
		ticks = before + shortest / 2;
		*now_ns = t.tv_sec * 1000000000LL + t.tv_nsec;
	}
	return ticks;
}

int main(void)
{
	const struct timespec measure = { .tv_nsec = MEASURE_NS };
	int64_t begin_ns = 0, end_ns = 0;
	uint64_t begin, end;

	begin = ticks_at(&begin_ns);
	nanosleep(&measure, NULL);
	end = ticks_at(&end_ns);
	printf("%.0f\n", (double)(end - begin) * 1e6 / (double)(end_ns - begin_ns));
	return 0;
}
