// SPDX-License-Identifier: GPL-2.0
/*
 * Time is cut by the clock, not by what was seen: block and slice are quotients of the time since the first
 * call, so queues are aligned, and a clock that jumped (a suspended machine) lands somewhere later, the
 * slices in between having nothing reported and being void.
 *
 * Each queue draws its own order in each block, by hashing the seed, the queue and the block. When a
 * queue enters a block, its last one is added to the sums of that block; those become one observation
 * when all queues have left the block, at the latest one slice after it. Nothing that decides
 * whether a block counts looks at which arm was which: void is what was not measured.
 */
#include "guard/trial.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "guard/confseq.h"
#include "guard/trial_priv.h"
#include "lib/clamp.h"
#include "lib/rng.h"

#define NS		1e9
#define QUEUES_MAX	65536
#define VOID_MAX	4	/* times max_blocks, void ones included */

struct trial {
	struct trial_config c;
	unsigned int n_slices;	/* of a block */
	unsigned int first;	/* difference that there is: 1, that to the static arm, without the other */
	uint64_t slice_ns;

	bool began;
	uint64_t t0_ns, now_ns;
	unsigned int n_queues;
	struct trial_queue *queue;

	bool canary;
	unsigned int canary_queue;
	unsigned int canary_blocks;	/* in a row, without harm */

	/* The block that queues are leaving. */
	bool open;
	uint64_t block, next_block;
	double sum[2];
	unsigned int n_sum;
	uint64_t blocks, voided;

	struct confseq difference[2];
	struct edetector fall;
	struct trial_sums sums;
	enum trial_verdict verdict;
};

static const char *const verdict_names[TRIAL_VERDICT_N] = {
	[TRIAL_RUNNING] = "running", [TRIAL_BETTER] = "better", [TRIAL_WORSE] = "worse",
	[TRIAL_HARMFUL] = "harmful", [TRIAL_UNDECIDED] = "undecided",
};

const char *trial_verdict_name(enum trial_verdict v)
{
	return (unsigned int)v < TRIAL_VERDICT_N ? verdict_names[v] : "?";
}

const char *trial_verdict_text(enum trial_verdict v)
{
	switch (v) {
#define X(name, text)		\
	case TRIAL_##name:	\
		return text;
	TRIAL_VERDICTS(X)
#undef X
	default:
		return "?";
	}
}

const char *trial_arm_name(enum trial_arm a)
{
	static const char *const names[TRIAL_ARMS] = { "incumbent", "candidate", "static" };

	return (unsigned int)a < TRIAL_ARMS ? names[a] : "?";
}

void trial_config_default(struct trial_config *c)
{
	*c = (struct trial_config){
		.slice_s = 5.0, .discard = 0.2, .alpha = 0.05, .span = 0.5, .harm = 0.5,
		.strikes = 3, .tolerance = 0.05, .canary_blocks = 5, .max_blocks = 400,
		.watch_slices = 10,
	};
}

/*
 * A slice in which an arm did harm lasts slice_s at most, and it is one strike as soon as the static arm has
 * been measured after it: in the rest of that slice, or in the static arm's own. In a trial that has one
 * in every block, so that two slices at most are not judged yet; in the watch TRIAL_PENDING are,
 * then the older ones are judged by what is known. So when the last strike that is allowed for
 * is counted, as many may be counted with it, and of those one less is too many.
 */
static unsigned int unjudged(const struct trial_config *c)
{
	return c->watch ? TRIAL_PENDING : 1;
}

double trial_worst(const struct trial_config *c)
{
	return (TRIAL_HARM_TOTAL * c->strikes + unjudged(c)) * c->slice_s;
}

/* Then J is below the bound from the first second that counts on, and the static arm has the rest of the slice. */
double trial_worst_steady(const struct trial_config *c)
{
	double settle_s = c->discard * c->slice_s + 1.0, reaction_s = fmin(settle_s, c->slice_s);
	bool rest = c->slice_s - reaction_s >= settle_s;	/* long enough to judge by */

	return (trial_in_row(c) + (rest ? 0 : unjudged(c))) * reaction_s;
}

