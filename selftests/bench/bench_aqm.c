// SPDX-License-Identifier: GPL-2.0
/*
 * What the marking decision costs beside RED's and CoDel's, in user space: a line per figure.
 *
 * sluice's is the code of the module (sluice/aqm.h). The others are written from their papers:
 *
 *   RED    Floyd, Jacobson, "Random Early Detection Gateways for Congestion Avoidance", IEEE/ACM
 *          ToN 1993, with the average's weight 1 (the instantaneous queue, like ours), fixed point as
 *          usual, and method 2 of its section 7: marks are spread evenly, because the probability
 *          grows with the number of packets since the last mark, and so one random number serves
 *          from one mark to the next.
 *   CoDel  Nichols, Jacobson, "Controlling Queue Delay", CACM 2012: at dequeue, on the sojourn time;
 *          intervals shrink with an inverse square root that one step of Newton's method follows.
 *
 * Both draw a random number for each mark. "prng" is a few instructions; "chacha" takes
 * numbers from batches of a ChaCha20 block, as the kernel's get_random_u32() does, which in
 * addition disables interrupts.
 *
 * Each packet is a call that is not inlined, as in a qdisc; the row "floor" is such a call that
 * decides nothing, and is part of all others. Rows are measured in interleaved rounds; compare
 * the ratios, which are medians over the rounds.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sluice/aqm.h>

#include "measure.h"

#define ROUNDS		31
#define PASSES		8		/* of which the fastest counts */
#define PACKETS		65536		/* of one pass; a power of two */

#define noinline	__attribute__((noinline))

/* --- random numbers --------------------------------------------------------- */

static uint32_t prng_state = 1;
static bool use_chacha;

static uint32_t rotate(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b, *d = rotate(*d ^ *a, 16);
	*c += *d, *b = rotate(*b ^ *c, 12);
	*a += *b, *d = rotate(*d ^ *a, 8);
	*c += *d, *b = rotate(*b ^ *c, 7);
}

/* RFC 8439, 2.3, as a generator: counter, no output but the block. */
static noinline uint32_t chacha_refill(uint32_t block[16])
{
	static uint32_t key[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, 1, 2, 3, 4, 5, 6,
				    7, 8 };

	key[12]++;
	memcpy(block, key, sizeof(key));
	for (int i = 0; i < 10; i++) {
		for (int j = 0; j < 4; j++)
			quarter_round(&block[j], &block[4 + j], &block[8 + j], &block[12 + j]);
		for (int j = 0; j < 4; j++)
			quarter_round(&block[j], &block[4 + (j + 1) % 4], &block[8 + (j + 2) % 4],
				      &block[12 + (j + 3) % 4]);
	}
	for (int i = 0; i < 16; i++)
		block[i] += key[i];
	return 15;
}

static uint32_t random32(void)
{
	static uint32_t block[16], left;

	if (use_chacha) {
		if (!left)
			left = chacha_refill(block) + 1;
		return block[--left];
	}
	/* Marsaglia's xorshift. */
	prng_state ^= prng_state << 13;
	prng_state ^= prng_state >> 17;
	prng_state ^= prng_state << 5;
	return prng_state;
}

/* --- sluice ------------------------------------------------------------------ */

static struct {
	struct sluice_aqm_config aqm;
	struct sluice_aqm_lot lot;
	uint32_t limit_bytes, limit_pkts;
} sluice;

/* What sluice_judge() does before it touches the packet. */
static noinline bool sluice_one(uint32_t backlog, uint32_t now_us)
{
	(void)now_us;
	if (backlog / 1024 >= sluice.limit_pkts || backlog + 1000ULL > sluice.limit_bytes)
		return false;
	if (!sluice_aqm_decide(&sluice.aqm, &sluice.lot, backlog))
		return false;
	if (sluice_aqm_spent(&sluice.lot))
		sluice_aqm_draw(&sluice.lot, random32());
	return true;
}

/* --- RED ----------------------------------------------------------------------- */

static struct {
	uint32_t limit_bytes;
	uint32_t min_th, max_th;	/* with the fixed point at bit Wlog */
	uint32_t wlog;
	uint32_t per_packet;		/* max_p / (max_th - min_th) in 2^-32 */
	uint32_t average;
	int32_t count;			/* packets since the last mark, -1 below min_th */
	uint32_t threshold;		/* a uniform random number, drawn once per mark */
} red;

static noinline bool red_one(uint32_t backlog, uint32_t now_us)
{
	uint64_t p;

	(void)now_us;
	if (backlog + 1000ULL > red.limit_bytes)
		return false;
	red.average += backlog - (red.average >> red.wlog);
	if (red.average < red.min_th) {
		red.count = -1;
		return false;
	}
	if (red.average >= red.max_th) {
		red.count = -1;
		return true;
	}
	if (++red.count <= 0) {
		red.threshold = random32();
		return false;
	}
	p = (uint64_t)((red.average - red.min_th) >> red.wlog) * red.per_packet;
	if (p * red.count < red.threshold)
		return false;
	red.count = 0;
	red.threshold = random32();
	return true;
}

/* --- CoDel --------------------------------------------------------------------- */

#define CODEL_TARGET_US		5000
#define CODEL_INTERVAL_US	100000

static struct {
	bool dropping;
	uint32_t first_above_us;	/* 0: below the target */
	uint32_t next_us;
	uint32_t count;
	uint16_t inverse_sqrt;		/* of count, in 2^-16 */
} codel;

