/* SPDX-License-Identifier: GPL-2.0 */
/* Numbers 0 to n - 1 by Zipf's law, in constant time: Walker's alias method (1977). */
#ifndef SLUICE_SIM_ZIPF_H
#define SLUICE_SIM_ZIPF_H

#include <stdint.h>

#include "lib/rng.h"

struct zipf {
	float *keep;		/* [n] the share of a slot that is its own number's ... */
	uint32_t *alias;	/* [n] ... and whose the rest is */
	uint32_t n;
};

/* The number i in proportion to 1 / (i + 1)^exponent; -ENOMEM. */
int zipf_new(struct zipf *z, uint32_t n, double exponent);
int zipf_copy(struct zipf *to, const struct zipf *from);
void zipf_free(struct zipf *z);

static inline uint32_t zipf_draw(const struct zipf *z, struct rng *r)
{
	const uint32_t i = rng_below(r, z->n);

	return rng_uniform(r) < (double)z->keep[i] ? i : z->alias[i];
}

#endif