static bool positive(double x)
{
	return isfinite(x) && x > 0.0;
}

int trial_new(const struct trial_config *c, struct trial **ret)
{
	struct trial *t;

	if (!(c->slice_s >= 0.01) || !(c->slice_s <= 86400.0) || !(c->discard >= 0.0) ||
	    !(c->discard < 0.5) || !positive(c->alpha) || c->alpha >= 0.5 ||
	    !positive(c->span) || !positive(c->harm) || !c->strikes || !(c->tolerance >= 0.0) ||
	    !isfinite(c->tolerance))
		return -EINVAL;
	if (c->watch ? c->watch_slices < 2 || c->watch_slices > 1000 : !c->max_blocks)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->c = *c;
	t->slice_ns = (uint64_t)(c->slice_s * NS);
	t->n_slices = c->watch ? c->watch_slices : c->incumbent_is_static ? 2 : 3;
	t->first = c->watch || c->incumbent_is_static ? 1 : 0;
	t->canary = !c->watch && c->canary_blocks;
	for (int i = 0; i < 2; i++)	/* alpha is of one end here */
		confseq_init(&t->difference[i], -c->span, c->span, 2.0 * c->alpha);
	edetector_init(&t->fall, c->span, c->tolerance, c->alpha);
	t->sums.worst = INFINITY;
	*ret = t;
	return 0;
}

void trial_free(struct trial *t)
{
	if (!t)
		return;
	for (unsigned int i = 0; i < t->n_queues; i++)
		free(t->queue[i].order);
	free(t->queue);
	free(t);
}

static enum trial_arm judged(const struct trial *t)
{
	return t->c.watch ? TRIAL_INCUMBENT : TRIAL_CANDIDATE;
}

/* Who does not take part; and everybody when it is over. */
static enum trial_arm bystander(const struct trial *t)
{
	return t->c.watch && t->verdict != TRIAL_RUNNING ? TRIAL_STATIC : TRIAL_INCUMBENT;
}

static struct trial_queue *queue_get(struct trial *t, unsigned int index)
{
	if (index >= QUEUES_MAX)
		return NULL;
	if (index >= t->n_queues) {
		struct trial_queue *q = realloc(t->queue, (index + 1) * sizeof(*q));

		if (!q)
			return NULL;
		memset(q + t->n_queues, 0, (index + 1 - t->n_queues) * sizeof(*q));
		t->queue = q;
		t->n_queues = index + 1;
	}
	if (!t->queue[index].order) {
		t->queue[index].order = calloc(t->n_slices, sizeof(enum trial_arm));
		t->queue[index].reference = NAN;
	}
	return t->queue[index].order ? &t->queue[index] : NULL;
}

static void draw_order(const struct trial *t, unsigned int index, struct trial_queue *q)
{
	unsigned int n = t->n_slices;
	struct rng r;

	rng_seed(&r, rng_mix64(t->c.seed ^ rng_mix64(q->block ^ rng_mix64(index + 1))));
	if (t->c.watch) {
		for (unsigned int i = 0; i < n; i++)
			q->order[i] = TRIAL_INCUMBENT;
		q->order[q->warm_up ? 0 : rng_below(&r, n)] = TRIAL_STATIC;
		return;
	}
	q->order[0] = TRIAL_STATIC;
	q->order[1] = q->warm_up ? TRIAL_STATIC : TRIAL_CANDIDATE;
	if (n > 2)
		q->order[2] = q->warm_up ? TRIAL_STATIC : TRIAL_INCUMBENT;
	for (unsigned int i = n; i > 1; i--) {
		unsigned int j = rng_below(&r, i);
		enum trial_arm a = q->order[i - 1];

		q->order[i - 1] = q->order[j];
		q->order[j] = a;
	}
}

