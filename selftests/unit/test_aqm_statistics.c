// SPDX-License-Identifier: GPL-2.0
/*
 * A million decisions: their number is that which the contract's formula promises for the backlogs
 * they met, within the interval that holds 99.9 % of all runs; over everything, by backlog, and one
 * after the other. The seeds are fixed, so a result is the same each time.
 */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/sluice.h>
#include <sluice/aqm.h>

#define DECISIONS	1000000
#define BANDS		16
#define Z_999		3.2905

/* SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): its upper half is uniform. */
static __u32 next_random(__u64 *state)
{
	__u64 x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return (x ^ x >> 31) >> 32;
}

/* The contract's formula. */
static double promised(const struct sluice_aqm_params *p, __u32 q)
{
	if (q < p->qth_min)
		return 0;
	if (q >= p->qth_max)
		return 1;
	return p->max_p / 1e6 * (q - p->qth_min) / (p->qth_max - p->qth_min);
}

/* Decisions of different probability: a sum of Bernoulli variables. */
struct tally {
	double mean, variance;
	long marks;
};

static void count(struct tally *t, double p, bool mark)
{
	t->mean += p;
	t->variance += p * (1 - p);
	t->marks += mark;
}

/* One beyond the interval, because marks are whole. */
static void assert_within(const struct tally *t, const char *what, __u32 at)
{
	double room = Z_999 * sqrt(t->variance) + 1;

	if (fabs(t->marks - t->mean) > room)
		fail_msg("%s %u: %ld marks, promised %.1f +- %.1f", what, at, t->marks, t->mean, room);
}

static bool decide(const struct sluice_aqm_config *c, struct sluice_aqm_lot *lot, __u32 q, __u64 *seed)
{
	bool mark = sluice_aqm_decide(c, lot, q);

	if (sluice_aqm_spent(lot))
		sluice_aqm_draw(lot, next_random(seed));
	return mark;
}

/* A queue that fills and drains in random steps of up to three packets of 1500 bytes. */
static __u32 next_backlog(__u32 q, __u32 top, __u64 *seed)
{
	__s64 next = (__s64)q + next_random(seed) % 9001 - 4500;

	return next < 0 ? -next : next > top ? 2 * (__s64)top - next : next;
}

static void run(const struct sluice_aqm_params *p, __u64 seed)
{
	__u32 top = p->qth_max + p->qth_max / 4 + 6000, q = p->qth_min;
	struct tally all = { 0 }, band[BANDS] = { 0 }, pair = { 0 };
	__u64 queue_seed = seed * 7919;
	struct sluice_aqm_config c;
	struct sluice_aqm_lot lot;
	bool before = false;

	sluice_aqm_configure(&c, p);
	sluice_aqm_draw(&lot, next_random(&seed));
	for (int i = 0; i < DECISIONS; i++) {
		double chance = promised(p, q);
		bool mark = decide(&c, &lot, q, &seed);

		count(&all, chance, mark);
		count(&band[(__u64)q * BANDS / ((__u64)top + 1)], chance, mark);
		/* Behind a marked packet the next one's chance is what it is behind any. */
		if (before)
			count(&pair, chance, mark);
		before = mark;
		q = next_backlog(q, top, &queue_seed);
	}
	assert_within(&all, "all, max_p", p->max_p);
	assert_within(&pair, "behind a mark, max_p", p->max_p);
	for (__u32 i = 0; i < BANDS; i++)
		assert_within(&band[i], "band", i);
}

static void test_promise(void **state)
{
	static const struct sluice_aqm_params p[] = {
		{ 60000, 180000, 100000 }, { 0, 200000, 1000000 }, { 30000, 90000, 1000 },
		{ 50000, 50000, 0 }, { 10000, 300000, 500000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(*p); i++)
		run(&p[i], i + 1);
}

/* A chance of one in a hundred thousand and its complement, where 32 bits begin to be few. */
static void test_rare(void **state)
{
	const struct sluice_aqm_params p = { 0, 100000, 1000000 };
	struct tally rare = { 0 }, frequent = { 0 };
	struct sluice_aqm_lot lot, other;
	struct sluice_aqm_config c;
	__u64 seed = 99;

	(void)state;
	sluice_aqm_configure(&c, &p);
	sluice_aqm_draw(&lot, next_random(&seed));
	sluice_aqm_draw(&other, next_random(&seed));
	for (int i = 0; i < DECISIONS; i++) {
		count(&rare, promised(&p, 1), decide(&c, &lot, 1, &seed));
		count(&frequent, promised(&p, 99999), decide(&c, &other, 99999, &seed));
	}
	assert_within(&rare, "backlog", 1);
	assert_within(&frequent, "backlog", 99999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise),
		cmocka_unit_test(test_rare),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
