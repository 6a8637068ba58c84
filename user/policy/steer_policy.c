// SPDX-License-Identifier: GPL-2.0
/*
 * The table of policies, and the simple ones:
 *
 *	rss		no program: what the NIC does, and packets stay where they arrive
 *	static		buckets round-robin over the CPUs, and never a move
 *	random		up to max_moves objects to CPUs drawn at random: does harm, for comparison
 *	p2c		objects of CPUs above the mean: to the less loaded of two CPUs at random
 *	least		the heaviest object that fits, of the most loaded CPU, to the least loaded
 *	flow_p2c	every new flow to the CPU with the shorter backlog of two
 *	flow_least	every new flow to the CPU with the shortest backlog
 *	agent		the daemon's
 */
#include "policy/steer_policy.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rng.h"

#define AGENT_MOVES_MAX	64

void steer_tuning_default(struct steer_tuning *t)
{
	*t = (struct steer_tuning){
#define X(name, def, min, max, text) .name = def,
		STEER_TUNABLES(X)
#undef X
	};
}

void steer_policy_config_default(struct steer_policy_config *c)
{
	c->seed = 1;
	steer_tuning_default(&c->tuning);
	steer_agent_config_default(&c->agent);
}

/* --- loads ---------------------------------------------------------------------- */

/* Not negative, and 0 where it is not a number. */
static double sane(double x)
{
	return x > 0 ? fmin(x, 1e12) : 0;
}

void steer_work_init(struct steer_work *w, const struct steer_interval *in)
{
	w->n = in->n_cpus;
	w->mean = 0;
	for (size_t i = 0; i < SLUICE_MAX_CPUS; i++)
		w->index_of[i] = -1;
	for (size_t i = 0; i < w->n; i++) {
		w->index_of[in->cpus[i].cpu % SLUICE_MAX_CPUS] = (int)i;
		w->util[i] = w->measured[i] = fmin(sane(in->cpus[i].util), 1);
		w->pps[i] = sane(in->cpus[i].pps);
		w->mean += w->util[i] / (double)w->n;
	}
}

int steer_work_at(const struct steer_work *w, const struct steer_object *o)
{
	return o->cpu < SLUICE_MAX_CPUS ? w->index_of[o->cpu] : -1;
}

double steer_work_of(const struct steer_work *w, const struct steer_object *o, int at)
{
	const double pps = sane(o->pps);

	return pps > 0 ? w->measured[at] * pps / fmax(w->pps[at], pps) : 0;
}

static void move(struct steer_work *w, const struct steer_interval *in,
		 const struct steer_object *o, int from, int to, struct steer_move *out)
{
	const double work = steer_work_of(w, o, from);

	*out = (struct steer_move){
		.id = o->id, .is_flow = o->is_flow, .from = in->cpus[from].cpu,
		.to = in->cpus[to].cpu,
	};
	w->util[from] -= work;
	w->util[to] += work;
}

/* --- without decisions ------------------------------------------------------------ */