static void decide(struct trial *t)
{
	const struct confseq *d = t->difference;
	double enough = log(1.0 / t->c.alpha), split = enough + log(2 - t->first);
	bool better = true, worse = false;

	for (unsigned int i = t->first; i < 2; i++) {
		double from, to;

		confseq_interval(&d[i], &from, &to);
		better &= from >= 0.0;	/* "at most 0" is excluded, that is */
		worse |= confseq_evidence_below(&d[i], 0.0) >= split;
	}
	if (t->c.watch)
		t->verdict = t->fall.alarm ? TRIAL_WORSE : TRIAL_RUNNING;
	else if (worse)
		t->verdict = TRIAL_WORSE;
	else if (better)
		t->verdict = TRIAL_BETTER;
	else if (t->blocks >= t->c.max_blocks ||
		 t->blocks + t->voided >= (uint64_t)VOID_MAX * t->c.max_blocks)
		t->verdict = TRIAL_UNDECIDED;
}

/* The block is over for all: one observation. */
static void settle(struct trial *t)
{
	t->open = false;
	t->next_block = t->block + 1;
	if (!t->n_sum) {
		t->voided++;
	} else {
		t->blocks++;
		for (unsigned int i = t->first; i < 2; i++)
			confseq_add(&t->difference[i], t->sum[i] / t->n_sum);
		if (t->c.watch)
			edetector_add(&t->fall, t->sum[1] / t->n_sum);
	}
	if (t->verdict == TRIAL_RUNNING)
		decide(t);
}

static void settle_if_over(struct trial *t)
{
	uint64_t block_ns = t->slice_ns * t->n_slices;

	if (!t->open)
		return;
	if (t->now_ns - t->t0_ns < (t->block + 1) * block_ns + t->slice_ns)
		for (unsigned int i = 0; i < t->n_queues; i++)
			if (t->queue[i].taking && t->queue[i].block == t->block)
				return;
	settle(t);
}

/* The queue leaves its block. */
static void leave_block(struct trial *t, unsigned int index, struct trial_queue *q)
{
	enum trial_arm arm = judged(t);
	double own = 0.0, reference = NAN, incumbent = NAN;
	bool counts = !q->is_void && !q->warm_up;

	if (t->canary && index == t->canary_queue) {
		if (q->struck || q->n_pending)
			t->canary_blocks = 0;
		else if (counts && ++t->canary_blocks >= t->c.canary_blocks)
			t->canary = false;
	}
	if (q->block < (t->open ? t->block : t->next_block))
		return;		/* too late */
	if (t->open && t->block != q->block)
		settle(t);
	if (!t->open) {
		t->open = true;
		t->block = q->block;
		t->sum[0] = t->sum[1] = 0.0;
		t->n_sum = 0;
	}
	if (!counts || !q->slices[arm] || !q->slices[TRIAL_STATIC])
		return;
	own = q->reward[arm] / q->slices[arm];
	reference = q->reward[TRIAL_STATIC] / q->slices[TRIAL_STATIC];
	if (q->slices[TRIAL_INCUMBENT])
		incumbent = q->reward[TRIAL_INCUMBENT] / q->slices[TRIAL_INCUMBENT];
	t->sums.worst = fmin(t->sums.worst, own - reference);
	/* Clipped queue by queue, so that one cannot drown the others. */
	t->sum[0] += clamp(own - incumbent, -t->c.span, t->c.span);
	t->sum[1] += clamp(own - reference, -t->c.span, t->c.span);
	t->n_sum++;
}

static void enter_block(struct trial *t, unsigned int index, struct trial_queue *q,
			uint64_t block)
{
	/* A canary that has not been seen for a block is replaced. */
	if (t->canary && index != t->canary_queue) {
		const struct trial_queue *old = &t->queue[t->canary_queue];

		if (t->canary_queue >= t->n_queues || !old->known || old->block + 1 < block) {
			if (t->canary_queue < t->n_queues)
				t->queue[t->canary_queue].taking = false;
			t->canary_queue = index;
			t->canary_blocks = 0;
		}
	}
	q->taking = !t->canary || index == t->canary_queue;
	q->block = block;
	q->block_reference = q->reference;
	q->warm_up = isnan(q->reference);
	q->is_void = q->struck = q->out = false;
	for (int a = 0; a < TRIAL_ARMS; a++) {
		q->reward[a] = 0.0;
		q->slices[a] = 0;
	}
	draw_order(t, index, q);
}

