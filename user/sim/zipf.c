// SPDX-License-Identifier: GPL-2.0
#include "sim/zipf.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int zipf_new(struct zipf *z, uint32_t n, double exponent)
{
	double *share = malloc(n * sizeof(*share)), sum = 0;
	uint32_t *small = malloc(n * sizeof(*small)), n_small = 0, n_large = 0;
	uint32_t *large = malloc(n * sizeof(*large));
	int r = -ENOMEM;

	z->n = n;
	z->keep = malloc(n * sizeof(*z->keep));
	z->alias = calloc(n, sizeof(*z->alias));
	if (!share || !small || !large || !z->keep || !z->alias)
		goto out;
	for (uint32_t i = 0; i < n; i++)
		sum += share[i] = pow(i + 1.0, -exponent);
	for (uint32_t i = 0; i < n; i++) {
		share[i] *= n / sum;
		if (share[i] < 1)
			small[n_small++] = i;
		else
			large[n_large++] = i;
	}
	while (n_small && n_large) {
		const uint32_t s = small[--n_small], l = large[n_large - 1];

		z->keep[s] = (float)share[s];
		z->alias[s] = l;
		share[l] -= 1 - share[s];
		if (share[l] < 1) {
			n_large--;
			small[n_small++] = l;
		}
	}
	while (n_large)
		z->keep[large[--n_large]] = 1;
	while (n_small)
		z->keep[small[--n_small]] = 1;
	r = 0;
out:
	free(share);
	free(small);
	free(large);
	if (r)
		zipf_free(z);
	return r;
}

int zipf_copy(struct zipf *to, const struct zipf *from)
{
	*to = (struct zipf){ .n = from->n };
	if (!from->keep)
		return 0;
	to->keep = malloc(from->n * sizeof(*to->keep));
	to->alias = malloc(from->n * sizeof(*to->alias));
	if (!to->keep || !to->alias) {
		zipf_free(to);
		return -ENOMEM;
	}
	memcpy(to->keep, from->keep, from->n * sizeof(*to->keep));
	memcpy(to->alias, from->alias, from->n * sizeof(*to->alias));
	return 0;
}

void zipf_free(struct zipf *z)
{
	free(z->keep);
	free(z->alias);
	*z = (struct zipf){ 0 };
}
