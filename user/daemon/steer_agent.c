// SPDX-License-Identifier: GPL-2.0
/*
 * How the agent decides.
 *
 * What it sees are virtual loads, which the moves decided so far have changed (steer_loads.h).
 *
 * Per call the CONSIDER_HEAVY heaviest objects are looked at, and CONSIDER_OTHER random ones of the
 * rest, so that a CPU that is busy with many small ones is relieved too; equal objects are ordered
 * by a hash that changes from call to call.
 *
 *   untrained   fewer than AGENT_MIN_UPDATES gradient steps ever (a checkpoint counts): nothing
 *               moves; there is no rule in the network's place
 *   greedy      to the CPU of the largest Q, if it beats staying by the hysteresis and
 *               the object has not been moved in the last REST decisions
 *   explore     with probability epsilon, first of all, one random object of the CPU with the
 *               highest load to a random CPU with a lower one: at most one such move per call
 *
 * Every move that was applied, and a random sample of objects that stayed, is learned from. All
 * share the reward of the interval, each charged its own move only.
 *
 * Rewards are learned times (1 - gamma), which gives Q the scale of a reward.
 */
#include "daemon/steer_agent.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/agent_net.h"
#include "daemon/steer_loads.h"
#include "lib/rng.h"
#include "rl/translog.h"

#define CONSIDER_HEAVY	64
#define CONSIDER_OTHER	16
#define CONSIDER	(CONSIDER_HEAVY + CONSIDER_OTHER)
#define MAX_OBJECTS	65536
#define MAX_MOVES	64
#define STAYS_LEARNED	8
#define REST		20	/* decisions for which a moved object is not moved again */
#define RESTING		256	/* moves remembered for that */

#define GAMMA		0.2f	/* a placement shows its worth in the very next interval */

struct steer_pending {
	uint32_t id;
	bool is_flow;
	bool moved;
	bool learn;		/* it stayed, or its move was applied */
	bool explored;
	uint16_t row, rows;	/* the candidate that was chosen, and how many there were */
	float probability;
	uint64_t policy;
	float row_x[STEER_FEATURES];
};

#define PENDING		(MAX_MOVES + STAYS_LEARNED)

/* An object that was moved and is left alone for a while. */
struct steer_rest {
	uint32_t id;
	bool is_flow;
	uint64_t until;		/* decision */
};

struct steer_order {
	double pps;
	uint64_t tie;
	uint32_t index;		/* into the interval's objects */
};

struct steer_agent {
	struct steer_agent_config config;
	struct ddqn *ddqn;
	struct rng rng;

	struct steer_pending pending[PENDING];	/* moves first, in order */
	size_t n_moves, n_pending;
	struct steer_rest rest[RESTING];	/* a ring of the latest moves */
	size_t rest_head;

	struct steer_order *order;
	size_t order_room;
	float x[SLUICE_MAX_CPUS * STEER_FEATURES];
	float q[SLUICE_MAX_CPUS];

	bool has_mean;
	struct steer_agent_stats stats;

	void (*watch)(void *data, const struct translog_row *row);
	void *watch_data;
	float (*watch_x)[SLUICE_MAX_CPUS * STEER_FEATURES];	/* [PENDING] candidates of each */
};

/* By what exploration may choose; epsilon 0: by nothing. */
struct steer_chance {
	double epsilon;
	int hot;		/* the CPU with the highest load */
	int lower, on_hot;	/* CPUs with a lower one, objects on it */
};

void steer_agent_config_default(struct steer_agent_config *c)
{
	*c = (struct steer_agent_config) {
		.explore = false,
		.learn = true,
		.epsilon = 0.2,
		.hysteresis = 0.03,
		.max_moves = 4,
		.weights = {
			.throughput = 1.0,
			.latency = 0.1,
			.imbalance = 1.0,
			.move = 0.02,
			.latency_ref_s = 1e-3,
		},
		.seed = 1,
	};
}

