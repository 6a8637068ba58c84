// SPDX-License-Identifier: GPL-2.0
#include "rl/run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rng.h"

/* What can be seen: room for one observation of an environment. */
struct view {
	float *x;
	uint8_t *feasible;
	int rows;
};

/* Checkpoints in memory: [0] the latest, [1] the one before. */
#define KEEP_EVERY	1000	/* steps */

struct kept {
	void *blob[2];
	size_t size;
	uint64_t steps[2];
};

struct run_ddqn {
	struct run_ddqn_config config;
	struct kept kept;
	struct env *env;
	struct ddqn *ddqn;
	struct nstep nstep;
	struct rng rng;
	struct view now, next;
	float rate;		/* of learning, at first */
	uint64_t steps;
	bool running;		/* in the middle of an episode */
};

static int view_init(struct view *v, const struct env_shape *s)
{
	v->x = calloc((size_t)s->max_rows * s->features, sizeof(*v->x));
	v->feasible = calloc((size_t)s->max_rows * s->outputs + 1, 1);
	return v->x && v->feasible ? 0 : -ENOMEM;
}

static void view_fini(struct view *v)
{
	free(v->x);
	free(v->feasible);
}

static int look(const struct env *e, struct view *v)
{
	v->rows = env_observe(e, v->x, v->feasible);
	return v->rows;
}

static void kept_push(struct kept *k, void *blob, size_t size, uint64_t steps)
{
	free(k->blob[1]);
	k->blob[1] = k->blob[0];
	k->steps[1] = k->steps[0];
	k->blob[0] = blob;
	k->steps[0] = steps;
	k->size = size;
}

/* Which of the two to go back to. */
static int kept_which(const struct kept *k)
{
	return k->blob[1] != NULL;
}

static void kept_fini(struct kept *k)
{
	free(k->blob[0]);
	free(k->blob[1]);
}

int run_evaluate(struct env *e, run_policy policy, void *ctx, unsigned int episodes, uint64_t seed,
		 struct run_score *out)
{
	struct run_score sum = { 0 };
	struct view v = { 0 };
	int r;

	if (!episodes)
		return -EINVAL;
	r = view_init(&v, &e->shape);
	for (unsigned int i = 0; i < episodes && r >= 0; i++) {
		struct env_step s = { 0 };

		r = env_reset(e, seed + i);
		while (r >= 0 && !s.terminated && !s.truncated) {
			struct env_action a = { .index = -1 };

			if ((r = look(e, &v)) < 0 ||
			    (r = policy(ctx, v.x, v.feasible, v.rows, &a)) < 0 ||
			    (r = env_step(e, &a, &s)) < 0)
				break;
			sum.reward += s.reward;
			sum.steps++;
		}
	}
	view_fini(&v);
	if (r < 0)
		return r;
	out->reward = sum.reward / episodes;
	out->steps = sum.steps / episodes;
	return 0;
}

int run_greedy_ddqn(void *ctx, const float *x, const uint8_t *feasible, unsigned int rows,
		    struct env_action *a)
{
	a->index = ddqn_greedy(ctx, &(struct ddqn_obs){ x, feasible, rows });
	return a->index < 0 ? -ENOENT : 0;
}

static int ddqn_keep(struct run_ddqn *r)
{
	size_t size;
	void *blob;
	int err;

	err = ddqn_save(r->ddqn, &blob, &size);
	if (!err)
		kept_push(&r->kept, blob, size, r->steps);
	return err;
}

int run_ddqn_new(const struct run_ddqn_config *c, struct env *e, struct ddqn *d,
		 const struct ddqn_config *dc, struct run_ddqn **ret)
{
	struct run_ddqn *n;
	int r;

	if (e->shape.features != dc->features || e->shape.outputs != dc->outputs ||
	    e->shape.max_rows > dc->max_rows || !c->update_every)
		return -EINVAL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->config = *c;
	n->env = e;
	n->ddqn = d;
	n->rate = dc->learning_rate;
	rng_seed(&n->rng, c->seed);
	if ((r = nstep_init(&n->nstep, c->n_step, dc->features, dc->gamma)) < 0 ||
	    (r = view_init(&n->now, &e->shape)) < 0 ||
	    (r = view_init(&n->next, &e->shape)) < 0 || (r = ddqn_keep(n)) < 0) {
		run_ddqn_free(n);
		return r;
	}
	*ret = n;
	return 0;
}

