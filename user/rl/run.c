// SPDX-License-Identifier: GPL-2.0
#include "rl/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rng.h"

/* What can be seen: room for one observation of an environment. */
struct view {
	float *x;
	uint8_t *feasible;
	int rows;
};

struct run_ddqn {
	struct run_ddqn_config config;
	struct env *env;
	struct ddqn *ddqn;
	struct nstep nstep;
	struct rng rng;
	struct view now, next;
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
	rng_seed(&n->rng, c->seed);
	if ((r = nstep_init(&n->nstep, c->n_step, dc->features, dc->gamma)) < 0 ||
	    (r = view_init(&n->now, &e->shape)) < 0 || (r = view_init(&n->next, &e->shape)) < 0) {
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
	if (++r->steps % r->config.update_every == 0)
		ddqn_update(r->ddqn);
	return 0;
}

int run_ddqn_steps(struct run_ddqn *r, unsigned int steps)
{
	int err = 0;

	/* An evaluation may have used the environment in between. */
	r->running = false;
	nstep_clear(&r->nstep);
	while (steps-- && !err)
		err = one_step(r);
	return err;
}
