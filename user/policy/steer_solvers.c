// SPDX-License-Identifier: GPL-2.0
/*
 * Policies that solve for a distribution of load.
 *
 * ewma: loads of objects are averaged over intervals; then, greedily, the move that lowers the
 * greatest load most, as long as it lowers it by more than a move costs.
 *
 * rsspp: after RSS++ (Barbette, Katsikas, Maguire, Kostic, "RSS++: load and state-aware receive
 * side scaling", CoNEXT 2019, section 4): move few buckets, so that no CPU is far from the mean.
 * CPUs above the mean give, those below take. The givers' buckets are tried from the heaviest on;
 * one that is no heavier than what its CPU has too much goes to the taker that it fills best. How
 * much a bucket may overshoot is tried in several steps, and the try with the least sum of
 * squared distances from the mean, plus a price per move, is taken. The paper measures CPU load
 * by cycles per packet and weights buckets by packet counts; so do we. Its solver knows buckets
 * only, ours moves flows with an entry, too.
 *
 * oracle: what each object and CPU will have to do is known. Objects move one by one, each time the
 * one whose move shortens queues most, a CPU's queue being that of an M/D/1 system.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy/steer_policy.h"

#define OBJECTS_MAX	65536
#define TRIES		8
#define KNOWN		8192	/* slots for loads of objects; a power of two */
#define FORGOTTEN	1e-3	/* packets per second */

struct item {
	uint32_t object;	/* index in the interval */
	int at, to;		/* index of its CPU; of where it shall go */
	double work;		/* share of a CPU */
};

struct known {
	bool used;
	uint32_t id;
	bool is_flow;
	double pps;
};

struct solver {
	struct steer_policy p;
	struct steer_tuning tuning;
	struct item *item, *best;
	size_t n, room;
	struct known known[KNOWN];
};

static int make_solver(const struct steer_policy_config *c, struct steer_policy **ret)
{
	struct solver *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->tuning = c->tuning;
	*ret = &s->p;
	return 0;
}

static void free_solver(struct steer_policy *policy)
{
	struct solver *s = (struct solver *)policy;

	free(s->item);
	free(s->best);
	free(s);
}

static int heavier_first(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;

	if (a->work != b->work)
		return a->work > b->work ? -1 : 1;
	return (a->object > b->object) - (a->object < b->object);
}

/* Objects with work, heaviest first; of an oracle, with the work they will have. */
static int list(struct solver *s, const struct steer_work *w, const struct steer_scene *scene,
		double (*pps_of)(struct solver *, const struct steer_object *))
{
	const struct steer_interval *in = &scene->in;

	if (in->n_objects > OBJECTS_MAX)
		return -EINVAL;
	if (in->n_objects > s->room) {
		struct item *a = realloc(s->item, in->n_objects * sizeof(*a));
		struct item *b = realloc(s->best, in->n_objects * sizeof(*b));

		if (a)
			s->item = a;
		if (b)
			s->best = b;
		if (!a || !b)
			return -ENOMEM;
		s->room = in->n_objects;
	}
	s->n = 0;
	for (size_t i = 0; i < in->n_objects; i++) {
		struct steer_object o = in->objects[i];
		const int at = steer_work_at(w, &o);
		double work;

		if (at < 0)
			continue;
		if (pps_of)
			o.pps = pps_of(s, &o);
		work = scene->future ? scene->future[i] : steer_work_of(w, &o, at);
		if (work > 0)
			s->item[s->n++] = (struct item){ (uint32_t)i, at, at, work };
	}
	if (s->n)
		qsort(s->item, s->n, sizeof(*s->item), heavier_first);
	return 0;
}

/* The moves that item[].to asks for, heaviest first. */
static int answer(const struct item *item, size_t n, const struct steer_interval *in,
		  struct steer_move *moves, size_t max)
{
	size_t done = 0;

