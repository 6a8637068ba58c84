// SPDX-License-Identifier: GPL-2.0
#include "policy/novelty.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ecn_grid.h"
#include "daemon/reward_ecn.h"
#include "policy/qtree.h"

#define VERSION		1	/* of the section */
#define NEIGHBOURS	3
#define SPREAD_LEAST	1e-3	/* a feature that never changed has a scale all the same */

/* Then references x features floats, then as many scores as floats, ascending. */
struct head {
	uint32_t version, space, features, neighbours;
	uint64_t references, scores;
	double scale[NOVELTY_FEATURES_MAX];	/* 1 / standard deviation */
};

/* Rows in whole vectors: every test looks at all of them. */
#define WIDTH(features)	(((features) + 3) / 4 * 4)

struct novelty {
	enum novelty_space space;
	size_t features, width, references, scores;
	double scale[NOVELTY_FEATURES_MAX];
	float *reference;		/* (references, width), scaled */
	float *score;
	struct qtree tree;		/* of a qtree */
	unsigned int *support;		/* references, by node of it */
};

enum novelty_space novelty_space_of(const struct model *m)
{
	return strcmp(m->kind, policy_qtree.name) ? NOVELTY_POLICY : NOVELTY_QTREE;
}

enum novelty_space novelty_space(const struct novelty *n)
{
	return n->space;
}

size_t novelty_features(enum novelty_space space)
{
	return space == NOVELTY_QTREE ? (size_t)DISTILL_F_NR : (size_t)FEATURES;
}

/* --- how far ------------------------------------------------------------------------------- */

static size_t leaf(const struct cart *c, const double *x)
{
	size_t at = 0;

	while (c->node[at].feature >= 0)
		at = x[c->node[at].feature] <= c->node[at].at ? c->node[at].below :
								c->node[at].above;
	return at;
}

static void scale_row(const struct novelty *n, const double *x, float *to)
{
	for (size_t i = 0; i < n->width; i++)
		to[i] = i < n->features ? x[i] * n->scale[i] : 0;
}

static float square(float x)
{
	return x * x;
}

/* From 0 to 1, in a leaf without support from 1 to 2; not a number where x has one. */
static float score(const struct novelty *n, const double *x)
{
	float near[NEIGHBOURS], at_x[NOVELTY_FEATURES_MAX], furthest = INFINITY, sum = 0;
	const float *row = n->reference;
	int found = 0;

	for (size_t i = 0; i < n->features; i++)
		if (!isfinite(x[i]))
			return NAN;
	scale_row(n, x, at_x);
	for (size_t j = 0; j < n->references; j++, row += n->width) {
		float d = 0;
		int at;

		/* Most rows are too far by a few features already. */
		for (size_t i = 0; i < n->width && d < furthest; i += 4)
			d += square(at_x[i] - row[i]) + square(at_x[i + 1] - row[i + 1]) +
			     square(at_x[i + 2] - row[i + 2]) + square(at_x[i + 3] - row[i + 3]);
		if (!(d < furthest))
			continue;
		at = found < NEIGHBOURS ? found++ : found - 1;
		for (; at > 0 && near[at - 1] > d; at--)
			near[at] = near[at - 1];
		near[at] = d;
		if (found == NEIGHBOURS)
			furthest = near[found - 1];
	}
	for (int i = 0; i < found; i++)
		sum += sqrtf(near[i]) / NEIGHBOURS;
	/* All are too far for a number: further than any other. */
	sum = found == NEIGHBOURS && isfinite(sum) ? sum / (1 + sum) : 1;
	return sum + (n->support && !n->support[leaf(&n->tree.cart, x)]);
}

double novelty_p(const struct novelty *n, const double *x)
{
	const float s = score(n, x);
	size_t low = 0, high = n->scores;

	if (isnan(s))
		return 1.0 / (n->scores + 1);
	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (n->score[middle] < s)
			low = middle + 1;
		else
			high = middle;
	}
	return (1.0 + n->scores - low) / (n->scores + 1.0);
}

/* --- the section ----------------------------------------------------------------------------- */

void novelty_free(struct novelty *n)
{
	if (!n)
		return;
	qtree_free(&n->tree);
	free(n->reference);
	free(n->score);
	free(n->support);
	free(n);
}

/* From the reference as it is in the file: what a leaf holds must not depend on who counts. */
static int take_reference(struct novelty *n, const struct model *m, const float *reference)
{
	int r = n->space == NOVELTY_QTREE ? qtree_get(m, &n->tree) : 0;

	if (r)
		return r;
	n->reference = malloc(n->references * n->width * sizeof(*n->reference));
	if (n->space == NOVELTY_QTREE)
		n->support = calloc(n->tree.cart.n, sizeof(*n->support));
	if (!n->reference || (n->space == NOVELTY_QTREE && !n->support))
		return -ENOMEM;
	for (size_t j = 0; j < n->references; j++) {
		double x[NOVELTY_FEATURES_MAX];

		for (size_t i = 0; i < n->features; i++) {
			x[i] = reference[j * n->features + i];
			if (!isfinite(x[i]))
				return -EBADMSG;
		}
		scale_row(n, x, n->reference + j * n->width);
		if (n->support)
			n->support[leaf(&n->tree.cart, x)]++;
	}
	return 0;
}

static int take_scores(struct novelty *n, const float *scores)
{
	n->score = malloc(n->scores * sizeof(*n->score));
	if (!n->score)
		return -ENOMEM;
	memcpy(n->score, scores, n->scores * sizeof(*n->score));
	for (size_t i = 0; i < n->scores; i++)
		if (!(n->score[i] >= (i ? n->score[i - 1] : 0)) || n->score[i] > 2)
			return -EBADMSG;
	return 0;
}