void run_ddqn_free(struct run_ddqn *r)
{
	if (!r)
		return;
	nstep_fini(&r->nstep);
	view_fini(&r->now);
	view_fini(&r->next);
	kept_fini(&r->kept);
	free(r);
}

static double epsilon(const struct run_ddqn *r)
{
	const struct run_ddqn_config *c = &r->config;

	if (r->steps >= c->epsilon_steps)
		return c->epsilon_last;
	return c->epsilon_first +
	       (c->epsilon_last - c->epsilon_first) * r->steps / c->epsilon_steps;
}

static int random_feasible(struct run_ddqn *r)
{
	const unsigned int n = r->now.rows * r->env->shape.outputs;
	unsigned int left = 0;

	for (unsigned int i = 0; i < n; i++)
		left += r->now.feasible[i] != 0;
	if (!left)
		return -1;
	left = rng_below(&r->rng, left);
	for (unsigned int i = 0; ; i++)
		if (r->now.feasible[i] && !left--)
			return i;
}

/* How much of "all" is over, up to 1. */
static double past(uint64_t steps, unsigned int all)
{
	return all ? fmin(1.0, (double)steps / all) : 0.0;
}

static int one_step(struct run_ddqn *r)
{
	struct ddqn_obs now = { r->now.x, r->now.feasible, 0 }, next;
	const unsigned int outputs = r->env->shape.outputs;
	struct env_action a;
	struct env_step s;
	struct view swap;
	int err;

	if (!r->running) {
		if ((err = env_reset(r->env, rng_u64(&r->rng))) < 0 ||
		    (err = look(r->env, &r->now)) < 0)
			return err;
		r->running = true;
	}
	now.rows = r->now.rows;
	a.index = rng_uniform(&r->rng) < epsilon(r) ? random_feasible(r) :
						      ddqn_greedy(r->ddqn, &now);
	if (a.index < 0)
		return -ENOENT;
	if ((err = env_step(r->env, &a, &s)) < 0 || (err = look(r->env, &r->next)) < 0)
		return err;
	next = (struct ddqn_obs){ r->next.x, r->next.feasible, s.terminated ? 0 : r->next.rows };
	nstep_add(&r->nstep, r->ddqn,
		  r->now.x + (size_t)(a.index / outputs) * r->env->shape.features,
		  a.index % outputs, s.reward, &next, s.truncated);
	r->running = !s.terminated && !s.truncated;
	swap = r->now;
	r->now = r->next;
	r->next = swap;
	if (++r->steps % r->config.update_every)
		return 0;
	if (r->config.anneal_steps)
		ddqn_set_learning_rate(r->ddqn,
				       r->rate * (1.0 - past(r->steps, r->config.anneal_steps)));
	ddqn_update(r->ddqn);
	return ddqn_health(r->ddqn);
}

int run_ddqn_steps(struct run_ddqn *r, unsigned int steps)
{
	const struct kept *k = &r->kept;
	int err = 0;

	/* An evaluation may have used the environment in between. */
	r->running = false;
	nstep_clear(&r->nstep);
	while (steps-- && !err) {
		err = one_step(r);
		if (!err && r->steps % KEEP_EVERY == 0)
			err = ddqn_keep(r);
	}
	if (err == -EDOM)
		(void)ddqn_load(r->ddqn, k->blob[kept_which(k)], k->size);
	return err;
}

uint64_t run_ddqn_good_steps(const struct run_ddqn *r)
{
	return r->kept.steps[kept_which(&r->kept)];
}

/* --- PPO ---------------------------------------------------------------------- */

struct run_ppo {
	struct run_ppo_config config;
	struct ppo *ppo;
	struct env **env;		/* (lanes) */
	unsigned int lanes;
	float rate;			/* at first */
	struct kept kept;
	struct rng rng;
	struct view view;
	uint64_t steps;
	double bound;			/* of values: the largest |reward| / (1 - gamma) */
	float gamma;
};

/* Ten times the values that rewards can add up to, squared and halved. */
#define VALUE_LOSS_DIVERGED	50.0