	for (size_t i = 0; i < n && done < max; i++) {
		const struct steer_object *o = &in->objects[item[i].object];

		if (item[i].to != item[i].at)
			moves[done++] = (struct steer_move){
				.id = o->id, .is_flow = o->is_flow,
				.from = in->cpus[item[i].at].cpu, .to = in->cpus[item[i].to].cpu,
			};
	}
	return (int)done;
}

/* --- EWMA and greedy makespan ----------------------------------------------------------- */

static double averaged(struct solver *s, const struct steer_object *o)
{
	uint32_t i = (o->id * 2 + o->is_flow) * 0x9e3779b1u >> 19;
	struct known *k;

	/* A full neighbourhood overwrites; that forgets an average, no more. */
	for (int tries = 0; tries < 16; tries++, i++) {
		k = &s->known[i % KNOWN];
		if (!k->used || (k->id == o->id && k->is_flow == o->is_flow))
			break;
	}
	if (!k->used || k->id != o->id || k->is_flow != o->is_flow)
		*k = (struct known){ true, o->id, o->is_flow, o->pps };
	else	/* its older part has decayed in forget() */
		k->pps += s->tuning.ewma * o->pps;
	return k->pps;
}

static void forget(struct solver *s)
{
	for (size_t i = 0; i < KNOWN; i++) {
		s->known[i].pps *= 1 - s->tuning.ewma;
		if (s->known[i].pps < FORGOTTEN)
			s->known[i].used = false;
	}
}

static int decide_ewma(struct steer_policy *policy, const struct steer_scene *scene,
		       struct steer_move *moves, size_t max)
{
	struct solver *s = (struct solver *)policy;
	struct steer_work w;
	unsigned int n = 0;
	int r;

	steer_work_init(&w, &scene->in);
	forget(s);
	r = list(s, &w, scene, averaged);
	if (r)
		return r;
	while (n < max && n < s->tuning.max_moves) {
		struct item *best = NULL;
		double best_max = INFINITY;
		int high = 0, low = 0;

		for (int i = 1; i < (int)w.n; i++) {
			high = w.util[i] > w.util[high] ? i : high;
			low = w.util[i] < w.util[low] ? i : low;
		}
		for (size_t i = 0; i < s->n; i++) {
			struct item *it = &s->item[i];
			double after;

			if (it->at != high || it->to != high)
				continue;
			after = fmax(w.util[high] - it->work, w.util[low] + it->work);
			if (after < best_max) {
				best_max = after;
				best = it;
			}
		}
		if (!best || w.util[high] - best_max <= s->tuning.move_cost)
			break;
		best->to = low;
		w.util[high] -= best->work;
		w.util[low] += best->work;
		n++;
	}
	return answer(s->item, s->n, &scene->in, moves, max);
}

const struct steer_policy_ops steer_policy_ewma = {
	.name = "ewma", .text = "averaged loads, greedy makespan with a cost of moves",
	.tunables = "max_moves ewma move_cost",
	.make = make_solver, .decide = decide_ewma, .free = free_solver,
};

/* --- RSS++ -------------------------------------------------------------------------------- */

/*
 * The taker that the work fills best, without exceeding what it lacks by more than "over"; or -1.
 */
static int best_fit(const struct steer_work *w, const double *util, double work, double over)
{
	int best = -1;

	for (int i = 0; i < (int)w->n; i++) {
		const double lacks = w->mean - util[i];

		if (lacks <= 0 || work > lacks + over)
			continue;
		if (best < 0 || fabs(lacks - work) < fabs(w->mean - util[best] - work))
			best = i;
	}
	return best;
}

/* Fills item[].to; the cost of what it leads to. */
static double attempt(struct solver *s, const struct steer_work *w, double over)
{
	double util[SLUICE_MAX_CPUS], cost = 0;
	unsigned int moves = 0;

	memcpy(util, w->util, sizeof(util));
	for (size_t i = 0; i < s->n; i++) {
		struct item *it = &s->item[i];
		const double excess = util[it->at] - w->mean;
		int to = -1;

		it->to = it->at;
		if (excess > s->tuning.imbalance && it->work <= excess + over &&
		    moves < s->tuning.max_moves)
			to = best_fit(w, util, it->work, over);
		if (to < 0)
			continue;
		it->to = to;
		util[it->at] -= it->work;
		util[to] += it->work;
		moves++;
	}
	for (size_t i = 0; i < w->n; i++)
		cost += (util[i] - w->mean) * (util[i] - w->mean);
	return cost + s->tuning.move_cost * s->tuning.move_cost * moves;
}