enum trial_arm trial_arm(struct trial *t, unsigned int queue, uint64_t now_ns, bool *takes_part)
{
	struct trial_queue *q = queue_get(t, queue);
	uint64_t block, slice, since;
	bool enters;

	if (takes_part)
		*takes_part = false;
	if (!q || t->verdict != TRIAL_RUNNING)
		return bystander(t);
	if (!t->began) {
		t->began = true;
		t->t0_ns = t->now_ns = now_ns;
		t->canary_queue = queue;
	}
	if (now_ns > t->now_ns)	/* it never goes back */
		t->now_ns = now_ns;
	since = t->now_ns - t->t0_ns;
	block = since / t->slice_ns / t->n_slices;
	slice = since / t->slice_ns % t->n_slices;

	if (q->taking && (block != q->block || slice != q->slice)) {
		if (!q->out)
			trial_slice_close(&t->c, q, &t->sums);
		/* A slice that nobody saw, in this block or the last. */
		if (block == q->block ? slice != q->slice + 1 : q->slice + 1 != t->n_slices)
			q->is_void = true;
		if (block != q->block)
			leave_block(t, queue, q);
		if (trial_harm_over(&t->c, q, judged(t)))
			t->verdict = TRIAL_HARMFUL;
	}
	/* From the next block on, except for who comes first of all. */
	enters = q->known ? block != q->block : !block && !slice;
	if (enters)
		enter_block(t, queue, q, block);
	else if (!q->known)
		q->block = block;
	if (q->taking && !q->out && (enters || slice != q->slice)) {
		if (enters && slice)
			q->is_void = true;
		trial_slice_open(&t->c, q, q->order[slice],
				 t->t0_ns + (block * t->n_slices + slice) * t->slice_ns,
				 t->now_ns);
	}
	q->known = true;
	q->slice = slice;
	settle_if_over(t);
	if (t->verdict != TRIAL_RUNNING || !q->taking || q->out)
		return bystander(t);
	if (takes_part)
		*takes_part = true;
	return q->acting;
}

void trial_observe(struct trial *t, unsigned int queue, uint64_t now_ns, double seconds,
		   double reward)
{
	struct trial_queue *q = queue < t->n_queues ? &t->queue[queue] : NULL;

	if (!q || !q->taking || q->out || t->verdict != TRIAL_RUNNING || !positive(seconds) ||
	    !isfinite(reward))
		return;
	trial_slice_add(&t->c, q, now_ns, seconds, reward, &t->sums);
}

void trial_interrupt(struct trial *t, unsigned int queue)
{
	struct trial_queue *q = queue < t->n_queues ? &t->queue[queue] : NULL;

	/* What was ended early stays on the record; the rest of the block is the incumbent's. */
	if (q && q->taking)
		q->is_void = q->out = true;
}

void trial_report(const struct trial *t, struct trial_report *out)
{
	*out = (struct trial_report){
		.verdict = t->verdict, .blocks = t->blocks, .voided = t->voided,
		.canary = t->canary, .harm_s = t->sums.harm_s,
		.worst = isfinite(t->sums.worst) ? t->sums.worst : NAN,
	};
	for (unsigned int i = 0; i < t->n_queues; i++)
		out->queues += t->queue[i].taking;
	for (unsigned int i = 0; i < 2; i++) {
		out->mean[i] = out->low[i] = out->high[i] = NAN;
		if (i < t->first)
			continue;
		out->mean[i] = confseq_mean(&t->difference[i]);
		if (t->difference[i].n)
			confseq_interval(&t->difference[i], &out->low[i], &out->high[i]);
	}
	for (int a = 0; a < TRIAL_ARMS; a++) {
		out->slices[a] = t->sums.slices[a];
		out->harmful[a] = t->sums.harmful[a];
		out->reward[a] = t->sums.slices[a] ?
				 t->sums.reward[a] / (double)t->sums.slices[a] : NAN;
	}
}