static int make_plain(const struct steer_policy_config *c, struct steer_policy **ret)
{
	(void)c;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

static void free_plain(struct steer_policy *p)
{
	free(p);
}

static const struct steer_policy_ops rss = {
	.name = "rss", .text = "the NIC's table alone; no program", .tunables = "",
	.no_program = true, .make = make_plain, .free = free_plain,
};

static const struct steer_policy_ops round_robin = {
	.name = "static", .text = "buckets round-robin, no moves", .tunables = "",
	.make = make_plain, .free = free_plain,
};

/* --- with chance ------------------------------------------------------------------- */

struct chance {
	struct steer_policy p;
	struct steer_tuning tuning;
	struct rng rng;
};

static int make_chance(const struct steer_policy_config *c, struct steer_policy **ret)
{
	struct chance *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->tuning = c->tuning;
	rng_seed(&p->rng, c->seed);
	*ret = &p->p;
	return 0;
}

static int decide_random(struct steer_policy *policy, const struct steer_scene *s,
			 struct steer_move *moves, size_t max)
{
	struct chance *p = (struct chance *)policy;
	struct steer_work w;
	int n = 0;

	steer_work_init(&w, &s->in);
	for (size_t i = 0; i < max && i < p->tuning.max_moves && s->in.n_objects; i++) {
		const struct steer_object *o =
			&s->in.objects[rng_below(&p->rng, (uint32_t)s->in.n_objects)];
		const int from = steer_work_at(&w, o), to = (int)rng_below(&p->rng, (uint32_t)w.n);

		if (from >= 0 && from != to)
			move(&w, &s->in, o, from, to, &moves[n++]);
	}
	return n;
}

static const struct steer_policy_ops random_moves = {
	.name = "random", .text = "moves at random, for comparison", .tunables = "max_moves",
	.make = make_chance, .decide = decide_random, .free = free_plain,
};

/* An object of CPUs above the mean, by its share of their packets; NULL: there is none. */
static const struct steer_object *draw_heavy(struct chance *p, const struct steer_work *w,
					     const struct steer_interval *in)
{
	const struct steer_object *pick = NULL;
	double sum = 0;

	for (size_t i = 0; i < in->n_objects; i++) {
		const struct steer_object *o = &in->objects[i];
		const int at = steer_work_at(w, o);

		if (at < 0 || w->util[at] <= w->mean + p->tuning.imbalance)
			continue;
		sum += sane(o->pps);
		if (sum > 0 && rng_uniform(&p->rng) * sum < sane(o->pps))
			pick = o;
	}
	return pick;
}

/* An object moves once in a decision: what it costs is known for where it was measured. */
static bool moved_already(const struct steer_move *moves, int n, const struct steer_object *o)
{
	for (int i = 0; i < n; i++)
		if (moves[i].id == o->id && moves[i].is_flow == o->is_flow)
			return true;
	return false;
}

static int decide_p2c(struct steer_policy *policy, const struct steer_scene *s,
		      struct steer_move *moves, size_t max)
{
	struct chance *p = (struct chance *)policy;
	struct steer_work w;
	int n = 0;

	steer_work_init(&w, &s->in);
	for (size_t i = 0; i < max && i < p->tuning.max_moves; i++) {
		const struct steer_object *o = draw_heavy(p, &w, &s->in);
		int a, b, from;

		if (!o)
			break;
		from = steer_work_at(&w, o);
		a = (int)rng_below(&p->rng, (uint32_t)w.n);
		b = (int)rng_below(&p->rng, (uint32_t)w.n);
		if (w.util[b] < w.util[a])
			a = b;
		if (w.util[a] + steer_work_of(&w, o, from) < w.util[from] &&
		    !moved_already(moves, n, o))
			move(&w, &s->in, o, from, a, &moves[n++]);
	}
	return n;
}

static const struct steer_policy_ops p2c = {
	.name = "p2c", .text = "power of two choices, for objects of CPUs above the mean",
	.tunables = "max_moves imbalance",
	.make = make_chance, .decide = decide_p2c, .free = free_plain,
};

static int decide_least(struct steer_policy *policy, const struct steer_scene *s,
			struct steer_move *moves, size_t max)
{
	struct chance *p = (struct chance *)policy;
	struct steer_work w;
	int n = 0;

	steer_work_init(&w, &s->in);
	while (n < (int)max && n < p->tuning.max_moves) {
		const struct steer_object *best = NULL;
		int high = 0, low = 0;

		for (int i = 1; i < (int)w.n; i++) {
			high = w.util[i] > w.util[high] ? i : high;
			low = w.util[i] < w.util[low] ? i : low;
		}
		if (w.util[high] <= w.mean + p->tuning.imbalance)
			break;
		for (size_t i = 0; i < s->in.n_objects; i++) {
			const struct steer_object *o = &s->in.objects[i];

			if (steer_work_at(&w, o) == high && (!best || o->pps > best->pps) &&
			    steer_work_of(&w, o, high) < w.util[high] - w.util[low] &&
			    !moved_already(moves, n, o))
				best = o;
		}
		if (!best)
			break;
		move(&w, &s->in, best, high, low, &moves[n++]);
	}
	return n;
}

static const struct steer_policy_ops least = {
	.name = "least", .text = "heaviest that fits, from the most to the least loaded CPU",
	.tunables = "max_moves imbalance",
	.make = make_chance, .decide = decide_least, .free = free_plain,
};

/* --- every new flow ------------------------------------------------------------------- */

static int place_p2c(void *data, const struct cpus *c, uint32_t bucket)
{
	struct chance *p = data;
	const unsigned int n = cpus_count(c);
	const unsigned int a = rng_below(&p->rng, n), b = rng_below(&p->rng, n);

	(void)bucket;
	return (int)(cpus_backlog(c, b) < cpus_backlog(c, a) ? b : a);
}

static int place_least(void *data, const struct cpus *c, uint32_t bucket)
{
	struct chance *p = data;
	unsigned int best = rng_below(&p->rng, cpus_count(c));

	(void)bucket;
	for (unsigned int i = 0; i < cpus_count(c); i++)
		if (cpus_backlog(c, i) < cpus_backlog(c, best))
			best = i;
	return (int)best;
}

static const struct steer_policy_ops flow_p2c = {
	.name = "flow_p2c", .text = "new flows to the shorter backlog of two, known at once",
	.tunables = "", .make = make_chance, .placer = place_p2c, .free = free_plain,
};

static const struct steer_policy_ops flow_least = {
	.name = "flow_least", .text = "new flows to the shortest backlog, known at once",
	.tunables = "", .make = make_chance, .placer = place_least, .free = free_plain,
};

/* --- the agent --------------------------------------------------------------------------- */

struct learner {
	struct steer_policy p;
	struct steer_agent *agent;
};

static int make_agent(const struct steer_policy_config *c, struct steer_policy **ret)
{
	struct learner *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	r = steer_agent_new(&c->agent, &p->agent);
	if (r < 0) {
		free(p);
		return r;
	}
	*ret = &p->p;
	return 0;
}

static int decide_agent(struct steer_policy *policy, const struct steer_scene *s,
			struct steer_move *moves, size_t max)
{
	double reward;

	return steer_agent_decide(((struct learner *)policy)->agent, &s->in, moves,
				  max < AGENT_MOVES_MAX ? max : AGENT_MOVES_MAX, &reward);
}

static void agent_applied(struct steer_policy *policy, const bool *applied, size_t n)
{
	steer_agent_applied(((struct learner *)policy)->agent, applied, n);
}

static void train_agent(struct steer_policy *policy, unsigned int steps)
{
	steer_agent_train(((struct learner *)policy)->agent, steps);
}

static void free_agent(struct steer_policy *policy)
{
	steer_agent_free(((struct learner *)policy)->agent);
	free(policy);
}

static const struct steer_policy_ops agent = {
	.name = "agent", .text = "the daemon's learning agent", .tunables = "",
	.make = make_agent, .decide = decide_agent, .applied = agent_applied, .train = train_agent,
	.free = free_agent,
};

struct steer_agent *steer_policy_agent(struct steer_policy *p)
{
	return p->ops == &agent ? ((struct learner *)p)->agent : NULL;
}

/* --- the table ------------------------------------------------------------------------------ */

const struct steer_policy_ops *const steer_policies[] = {
	&rss, &round_robin, &random_moves, &p2c, &least, &steer_policy_ewma, &steer_policy_rsspp,
	&agent, &flow_p2c, &flow_least, &steer_policy_oracle,
};
const size_t steer_policies_n = sizeof(steer_policies) / sizeof(steer_policies[0]);

const struct steer_policy_ops *steer_policy_find(const char *name, struct sl_err *e)
{
	char all[200] = "";

	for (size_t i = 0; i < steer_policies_n; i++) {
		if (!strcmp(steer_policies[i]->name, name))
			return steer_policies[i];
		strcat(strcat(all, " "), steer_policies[i]->name);
	}
	sl_err(e, -ENOENT, "there is no policy '%s'; there are%s", name, all);
	return NULL;
}

int steer_policy_new(const struct steer_policy_ops *ops, const struct steer_policy_config *c,
		     struct steer_policy **ret, struct sl_err *e)
{
	struct steer_policy *p;
	int r = ops->make(c, &p);

	if (r < 0)
		return sl_err(e, r, "cannot make the policy %s: %s", ops->name, strerror(-r));
	p->ops = ops;
	*ret = p;
	return 0;
}

void steer_policy_free(struct steer_policy *p)
{
	if (p)
		p->ops->free(p);
}
