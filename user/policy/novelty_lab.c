// SPDX-License-Identifier: GPL-2.0
#include "policy/novelty_lab.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy/lab.h"

#define STATES	64	/* of a run, at most */

const char *novelty_change_text(enum novelty_change c)
{
	static const char *const text[NOVELTY_CHANGES_NR] = {
#define X(name, words) words,
		NOVELTY_CHANGES(X)
#undef X
	};

	return text[c];
}

/* --- mixes --------------------------------------------------------------------------------- */

/* An epoch lasts as long as a mix's does that was drawn so. */
static void slower(struct mix *m, double rate, double rtt)
{
	const double more = fmax(rate > 1 ? rate : 1, rtt);

	m->rate_bps /= rate;
	m->rtt_s *= rtt;
	m->epoch_s *= rtt > 1 ? rtt : more;
	for (unsigned int p = 0; p < 2; p++)
		m->phase[p].incast_gap_s *= rate;
	m->phase_s *= rtt > 1 ? rtt : more;
}

static void change(struct mix *m, enum novelty_change c)
{
	switch (c) {
	case NOVELTY_RELATIVE:
		slower(m, 4, 4);
		break;
	case NOVELTY_SLOW:
		slower(m, 20, 1);
		break;
	case NOVELTY_FAR:
		slower(m, 1, 10);
		break;
	case NOVELTY_CUBIC:
		m->without_ecn = 1;
		m->ecn_cubic = 0;
		break;
	case NOVELTY_CUBIC_ECN:
		m->ecn_cubic = 1;
		m->without_ecn = 0;
		break;
	case NOVELTY_CROWD:
		m->endless = 64;
		break;
	case NOVELTY_FLOOD:
		for (unsigned int p = 0; p < 2; p++) {
			m->phase[p].incast = 256;
			m->phase[p].incast_gap_s = 256 * MIX_BLOCK_BYTES * 40 / m->rate_bps;
		}
		break;
	case NOVELTY_IDLE:
		m->endless = 0;
		for (unsigned int p = 0; p < 2; p++) {
			m->phase[p].load = 0.02;
			m->phase[p].incast = 0;
		}
		break;
	default:
		break;
	}
}

/* --- runs ---------------------------------------------------------------------------------- */

struct visited {
	size_t n;
	double x[STATES][NOVELTY_FEATURES_MAX];
};

struct watching {
	struct novelty_watch watch;
	enum novelty_space space;
	struct visited *to;
};

static void watch(void *arg, const struct ecn_interval *in)
{
	struct watching *w = arg;

	if (w->to->n < STATES && novelty_state(&w->watch, w->space, in, w->to->x[w->to->n]))
		w->to->n++;
}

static int run(void *ctx, size_t i, void *result)
{
	const struct novelty_visit *v = ctx;
	struct watching w = { .space = novelty_space_of(v->model), .to = result };
	struct outcome out;
	struct policy *p;
	struct mix m;
	int r = policy_new(v->model, &p, NULL);

	if (r)
		return r;
	mix_draw(v->files, v->seed, v->first + i, &m);
	change(&m, v->change);
	r = lab_run(v->files, &m, 0, p, watch, &w, &out);
	policy_free(p);
	return r;
}

static int pack(const struct novelty_visit *v, const struct visited *run_of,
		struct novelty_states *s)
{
	size_t n = 0;

	for (size_t i = 0; i < v->mixes; i++)
		n += run_of[i].n;
	s->x = malloc((n + 1) * s->features * sizeof(*s->x));
	s->run = malloc((n + 1) * sizeof(*s->run));
	s->kind = malloc(v->mixes * sizeof(*s->kind));
	if (!s->x || !s->run || !s->kind)
		return -ENOMEM;
	for (size_t i = 0; i < v->mixes; i++) {
		struct mix m;

		mix_draw(v->files, v->seed, v->first + i, &m);
		s->kind[i] = m.kind;
		for (size_t j = 0; j < run_of[i].n; j++) {
			memcpy(s->x + s->n * s->features, run_of[i].x[j],
			       s->features * sizeof(*s->x));
			s->run[s->n++] = i;
		}
	}
	return 0;
}

int novelty_visit(const struct novelty_visit *v, struct novelty_states *ret)
{
	struct novelty_states s = {
		.features = novelty_features(novelty_space_of(v->model)), .runs = v->mixes,
	};
	struct visited *run_of = calloc(v->mixes, sizeof(*run_of));
	int r = run_of ? par_run(&v->par, v->mixes, run, (void *)v, run_of, sizeof(*run_of)) :
		-ENOMEM;

	if (!r)
		r = pack(v, run_of, &s);
	free(run_of);
	if (r)
		novelty_states_free(&s);
	else
		*ret = s;
	return r;
}

void novelty_states_free(struct novelty_states *s)
{
	free(s->x);
	free(s->run);
	free(s->kind);
	*s = (struct novelty_states){ 0 };
}

/* --- what a test says ------------------------------------------------------------------------ */

static double *others(const struct novelty_states *s, enum mix_kind kind, size_t *n)
{
	double *x = malloc((s->n + 1) * s->features * sizeof(*x));

	*n = 0;
	for (size_t i = 0; x && i < s->n; i++)
		if (s->kind[s->run[i]] != kind)
			memcpy(x + (*n)++ * s->features, s->x + i * s->features,
			       s->features * sizeof(*x));
	return x;
}

int novelty_calibrate_without(struct model *m, const struct novelty_states *reference,
			      const struct novelty_states *calibration, enum mix_kind kind)
{
	size_t references, calibrations;
	double *ref = others(reference, kind, &references);
	double *cal = others(calibration, kind, &calibrations);
	int r = ref && cal ? novelty_calibrate(m, ref, references, cal, calibrations) : -ENOMEM;

	free(ref);
	free(cal);
	return r;
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void judge_runs(double *share, const double *states, const double *alarms, size_t runs,
		       struct novelty_rate *ret)
{
	double squares = 0, of = 0;

	for (size_t i = 0; i < runs; i++) {
		if (!states[i])
			continue;
		of += states[i];
		ret->rate += alarms[i];
		ret->any += alarms[i] > 0;
		share[ret->runs++] = alarms[i] / states[i];
	}
	if (!ret->runs)
		return;
	ret->states = of;
	ret->rate /= of;
	ret->any /= ret->runs;
	/* Of a ratio of means over runs. */
	for (size_t i = 0; i < runs; i++)
		squares += pow(alarms[i] - ret->rate * states[i], 2);
	ret->se = sqrt(squares) / of;
	qsort(share, ret->runs, sizeof(*share), ascending);
	ret->most = share[(ret->runs - 1) * 9 / 10];
}

int novelty_judge(const struct novelty *n, const struct novelty_states *s, enum mix_kind kind,
		  double confidence, struct novelty_rate *ret)
{
	double *share = calloc(3 * (s->runs + 1), sizeof(*share));
	double *states = share + s->runs + 1, *alarms = states + s->runs + 1;

	if (!share)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		const size_t run = s->run[i];

		if (kind != NOVELTY_ANY && s->kind[run] != kind)
			continue;
		states[run]++;
		alarms[run] += novelty_p(n, s->x + i * s->features) <
			       novelty_significance(confidence);
	}
	*ret = (struct novelty_rate){ .states = 0 };
	judge_runs(share, states, alarms, s->runs, ret);
	free(share);
	return 0;
}