static int ppo_keep(struct run_ppo *r)
{
	size_t size;
	void *blob;
	int err;

	err = ppo_save(r->ppo, &blob, &size);
	if (!err)
		kept_push(&r->kept, blob, size, r->steps);
	return err;
}

static bool ppo_shapes_agree(const struct env_shape *s, const struct ppo_config *pc)
{
	if (s->features * s->max_rows != pc->features || pc->continuous != !s->outputs)
		return false;
	return pc->continuous ? s->dims == pc->actions && s->dims <= RUN_MAX_DIMS :
				s->outputs * s->max_rows == pc->actions;
}

int run_ppo_new(const struct run_ppo_config *c, struct env *const *e, struct ppo *p,
		const struct ppo_config *pc, struct run_ppo **ret)
{
	struct run_ppo *n;
	int r = 0;

	for (unsigned int i = 0; i < pc->lanes; i++)
		if (!ppo_shapes_agree(&e[i]->shape, pc))
			return -EINVAL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->config = *c;
	n->ppo = p;
	n->lanes = pc->lanes;
	n->rate = pc->learning_rate;
	n->gamma = pc->gamma;
	rng_seed(&n->rng, c->seed);
	n->env = calloc(pc->lanes, sizeof(struct env *));
	if (!n->env)
		r = -ENOMEM;
	for (unsigned int i = 0; i < pc->lanes && r >= 0; i++) {
		n->env[i] = e[i];
		r = env_reset(e[i], rng_u64(&n->rng));
	}
	if (r < 0 || (r = view_init(&n->view, &e[0]->shape)) < 0 || (r = ppo_keep(n)) < 0) {
		run_ppo_free(n);
		return r;
	}
	*ret = n;
	return 0;
}

void run_ppo_free(struct run_ppo *r)
{
	if (!r)
		return;
	free(r->env);
	view_fini(&r->view);
	kept_fini(&r->kept);
	free(r);
}

static int lane_step(struct run_ppo *r, unsigned int lane)
{
	float value[RUN_MAX_DIMS];
	struct env *e = r->env[lane];
	struct env_action a = { .value = value };
	struct view *v = &r->view;
	struct env_step s;
	int err;

	if ((e->over && (err = env_reset(e, rng_u64(&r->rng))) < 0) || (err = look(e, v)) < 0)
		return err;
	a.index = ppo_act(r->ppo, lane, v->x, e->shape.outputs ? v->feasible : NULL, value);
	if (a.index < 0)
		return a.index;
	if ((err = env_step(e, &a, &s)) < 0 || (err = look(e, v)) < 0)
		return err;
	r->bound = fmax(r->bound, fabs(s.reward) / (1.0 - r->gamma));
	ppo_result(r->ppo, lane, s.reward, v->x, s.terminated, s.truncated);
	r->steps++;
	return 0;
}

int run_ppo_round(struct run_ppo *r, struct ppo_stats *out)
{
	const struct kept *k = &r->kept;
	int err = 0;

	if (r->config.anneal_steps)
		ppo_set_learning_rate(r->ppo,
				      r->rate * (1.0 - past(r->steps, r->config.anneal_steps)));
	while (!err && !ppo_full(r->ppo))
		for (unsigned int i = 0; i < r->lanes && !err; i++)
			err = lane_step(r, i);
	if (err)
		return err;
	err = ppo_update(r->ppo, out);
	if (!err && !(out->value_loss <= VALUE_LOSS_DIVERGED * (1.0 + r->bound * r->bound)))
		err = -EDOM;
	if (err == -EDOM)
		(void)ppo_load(r->ppo, k->blob[kept_which(k)], k->size);
	return err ? err : ppo_keep(r);
}

uint64_t run_ppo_steps(const struct run_ppo *r)
{
	return r->steps;
}

uint64_t run_ppo_good_steps(const struct run_ppo *r)
{
	return r->kept.steps[kept_which(&r->kept)];
}

int run_greedy_ppo(void *ctx, const float *x, const uint8_t *feasible, unsigned int rows,
		   struct env_action *a)
{
	struct run_ppo_policy *p = ctx;

	(void)rows;
	a->value = p->value;
	a->index = ppo_greedy(p->ppo, x, feasible, p->value);
	return a->index < 0 ? a->index : 0;
}