static int decide_rsspp(struct steer_policy *policy, const struct steer_scene *scene,
			struct steer_move *moves, size_t max)
{
	struct solver *s = (struct solver *)policy;
	struct steer_work w;
	double best, cost;
	int r;

	steer_work_init(&w, &scene->in);
	r = list(s, &w, scene, NULL);
	if (r || !s->n)
		return r;
	best = INFINITY;
	for (int i = 0; i <= TRIES; i++) {
		cost = attempt(s, &w, i * 0.5 / TRIES);
		if (cost < best) {
			best = cost;
			memcpy(s->best, s->item, s->n * sizeof(*s->item));
		}
	}
	return answer(s->best, s->n, &scene->in, moves, max);
}

const struct steer_policy_ops steer_policy_rsspp = {
	.name = "rsspp", .text = "the fewest objects that balance the load, after RSS++",
	.tunables = "max_moves imbalance move_cost",
	.make = make_solver, .decide = decide_rsspp, .free = free_solver,
};

/* --- the oracle ----------------------------------------------------------------------------- */

/* Packets that wait, in an M/D/1 system; from 95 % on a straight line that is as steep. */
static double waiting(double load)
{
	const double knee = 0.95, at = knee * knee / (2 * (1 - knee));
	const double slope = (2 * knee - knee * knee) / (2 * (1 - knee) * (1 - knee));

	if (load <= 0)
		return 0;
	return load < knee ? load * load / (2 * (1 - load)) : at + slope * (load - knee);
}

static int decide_oracle(struct steer_policy *policy, const struct steer_scene *scene,
			 struct steer_move *moves, size_t max)
{
	struct solver *s = (struct solver *)policy;
	double load[SLUICE_MAX_CPUS];
	struct steer_work w;
	int r;

	if (!scene->future)
		return -EINVAL;
	steer_work_init(&w, &scene->in);
	r = list(s, &w, scene, NULL);
	if (r)
		return r;
	for (size_t i = 0; i < w.n; i++)
		load[i] = scene->future_base[i];
	for (size_t i = 0; i < s->n; i++)
		load[s->item[i].at] += s->item[i].work * scene->slow[s->item[i].at];
	for (size_t n = 0; n < max; n++) {
		double best = 1e-3;	/* of a packet that waits; less is not worth a move */
		struct item *pick = NULL;
		int pick_to = 0;

		for (size_t i = 0; i < s->n; i++) {
			struct item *it = &s->item[i];
			const int at = it->to;
			const double less = waiting(load[at]) -
					    waiting(load[at] - it->work * scene->slow[at]);

			/* Where even to take it away wins little, no target can help. */
			if (less <= best)
				continue;
			for (int to = 0; to < (int)w.n; to++) {
				const double gain = less + waiting(load[to]) -
					waiting(load[to] + it->work * scene->slow[to]);

				if (to != at && gain > best) {
					best = gain;
					pick = it;
					pick_to = to;
				}
			}
		}
		if (!pick)
			break;
		load[pick->to] -= pick->work * scene->slow[pick->to];
		load[pick_to] += pick->work * scene->slow[pick_to];
		pick->to = pick_to;
	}
	return answer(s->item, s->n, &scene->in, moves, max);
}

const struct steer_policy_ops steer_policy_oracle = {
	.name = "oracle", .text = "knows what every object will need in the next interval",
	.tunables = "", .clairvoyant = true, .unguarded = true,
	.make = make_solver, .decide = decide_oracle, .free = free_solver,
};