/* One step of Newton's method for y = 1 / sqrt(count): y * (3 - count * y * y) / 2. */
static void codel_newton(void)
{
	uint32_t y = codel.inverse_sqrt;
	uint64_t square = (uint64_t)y * y >> 16;
	uint64_t step = (3ULL << 16) - codel.count * square;

	codel.inverse_sqrt = step * y >> 17;
}

static uint32_t codel_interval(void)
{
	return (uint64_t)CODEL_INTERVAL_US * codel.inverse_sqrt >> 16;
}

/* The sojourn time is given by the backlog, at 128 Mbit/s: the target is within the ramp. */
static noinline bool codel_one(uint32_t backlog, uint32_t now_us)
{
	uint32_t sojourn_us = backlog >> 4;
	bool above = false;

	if (sojourn_us < CODEL_TARGET_US || backlog <= 1514) {
		codel.first_above_us = 0;
	} else if (!codel.first_above_us) {
		codel.first_above_us = now_us + CODEL_INTERVAL_US;
	} else {
		above = (int32_t)(now_us - codel.first_above_us) > 0;
	}
	if (!codel.dropping) {
		if (!above)
			return false;
		codel.dropping = true;
		codel.count = codel.count > 2 && now_us - codel.next_us < 16 * CODEL_INTERVAL_US ?
			      codel.count - 2 : 1;
		if (codel.count == 1)
			codel.inverse_sqrt = UINT16_MAX;
		else
			codel_newton();
		codel.next_us = now_us + codel_interval();
		return true;
	}
	if (!above) {
		codel.dropping = false;
		return false;
	}
	if ((int32_t)(now_us - codel.next_us) < 0)
		return false;
	codel.count++;
	codel_newton();
	codel.next_us += codel_interval();
	return true;
}

static noinline bool floor_one(uint32_t backlog, uint32_t now_us)
{
	return backlog == now_us;
}

/* --- measuring ------------------------------------------------------------------- */

enum { FLOOR, SLUICE, RED, CODEL, MODELS };
static const struct {
	const char *name;
	bool (*one)(uint32_t backlog, uint32_t now_us);
} model[MODELS] = {
	{ "floor", floor_one }, { "sluice", sluice_one }, { "red", red_one }, { "codel", codel_one },
};

/* The thresholds are the defaults, 60000 and 180000 bytes with 10 %. */
static const struct {
	const char *name;
	uint32_t from, to;	/* of the backlog */
} queue[] = {
	{ "below", 0, 60000 }, { "ramp", 60000, 180000 }, { "above", 180000, 300000 },
	{ "all", 0, 240000 },
};
#define QUEUES (sizeof(queue) / sizeof(*queue))

static void configure(void)
{
	const struct sluice_aqm_params p = { 60000, 180000, 100000 };

	sluice_aqm_configure(&sluice.aqm, &p);
	sluice_aqm_draw(&sluice.lot, random32());
	sluice.limit_bytes = 4000000;
	sluice.limit_pkts = 1000000;
	red.limit_bytes = 4000000;
	red.min_th = p.qth_min;
	red.max_th = p.qth_max;
	red.per_packet = (uint32_t)(p.max_p * 4294.967296 / (p.qth_max - p.qth_min));
	red.count = -1;
}

/* A queue that moves by up to a thirtieth of its range at a time. */
static void fill(uint32_t *backlog, uint32_t from, uint32_t to)
{
	int64_t b = from + (to - from) / 2, step = (to - from) / 30;

	for (int i = 0; i < PACKETS; i++) {
		b += random32() % (2 * step + 1) - step;
		b = b < from ? from : b >= to ? to - 1 : b;
		backlog[i] = b;
	}
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static unsigned long marks[MODELS];

static double pass(int m, const uint32_t *backlog)
{
	bool (*volatile one)(uint32_t, uint32_t) = model[m].one;
	static uint32_t now_us;
	unsigned long n = 0;
	double begin = now_ns();

	for (int i = 0; i < PACKETS; i++)
		n += one(backlog[i], now_us += 12);
	marks[m] += n;
	return (now_ns() - begin) / PACKETS;
}

static void bench(const char *random, const char *name, const uint32_t *backlog)
{
	static double ns[MODELS][ROUNDS];
	struct row row[MODELS];
	struct summary s;

	memset(marks, 0, sizeof(marks));
	memset(row, 0, sizeof(row));
	for (int round = 0; round < ROUNDS; round++)
		for (int p = 0; p < PASSES; p++)
			for (int m = 0; m < MODELS; m++) {
				double t = pass(m, backlog);

				if (!p || t < ns[m][round])
					ns[m][round] = t;
			}
	for (int m = 0; m < MODELS; m++) {
		row[m].ns = ns[m];
		summarise(ns[m], ROUNDS, &s);
		printf("aqm/%s/%s/%s_ns %.2f iqr %.2f marks_ppm %.0f\n", random, name, model[m].name,
		       s.median, s.iqr, 1e6 * marks[m] / ((double)ROUNDS * PASSES * PACKETS));
	}
	printf("aqm/%s/%s/sluice_to_red %.3f sluice_to_codel %.3f\n", random, name,
	       median_ratio(&row[SLUICE], &row[RED], ROUNDS),
	       median_ratio(&row[SLUICE], &row[CODEL], ROUNDS));
}

int main(void)
{
	static uint32_t backlog[PACKETS];

	configure();
	for (int r = 0; r < 2; r++) {
		for (size_t i = 0; i < QUEUES; i++) {
			use_chacha = false;
			fill(backlog, queue[i].from, queue[i].to);
			use_chacha = r;
			bench(r ? "chacha" : "prng", queue[i].name, backlog);
		}
	}
	return 0;
}
