/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The marking decision of the sluice qdisc, as integer code that the kernel
 * module, the simulator and the unit tests compile from this one source.
 *
 * The idea. Random Early Detection (Floyd, Jacobson, "Random Early Detection
 * Gateways for Congestion Avoidance", IEEE/ACM ToN 1993) signals congestion
 * with a probability that rises with the queue, so that senders slow down
 * before the buffer is full and not all at once. RED looks at a moving average,
 * because it drops: bursts shall pass. DCTCP (RFC 8257) showed that with ECN and
 * a sender that reacts in proportion to the fraction of marks, the
 * *instantaneous* queue is the better signal, since the averaging then happens
 * at the sender, over one round trip. ACC (Yan et al., "ACC: Automatic ECN
 * Tuning for High-Speed Datacenter Networks", SIGCOMM 2021) keeps RED's ramp on
 * the instantaneous queue and learns its three parameters (Kmin, Kmax, Pmax).
 * That ramp is what is computed here; q is the backlog in front of the packet:
 *
 *          1 |              .--------     q >= qth_max: 1, whatever max_p is
 *            |              |
 *      max_p |             /
 *            |         /
 *            |     /
 *          0 |----'
 *            +----+---------+-------- q
 *             qth_min    qth_max
 *
 * qth_min == qth_max is a step: DCTCP's single threshold K.
 *
 * Three structs, as elsewhere in net/sched: params are what is set, config is
 * computed from them once per change, and the decision itself only reads config.
 * The caller brings the random numbers, so a test can choose them.
 *
 * Fixed point. A probability is an integer p in 0 .. 2^32, meaning p / 2^32, so
 * that 2^32 is "always" and the decision takes no division. On the ramp
 *
 *     p = (q - qth_min) * slope >> 32
 *     slope = max_p * 2^64 / (10^6 * (qth_max - qth_min)), rounded down,
 *
 * that is, slope holds units of 2^-64 per byte. It is rounded by less than one
 * such unit, and q - qth_min is below 2^31, so p is exact to one unit of 2^-32
 * over the whole range of the knobs. The product cannot overflow: on the ramp
 * it is below max_p / 10^6 * 2^64.
 *
 * One random number a mark. To draw one for each packet costs more than all the
 * rest together. Packets that are marked independently of each other with
 * probabilities p1, p2, ... all go without a mark until the n-th with probability
 *
 *     S(n) = (1 - p1) (1 - p2) ... (1 - pn),
 *
 * so the first n at which S(n) falls below one number, uniform between 0 and 1, is
 * distributed as the first mark is, whatever the queue does meanwhile (inversion;
 * Devroye, "Non-Uniform Random Variate Generation", 1986, II.2). A lot is such a
 * number and the product so far. RED's own way of spacing its marks (method 2 of
 * its section 7) takes one number a mark, too, but changes how often it marks.
 * S has 64 bits of which 32 are compared: a decision's probability is exact to one
 * unit of 2^-32 / S.
 */
#ifndef _SLUICE_AQM_H
#define _SLUICE_AQM_H

#include <linux/types.h>
#ifndef __KERNEL__
#include <stdbool.h>
#endif

#define SLUICE_AQM_PPM		1000000u
#define SLUICE_AQM_ALWAYS	(1ULL << 32)

struct sluice_aqm_params {
	__u32 qth_min;		/* bytes */
	__u32 qth_max;		/* bytes, not below qth_min */
	__u32 max_p;		/* ppm */
};

struct sluice_aqm_config {
	__u32 qth_min;
	__u32 qth_max;
	__u64 slope;		/* 2^-64 per byte */
};

/*
 * num / den in units of 2^-64, rounded down; num <= den. Long division bit by
 * bit: it runs once per change of a setting and needs no 128-bit type, which
 * kernels for 32-bit machines and BPF do not have. The one quotient that does
 * not fit (100 % within one byte) becomes all ones, and is only ever multiplied
 * by 0.
 */
static inline __u64 sluice_aqm_slope(__u64 num, __u64 den)
{
	__u64 slope = 0;
	int i;

	for (i = 0; i < 64; i++) {
		slope <<= 1;
		num <<= 1;
		if (num >= den) {
			num -= den;
			slope |= 1;
		}
	}
	return slope;
}

/* qth_min <= qth_max and max_p <= 10^6 are the caller's to check. */
static inline void sluice_aqm_configure(struct sluice_aqm_config *c,
					const struct sluice_aqm_params *p)
{
	__u64 range = p->qth_max - p->qth_min;

	c->qth_min = p->qth_min;
	c->qth_max = p->qth_max;
	c->slope = range ? sluice_aqm_slope(p->max_p, SLUICE_AQM_PPM * range) : 0;
}

/* The probability, in 2^-32, that a packet behind "backlog" bytes is marked. */
static inline __u64 sluice_aqm_probability(const struct sluice_aqm_config *c, __u32 backlog)
{
	if (backlog >= c->qth_max)
		return SLUICE_AQM_ALWAYS;
	if (backlog < c->qth_min)
		return 0;
	return (backlog - c->qth_min) * c->slope >> 32;
}

struct sluice_aqm_lot {
	__u64 survival;		/* S in 2^-64 */
	__u32 threshold;	/* 2^-32; never 0, which S would not fall below */
};

/* A new lot; "random" is uniform over 32 bits. */
static inline void sluice_aqm_draw(struct sluice_aqm_lot *lot, __u32 random)
{
	lot->survival = ~0ULL;
	lot->threshold = random ? random : 1;
}

/* Whether it has chosen a packet: draw another before the next decision. */
static inline bool sluice_aqm_spent(const struct sluice_aqm_lot *lot)
{
	return lot->survival >> 32 < lot->threshold;
}

/* Whether to mark a packet behind "backlog" bytes. Chance decides on the ramp only. */
static inline bool sluice_aqm_decide(const struct sluice_aqm_config *c,
				     struct sluice_aqm_lot *lot, __u32 backlog)
{
	__u64 p;

	if (backlog < c->qth_min)
		return false;
	if (backlog >= c->qth_max)
		return true;
	p = sluice_aqm_probability(c, backlog);
	lot->survival -= (lot->survival >> 32) * p + ((__u32)lot->survival * p >> 32);
	return sluice_aqm_spent(lot);
}

#endif /* _SLUICE_AQM_H */