int steer_agent_new(const struct steer_agent_config *c, struct steer_agent **ret)
{
	const struct agent_net_params net = {
		.features = STEER_FEATURES, .max_rows = SLUICE_MAX_CPUS, .warmup = 200,
		.gamma = GAMMA, .learning_rate = 1e-3f, .seed = c->seed,
	};
	struct steer_agent *a = calloc(1, sizeof(*a));
	struct rng root;
	int r;

	if (!a)
		return -ENOMEM;
	a->config = *c;
	rng_seed(&root, c->seed);
	rng_split(&root, 3, &a->rng);
	r = agent_net_new(&net, &a->ddqn);
	if (r < 0) {
		steer_agent_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void steer_agent_free(struct steer_agent *a)
{
	if (!a)
		return;
	ddqn_free(a->ddqn);
	free(a->order);
	free(a->watch_x);
	free(a);
}

static const struct steer_object *find(const struct steer_interval *in, uint32_t id, bool is_flow)
{
	for (size_t i = 0; i < in->n_objects; i++)
		if (in->objects[i].id == id && in->objects[i].is_flow == is_flow)
			return &in->objects[i];
	return NULL;
}

static void tell(const struct steer_agent *a, size_t pending, double reward, size_t next_rows)
{
	const struct steer_pending *p = &a->pending[pending];
	const struct translog_row row = {
		.policy = p->policy,
		.object = p->id | (uint32_t)p->is_flow << 31,
		.flags = p->explored ? TRANSLOG_EXPLORED : 0,
		.action = p->row,
		.probability = p->probability,
		.reward = (float)reward,
		.discount = GAMMA,
		.rows = p->rows, .next_rows = (uint32_t)next_rows,
		.x = a->watch_x[pending], .next_x = a->x,
	};

	/* The watch may have begun since the decision. */
	if (p->rows)
		a->watch(a->watch_data, &row);
}

/* Learns from the decisions whose interval has ended; returns its reward. */
static double settle(struct steer_agent *a, const struct steer_loads *l)
{
	const struct steer_reward_weights *w = &a->config.weights;
	struct steer_reward_terms t;
	unsigned int applied = 0;
	double reward;

	for (size_t i = 0; i < a->n_moves; i++)
		applied += a->pending[i].learn;
	steer_reward_terms(l->in, applied, w, &t);
	reward = steer_reward(&t, w);

	for (size_t i = 0; i < a->n_pending && (a->config.learn || a->watch); i++) {
		const struct steer_pending *p = &a->pending[i];
		const struct steer_object *o = p->learn ? find(l->in, p->id, p->is_flow) : NULL;
		const int from = o ? steer_loads_cpu_of(l, o) : -1;

		/* An object that fell silent says nothing about where it should be. */
		if (from < 0)
			continue;
		steer_features(l, o, from, a->x);
		t.moves = p->moved;
		if (a->config.learn)
			ddqn_remember(a->ddqn, p->row_x, 0,
				      (1.0f - GAMMA) * (float)steer_reward(&t, w),
				      &(struct ddqn_obs){ .x = a->x, .rows = l->n });
		if (a->watch)
			tell(a, i, steer_reward(&t, w), l->n);
	}
	a->n_pending = a->n_moves = 0;
	return reward;
}

static int heavier_first(const void *pa, const void *pb)
{
	const struct steer_order *a = pa, *b = pb;

	if (a->pps != b->pps)
		return a->pps > b->pps ? -1 : 1;
	return (a->tie > b->tie) - (a->tie < b->tie);
}

/* Fills a->order with the objects to consider, in the order of decision. Returns how many. */
static int make_order(struct steer_agent *a, const struct steer_loads *l)
{
	const struct steer_interval *in = l->in;
	size_t n = 0;

	if (in->n_objects > a->order_room) {
		struct steer_order *o = realloc(a->order, in->n_objects * sizeof(*o));

		if (!o)
			return -ENOMEM;
		a->order = o;
		a->order_room = in->n_objects;
	}
	for (size_t i = 0; i < in->n_objects; i++) {
		const struct steer_object *o = &in->objects[i];

		if (!(o->pps > 0.0) || steer_loads_cpu_of(l, o) < 0)
			continue;
		a->order[n++] = (struct steer_order) {
			.pps = steer_loads_pps(o->pps),
			.tie = rng_mix64(o->id + ((uint64_t)o->is_flow << 32) +
					 a->stats.decisions * 0x9e3779b97f4a7c15ull),
			.index = i,
		};
	}
	if (n)
		qsort(a->order, n, sizeof(*a->order), heavier_first);
	if (n <= CONSIDER)
		return n;
	for (size_t i = CONSIDER_HEAVY; i < CONSIDER; i++) {
		size_t j = i + rng_below(&a->rng, n - i);
		struct steer_order swap = a->order[i];

		a->order[i] = a->order[j];
		a->order[j] = swap;
	}
	return CONSIDER;
}

/* Records the decision about one object, of whose candidates in a->x "row" was chosen. */
static void pending_set(struct steer_agent *a, size_t pending, const struct steer_object *o,
			size_t rows, int row, float probability)
{
	struct steer_pending *p = &a->pending[pending];

	*p = (struct steer_pending) {
		.id = o->id, .is_flow = o->is_flow, .row = (uint16_t)row,
		.probability = probability, .policy = ddqn_updates(a->ddqn),
	};
	memcpy(p->row_x, a->x + (size_t)row * STEER_FEATURES, sizeof(p->row_x));
	if (!a->watch)
		return;
	p->rows = (uint16_t)rows;
	memcpy(a->watch_x[pending], a->x, rows * STEER_FEATURES * sizeof(float));
}

static bool resting(const struct steer_agent *a, const struct steer_object *o)
{
	for (size_t i = 0; i < RESTING; i++)
		if (a->rest[i].until > a->stats.decisions && a->rest[i].id == o->id &&
		    a->rest[i].is_flow == o->is_flow)
			return true;
	return false;
}

/* Moves o in the virtual loads and writes the move; a->x and a->q hold its candidates. */
static void move(struct steer_agent *a, struct steer_loads *l, const struct steer_object *o,
		 int from, int to, bool explored, float probability, struct steer_move *out)
{
	*out = (struct steer_move) {
		.id = o->id,
		.is_flow = o->is_flow,
		.from = l->in->cpus[from].cpu,
		.to = l->in->cpus[to].cpu,
		.explored = explored,
		.gain = a->q[to] - a->q[from],
	};
	a->rest[a->rest_head] = (struct steer_rest) {
		.id = o->id, .is_flow = o->is_flow, .until = a->stats.decisions + REST,
	};
	a->rest_head = (a->rest_head + 1) % RESTING;
	pending_set(a, a->n_moves, o, l->n, to, probability);
	a->pending[a->n_moves].moved = true;
	a->pending[a->n_moves++].explored = explored;
	steer_loads_move(l, o, from, to);
	a->stats.moves++;
	a->stats.explored += explored;
}

static void evaluate(struct steer_agent *a, const struct steer_loads *l,
		     const struct steer_object *o, int from)
{
	steer_features(l, o, from, a->x);
	ddqn_q(a->ddqn, &(struct ddqn_obs){ .x = a->x, .rows = l->n }, a->q);
}

/* The CPU that o goes to if nothing is explored; a->q has its candidates' values. */
static int greedy(const struct steer_agent *a, const struct steer_loads *l,
		  const struct steer_object *o, int from, size_t max)
{
	int best = from;

	for (int to = 0; to < (int)l->n; to++)
		if (a->q[to] > a->q[best])
			best = to;
	return ddqn_updates(a->ddqn) >= AGENT_MIN_UPDATES && a->n_moves < max && !resting(a, o) &&
	       a->q[best] - a->q[from] > a->config.hysteresis ? best : from;
}

static struct steer_chance chance_of(const struct steer_agent *a, const struct steer_loads *l,
				     int n, size_t max)
{
	struct steer_chance c = { 0 };

	if (!a->config.explore || !max)
		return c;
	for (int i = 1; i < (int)l->n; i++)
		if (l->util[i] > l->util[c.hot])
			c.hot = i;
	for (int i = 0; i < (int)l->n; i++)
		c.lower += l->util[i] < l->util[c.hot];
	for (int i = 0; i < n; i++)
		c.on_hot += steer_loads_cpu_of(l, &l->in->objects[a->order[i].index]) == c.hot;
	if (c.lower && c.on_hot)
		c.epsilon = a->config.epsilon;
	return c;
}

/* Of an object on "from" going to "to", when without exploring it would go to "best". */
static float probability(const struct steer_chance *c, const struct steer_loads *l, int from,
			 int to, int best)
{
	const double explores = from == c->hot && c->epsilon > 0.0 ? c->epsilon / c->on_hot : 0.0;
	const bool explored = explores > 0.0 && l->util_measured[to] < l->util_measured[c->hot];

	return (to == best ? 1.0 - explores : 0.0) + (explored ? explores / c->lower : 0.0);
}

/* The exploring move of this call: the position of its object in the order. */
static int explore(struct steer_agent *a, struct steer_loads *l, int n, size_t max,
		   const struct steer_chance *c, struct steer_move *out)
{
	const struct steer_object *o;
	int to, pick, pos;

	pick = rng_below(&a->rng, c->lower);
	for (to = 0; to < (int)l->n; to++)
		if (l->util[to] < l->util[c->hot] && pick-- == 0)
			break;
	pick = rng_below(&a->rng, c->on_hot);
	for (pos = 0; pos < n; pos++)
		if (steer_loads_cpu_of(l, &l->in->objects[a->order[pos].index]) == c->hot &&
		    pick-- == 0)
			break;
	o = &l->in->objects[a->order[pos].index];
	evaluate(a, l, o, c->hot);
	move(a, l, o, c->hot, to, true,
	     probability(c, l, c->hot, to, greedy(a, l, o, c->hot, max)), out);
	return pos;
}

int steer_agent_decide(struct steer_agent *a, const struct steer_interval *in,
		       struct steer_move *moves, size_t max, double *reward)
{
	uint32_t stays[STAYS_LEARNED];	/* a uniform sample of the objects that stayed */
	float stays_p[STAYS_LEARNED];
	unsigned int n_stays = 0;	/* of all of them */
	struct steer_chance chance;
	struct steer_loads l;
	int n, r, explored = -1;
	double value;

	if (in->n_cpus < 1 || in->n_cpus > SLUICE_MAX_CPUS || in->n_objects > MAX_OBJECTS)
		return -EINVAL;
	r = steer_loads_init(&l, in);
	if (r < 0)
		return r;
	n = make_order(a, &l);
	if (n < 0)
		return n;
	value = settle(a, &l);
	*reward = value;
	agent_mean_add(&a->stats.reward_mean, &a->has_mean, value);
	a->stats.decisions++;
	if (l.n < 2)
		return 0;

	if (max > a->config.max_moves)
		max = a->config.max_moves;
	if (max > MAX_MOVES)
		max = MAX_MOVES;
	chance = chance_of(a, &l, n, max);
	if (a->config.explore && max && rng_uniform(&a->rng) < a->config.epsilon &&
	    chance.epsilon > 0.0)
		explored = explore(a, &l, n, max, &chance, moves);

	for (int i = 0; i < n; i++) {
		const struct steer_object *o = &in->objects[a->order[i].index];
		const int from = steer_loads_cpu_of(&l, o);
		int best;

		if (i == explored)
			continue;
		evaluate(a, &l, o, from);
		best = greedy(a, &l, o, from, max);
		if (best != from) {
			move(a, &l, o, from, best, false,
			     probability(&chance, &l, from, best, best), &moves[a->n_moves]);
			continue;
		}
		n_stays++;
		r = n_stays <= STAYS_LEARNED ? n_stays - 1 : rng_below(&a->rng, n_stays);
		if (r < STAYS_LEARNED) {
			stays[r] = a->order[i].index;
			stays_p[r] = probability(&chance, &l, from, from, from);
		}
	}
	a->n_pending = a->n_moves;
	/* To stay was right or wrong under the loads that all the moves have made. */
	for (unsigned int i = 0; i < n_stays && i < STAYS_LEARNED; i++) {
		const struct steer_object *o = &in->objects[stays[i]];
		const int at = steer_loads_cpu_of(&l, o);

		steer_features(&l, o, at, a->x);
		pending_set(a, a->n_pending, o, l.n, at, stays_p[i]);
		a->pending[a->n_pending++].learn = true;
	}
	return a->n_moves;
}

void steer_agent_applied(struct steer_agent *a, const bool *applied, size_t n)
{
	for (size_t i = 0; i < n && i < a->n_moves; i++)
		a->pending[i].learn = applied[i];
}

void steer_agent_restart(struct steer_agent *a)
{
	a->n_moves = a->n_pending = 0;
	memset(a->rest, 0, sizeof(a->rest));
}

float steer_agent_train(struct steer_agent *a, unsigned int n)
{
	return a->config.learn ? agent_net_train(a->ddqn, n, &a->stats.loss) : -1.0f;
}

int steer_agent_watch(struct steer_agent *a,
		      void (*each)(void *data, const struct translog_row *row), void *data)
{
	if (each && !a->watch_x)
		a->watch_x = calloc(PENDING, sizeof(*a->watch_x));
	if (each && !a->watch_x)
		return -ENOMEM;
	a->watch = each;
	a->watch_data = data;
	return 0;
}

void steer_agent_shape(struct translog_shape *out)
{
	*out = (struct translog_shape){
		.agent = "steer", .n_features = STEER_FEATURES, .outputs = 1,
		.max_rows = SLUICE_MAX_CPUS, .reward_scale = 1.0f - GAMMA,
	};
	steer_features_name(out->feature);
}

void steer_agent_stats(const struct steer_agent *a, struct steer_agent_stats *out)
{
	*out = a->stats;
	out->updates = ddqn_updates(a->ddqn);
}

int steer_agent_health(const struct steer_agent *a)
{
	return ddqn_health(a->ddqn);
}

struct ddqn *steer_agent_network(struct steer_agent *a)
{
	return a->ddqn;
}

int steer_agent_save(const struct steer_agent *a, void **blob, size_t *size)
{
	return ddqn_save(a->ddqn, blob, size);
}

int steer_agent_load(struct steer_agent *a, const void *blob, size_t size)
{
	return ddqn_load(a->ddqn, blob, size);
}