static bool head_ok(const struct head *h, const struct model *m)
{
	if (h->version != VERSION || h->space != novelty_space_of(m) ||
	    h->features != novelty_features(h->space) || h->neighbours != NEIGHBOURS ||
	    h->references < NEIGHBOURS || h->references > NOVELTY_REFERENCE || !h->scores ||
	    h->scores > NOVELTY_CALIBRATION ||
	    m->calibration_size != sizeof(*h) + (h->references * h->features + h->scores) *
	    sizeof(float))
		return false;
	for (size_t i = 0; i < h->features; i++)
		if (!(h->scale[i] > 0) || !isfinite(h->scale[i]))
			return false;
	return true;
}

static struct novelty *begin(const struct head *h)
{
	struct novelty *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->space = h->space;
	n->features = h->features;
	n->width = WIDTH(h->features);
	n->references = h->references;
	n->scores = h->scores;
	memcpy(n->scale, h->scale, sizeof(n->scale));
	return n;
}

int novelty_of(const struct model *m, struct novelty **ret)
{
	const char *data = m->calibration;
	struct novelty *n;
	struct head h;
	int r;

	if (!data) {
		*ret = NULL;
		return 0;
	}
	if (m->calibration_size < sizeof(h))
		return -EBADMSG;
	memcpy(&h, data, sizeof(h));
	if (!head_ok(&h, m))
		return -EBADMSG;
	n = begin(&h);
	if (!n)
		return -ENOMEM;
	/* The head is a multiple of 8 bytes long, so floats are where they may be. */
	r = take_reference(n, m, (const float *)(data + sizeof(h)));
	if (!r)
		r = take_scores(n, (const float *)(data + sizeof(h)) + h.references * h.features);
	if (r)
		novelty_free(n);
	else
		*ret = n;
	return r;
}

/* --- calibrating ------------------------------------------------------------------------------ */

static int scale_of(const double *x, size_t n, size_t features, double *scale)
{
	for (size_t i = 0; i < features; i++) {
		double sum = 0, squares = 0;

		for (size_t j = 0; j < n; j++)
			sum += x[j * features + i] / n;
		for (size_t j = 0; j < n; j++)
			squares += pow(x[j * features + i] - sum, 2) / n;
		scale[i] = 1 / fmax(sqrt(squares), SPREAD_LEAST);
		if (!isfinite(sum) || !isfinite(squares))
			return -EDOM;
	}
	return 0;
}

/* Of "of", which of "n" is number i? */
static size_t nth(size_t i, size_t n, size_t of)
{
	return i * of / n;
}

static int ascending(const void *a, const void *b)
{
	const float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

int novelty_calibrate(struct model *m, const double *reference, size_t references,
		      const double *calibration, size_t calibrations)
{
	struct head h = { .version = VERSION, .space = novelty_space_of(m),
			  .neighbours = NEIGHBOURS };
	struct novelty *n = NULL;
	char *data;
	float *at;
	size_t size;
	int r;

	h.features = novelty_features(h.space);
	h.references = references < NOVELTY_REFERENCE ? references : NOVELTY_REFERENCE;
	h.scores = calibrations < NOVELTY_CALIBRATION ? calibrations : NOVELTY_CALIBRATION;
	if (references < NEIGHBOURS || !calibrations)
		return -ENODATA;
	r = scale_of(reference, references, h.features, h.scale);
	size = sizeof(h) + (h.references * h.features + h.scores) * sizeof(*at);
	data = r ? NULL : malloc(size);
	if (!data)
		return r ? r : -ENOMEM;
	memcpy(data, &h, sizeof(h));
	at = (float *)(data + sizeof(h));
	for (size_t j = 0; j < h.references; j++)
		for (size_t i = 0; i < h.features; i++)
			*at++ = reference[nth(j, h.references, references) * h.features + i];
	n = begin(&h);
	r = n ? take_reference(n, m, (const float *)(data + sizeof(h))) : -ENOMEM;
	for (size_t j = 0; !r && j < h.scores; j++) {
		at[j] = score(n, calibration + nth(j, h.scores, calibrations) * h.features);
		if (isnan(at[j]))
			r = -EDOM;
	}
	novelty_free(n);
	if (r) {
		free(data);
		return r;
	}
	qsort(at, h.scores, sizeof(*at), ascending);
	free(m->calibration);
	m->calibration = data;
	m->calibration_size = size;
	return 0;
}

/* --- a queue ------------------------------------------------------------------------------------ */

bool novelty_state(struct novelty_watch *w, enum novelty_space space, const struct ecn_interval *in,
		   double *x)
{
	const struct distill_queue queue = distill_queue_of(in);
	double seen[FEATURES];

	if (!ecn_interval_ok(in))
		return false;
	distill_sample_add(&w->sample, in);
	if (!ecn_interval_active(in) || !policy_watch(&w->policy, in, seen))
		return false;
	if (space == NOVELTY_QTREE)
		distill_features(&queue, &w->sample, x);
	else
		memcpy(x, seen, sizeof(seen));
	w->sample = (struct sluice_tree_sample){ 0 };
	w->states++;
	return true;
}

bool novelty_epoch(const struct novelty *n, struct novelty_watch *w, const struct ecn_interval *in)
{
	double x[NOVELTY_FEATURES_MAX];

	if (!novelty_state(w, n->space, in, x))
		return false;
	w->p = novelty_p(n, x);
	return true;
}
