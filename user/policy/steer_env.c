// SPDX-License-Identifier: GPL-2.0
#include "policy/steer_env.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/guard.h"
#include "daemon/steer_publish.h"
#include "daemon/steer_view.h"

#define MOVES_MAX	1024
#define FLOWS_MAX	1024
#define OBJECTS_MAX	(SLUICE_BUCKETS + FLOWS_MAX)
#define AGE_ENTRIES	4096	/* as the daemon looks at in an interval */
#define STALE_MAX	16

struct flow {
	bool used;
	uint32_t flow, id;
	uint16_t cpu;
	uint64_t packets, bytes, active_ns;
};

/* What a policy sees: loads as they were, objects where they are. */
struct view {
	struct steer_cpu_obs cpu[SLUICE_MAX_CPUS];
	struct steer_object object[OBJECTS_MAX];
	size_t n_objects;
};

struct steer_env {
	struct steer_env_params p;
	struct steer_policy *policy;
	struct cpus *cpus;
	struct guard_config guard;
	struct guard_object object;
	uint64_t interval_ns;
	unsigned int steps;

	struct steer_snapshot *before, *now, snapshot[2];
	struct procstat times_before, times_now;
	struct flow flow[FLOWS_MAX];
	unsigned int n_flows;
	struct steer_publish publish;
	struct view *view;		/* a ring of stale + 1 */
	struct steer_interval in;	/* points into it */
	double future[OBJECTS_MAX], future_base[SLUICE_MAX_CPUS], slow[SLUICE_MAX_CPUS];

	unsigned int moves;		/* of the latest decision */
	uint64_t moved, refused, rewarded;
	double reward_sum, fine_sum;
	struct steer_reward_terms terms;	/* sums */
};

void steer_env_params_default(struct steer_env_params *p)
{
	struct steer_agent_config agent;

	steer_agent_config_default(&agent);
	*p = (struct steer_env_params) {
		.interval_s = 0.25,
		.warmup = 8,
		.changes_per_s = 20,
		.moves_per_epoch = 8,
		.refuse_losing = true,
		.max_flows = 256,
		.flow_idle_s = 10,
		.learn_steps = 8,
		.weights = agent.weights,
		.dropped_s = 10e-3,
		.reordered_s = 1e-3,
	};
	cpus_params_default(&p->cpus);
	cpus_traffic_params_default(&p->traffic);
}

static int check(const struct steer_env_params *p, struct sl_err *e)
{
	if (!(p->interval_s >= 0.001 && p->interval_s <= 3600))
		return sl_err(e, -EINVAL, "an interval must be 1 ms to an hour");
	if (p->stale > STALE_MAX || p->max_flows > FLOWS_MAX)
		return sl_err(e, -EINVAL, "loads can be %d intervals old, and %d flows have an "
			      "assignment, at most", STALE_MAX, FLOWS_MAX);
	return 0;
}

static int decide(struct steer_env *env);

/* The tree with all CPUs as targets, of whose load nothing is known yet. */
static int place_from_the_start(struct steer_env *env)
{
	struct place_loads loads = { .n = env->p.cpus.n_cpus, .flow_ppm = STEER_PUBLISH_FLOW_PPM };
	int r;

	for (unsigned int i = 0; i < loads.n; i++)
		loads.cpu[i] = (uint8_t)i;
	r = cpus_set_loads(env->cpus, &loads);
	return r ? r : cpus_set_tree(env->cpus, env->p.tree);
}

int steer_env_new(const struct steer_env_params *p, uint64_t seed, struct steer_policy *policy,
		  struct steer_env **ret, struct sl_err *e)
{
	struct cpus_params cp = p->cpus;
	struct cpus_traffic *t;
	struct steer_env *env;
	int r = check(p, e);

	if (r)
		return r;
	env = calloc(1, sizeof(*env));
	if (!env)
		return sl_err(e, -ENOMEM, "out of memory");
	env->p = *p;
	env->policy = policy;
	env->interval_ns = (uint64_t)(p->interval_s * 1e9);
	env->now = &env->snapshot[0];
	env->before = &env->snapshot[1];
	env->view = calloc(p->stale + 1, sizeof(*env->view));
	r = env->view ? cpus_traffic_new(&p->traffic, seed, &t, e) :
			sl_err(e, -ENOMEM, "out of memory");
	cp.steer = !policy->ops->no_program;
	if (!r)
		r = cpus_new(&cp, t, &env->cpus, e);
	if (r) {
		steer_env_free(env);
		return r;
	}
	env->guard.changes_per_s = p->changes_per_s;
	env->guard.moves_per_epoch = p->moves_per_epoch;
	for (unsigned int i = 0; i < cp.n_cpus; i++) {
		env->guard.cpu_allowed[i] = true;
		env->slow[i] = 1 / cp.speed[i];
	}
	for (unsigned int b = 0; b < SLUICE_BUCKETS && cp.steer; b++)
		cpus_bucket_baseline(env->cpus, b, (int)(b % cp.n_cpus));
	cpus_set_placer(env->cpus, policy->ops->placer, policy);
	if (p->tree && cp.steer)
		r = place_from_the_start(env);
	if (r) {
		steer_env_free(env);
		return sl_err(e, r, "the tree is refused: %s", strerror(-r));
	}
	cpus_lease(env->cpus, 4 * env->interval_ns);
	cpus_snapshot(env->cpus, env->now);
	cpus_procstat(env->cpus, &env->times_now);
	if (policy->ops->clairvoyant) {
		/* Who knows the future need not wait for a first interval to be over. */
		for (unsigned int i = 0; i < cp.n_cpus; i++)
			env->view[0].cpu[i].cpu = (uint16_t)i;
		env->in = (struct steer_interval){
			.seconds = p->interval_s, .cpus = env->view[0].cpu, .n_cpus = cp.n_cpus,
		};
		r = decide(env);
	}
	if (r) {
		steer_env_free(env);
		return sl_err(e, r, "the policy failed: %s", strerror(-r));
	}
	*ret = env;
	return 0;
}

void steer_env_free(struct steer_env *env)
{
	if (!env)
		return;
	cpus_free(env->cpus);
	free(env->view);
	free(env);
}

/* --- flows with an assignment, as the daemon's link_flows.c has them ------------------ */

static void admit(const struct cpus_heavy *h, void *data)
{
	struct steer_env *env = data;
	int cpu = steer_view_bucket_cpu(env->now, h->bucket);
	unsigned int slot = env->p.max_flows;
	struct sluice_flow entry;

	for (unsigned int i = 0; i < env->p.max_flows; i++) {
		if (env->flow[i].used && env->flow[i].flow == h->flow && env->flow[i].id == h->id)
			return;
		if (!env->flow[i].used && slot == env->p.max_flows)
			slot = i;
	}
	/* Where a tree has put it, it stays. */
	if (cpus_flow_get(env->cpus, h->flow, h->id, &entry) == 0 && entry.assign.flags)
		cpu = entry.assign.cpu;
	if (slot == env->p.max_flows || cpu < 0 || !env->policy->ops->decide ||
	    cpus_flow_assign(env->cpus, h->flow, h->id, (unsigned int)cpu, SLUICE_FLOW_LEARNED))
		return;
	env->flow[slot] = (struct flow){
		.used = true, .flow = h->flow, .id = h->id, .cpu = (uint16_t)cpu,
		.active_ns = cpus_now_ns(env->cpus),
	};
}

static void refresh_flows(struct steer_env *env, struct view *v)
{
	const uint64_t now = cpus_now_ns(env->cpus);
	const uint64_t idle_ns = (uint64_t)(env->p.flow_idle_s * 1e9);

	for (unsigned int i = 0; i < env->p.max_flows; i++) {
		struct flow *f = &env->flow[i];
		struct sluice_flow seen;

		if (!f->used)
			continue;
		if (cpus_flow_get(env->cpus, f->flow, f->id, &seen) < 0) {
			f->used = false;
			continue;
		}
		if (seen.packets != f->packets) {
			f->active_ns = now;
		} else if (now - f->active_ns > idle_ns) {
			cpus_flow_delete(env->cpus, f->flow, f->id);
			f->used = false;
			continue;
		}
		if (seen.packets > f->packets)
			v->object[v->n_objects++] = (struct steer_object){
				.id = i, .is_flow = true, .cpu = f->cpu,
				.pps = (double)(seen.packets - f->packets),
				.bps = (double)(seen.bytes - f->bytes),
			};
		f->packets = seen.packets;
		f->bytes = seen.bytes;
	}
}

/* --- observation ------------------------------------------------------------------------ */

static void observe(struct steer_env *env)
{
	struct view *v = &env->view[env->steps % (env->p.stale + 1)];
	struct steer_snapshot *swap = env->before;
	const double seconds = env->p.interval_s;

	env->before = env->now;
	env->now = swap;
	cpus_snapshot(env->cpus, env->now);
	env->times_before = env->times_now;
	cpus_procstat(env->cpus, &env->times_now);
	cpus_heavy_drain(env->cpus, admit, env);
	cpus_flow_age(env->cpus, (uint64_t)(env->p.flow_idle_s * 1e9), AGE_ENTRIES);
	for (unsigned int i = 0; i < env->p.cpus.n_cpus; i++) {
		v->cpu[i] = steer_view_cpu(i, &env->times_before.cpu[i], &env->times_now.cpu[i],
					   seconds);
		steer_view_sent(env->before, env->now, &v->cpu[i]);
	}
	v->n_objects = steer_view_buckets(env->before, env->now, v->object, SLUICE_BUCKETS);
	refresh_flows(env, v);
	for (size_t i = 0; i < v->n_objects; i++) {
		v->object[i].pps /= seconds;
		v->object[i].bps /= seconds;
	}
	env->in = (struct steer_interval){
		.seconds = seconds, .cpus = v->cpu, .n_cpus = env->p.cpus.n_cpus,
		.objects = v->object, .n_objects = v->n_objects,
	};
}

static int object_cpu(const struct steer_env *env, const struct steer_object *o)
{
	if (o->is_flow)
		return env->flow[o->id].used ? env->flow[o->id].cpu : -1;
	return steer_view_bucket_cpu(env->now, o->id);
}

/* What the policy sees: the view of "stale" intervals ago, with objects where they are now. */
static struct steer_interval seen(struct steer_env *env)
{
	struct view *v = &env->view[(env->steps + 1) % (env->p.stale + 1)];
	struct steer_interval in = env->in;
	size_t n = 0;

	if (!env->p.stale || env->policy->ops->clairvoyant)
		return in;
	for (size_t i = 0; i < v->n_objects; i++) {
		const int cpu = object_cpu(env, &v->object[i]);

		if (cpu < 0)
			continue;
		v->object[n] = v->object[i];
		v->object[n++].cpu = (uint16_t)cpu;
	}
	v->n_objects = n;
	in.cpus = v->cpu;
	in.objects = v->object;
	in.n_objects = n;
	return in;
}

/* --- the future, for an oracle -------------------------------------------------------------- */

/* Index + 1 of the listed flow in a slot of the traffic. */
struct listed {
	uint32_t flow;
	uint16_t index1;
};

static unsigned int listed_slot(const struct listed *l, uint32_t flow)
{
	unsigned int i = flow * 0x9e3779b1u >> 21;

	while (l[i].index1 && l[i].flow != flow)
		i = (i + 1) & 2047;
	return i;
}

/* Every bucket and listed flow becomes an object of *v, with what it will need. */
static int foresee(struct steer_env *env, struct view *v, struct steer_scene *s)
{
	const struct cpus_costs *k = &env->p.cpus.costs;
	struct cpus_traffic *t = cpus_traffic_copy(cpus_arrivals(env->cpus));
	const uint64_t until = cpus_now_ns(env->cpus) + env->interval_ns;
	static _Thread_local struct listed listed[2048];
	struct cpus_arrival a;
	int r = t ? 0 : -ENOMEM;

	memset(env->future, 0, sizeof(env->future));
	memset(env->future_base, 0, sizeof(env->future_base));
	memset(listed, 0, sizeof(listed));
	for (unsigned int i = 0; i < env->p.max_flows; i++)
		if (env->flow[i].used)
			listed[listed_slot(listed, env->flow[i].flow)] =
				(struct listed){ env->flow[i].flow, (uint16_t)(i + 1) };
	while (!r && !(r = cpus_traffic_next(t, &a)) && a.time_ns < until) {
		const unsigned int q = env->p.cpus.rss_table[a.rss_hash % CPUS_RSS_SLOTS];
		const unsigned int cpu = q % env->p.cpus.n_cpus;
		const struct listed *l = &listed[listed_slot(listed, a.flow)];
		const double ns = k->take_ns + (k->stack_ns + k->stack_ns_per_byte * a.bytes) *
				  (double)a.work;
		unsigned int i = a.bucket;

		if (l->index1 && env->flow[l->index1 - 1].id == a.id)
			i = SLUICE_BUCKETS + l->index1 - 1u;
		env->future[i] += ns / (double)env->interval_ns;
		env->future_base[cpu] += (k->rx_ns + k->steer_ns + k->send_ns) * env->slow[cpu] /
					 (double)env->interval_ns;
	}
	cpus_traffic_free(t);
	if (r)
		return r;
	v->n_objects = 0;
	for (unsigned int i = 0; i < OBJECTS_MAX; i++) {
		struct steer_object o = {
			.id = i < SLUICE_BUCKETS ? i : i - SLUICE_BUCKETS,
			.is_flow = i >= SLUICE_BUCKETS,
		};
		const int cpu = env->future[i] > 0 ? object_cpu(env, &o) : -1;

		if (cpu < 0)
			continue;
		o.cpu = (uint16_t)cpu;
		o.pps = env->future[i];		/* only its order matters */
		env->future[v->n_objects] = env->future[i];
		v->object[v->n_objects++] = o;
	}
	s->in.objects = v->object;
	s->in.n_objects = v->n_objects;
	s->future = env->future;
	s->future_base = env->future_base;
	s->slow = env->slow;
	return 0;
}

/* --- decision and action ------------------------------------------------------------------ */

static bool apply(struct steer_env *env, const struct steer_interval *in,
		  const struct steer_move *m)
{
	const struct steer_object o = { .id = m->id, .is_flow = m->is_flow };
	const int from = object_cpu(env, &o);
	enum guard_verdict verdict;

	if (from < 0 || (m->is_flow ? m->id >= env->p.max_flows : m->id >= SLUICE_BUCKETS) ||
	    m->to >= env->p.cpus.n_cpus)
		return false;
	if (!env->policy->ops->unguarded) {
		if (env->p.refuse_losing && steer_view_loses(in, m))
			return false;
		verdict = guard_move(&env->guard, &env->object, cpus_now_ns(env->cpus) + 1, false,
				     env->moves, (uint16_t)from, m->to);
		if (!guard_go(verdict))
			return false;
	}
	if (m->is_flow) {
		struct flow *f = &env->flow[m->id];

		if (cpus_flow_assign(env->cpus, f->flow, f->id, m->to, SLUICE_FLOW_LEARNED))
			return false;
		f->cpu = m->to;
	} else {
		cpus_bucket_learned(env->cpus, m->id, m->to);
		env->now->bucket_target[m->id].learned_cpu = m->to;
		env->now->bucket_target[m->id].flags |= SLUICE_BUCKET_F_LEARNED;
	}
	env->moves++;
	return true;
}

static int decide(struct steer_env *env)
{
	const struct steer_policy_ops *ops = env->policy->ops;
	struct steer_move moves[MOVES_MAX];
	struct steer_scene s = { .in = seen(env) };
	static _Thread_local struct view future;
	bool applied[MOVES_MAX];
	int n, r;

	env->moves = 0;
	if (!ops->decide || env->in.n_cpus < 2 ||
	    (env->steps < env->p.stale && !ops->clairvoyant))
		return 0;
	if (ops->clairvoyant) {
		r = foresee(env, &future, &s);
		if (r)
			return r;
	}
	if (!s.in.n_objects)
		return 0;
	n = ops->decide(env->policy, &s, moves, MOVES_MAX);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		applied[i] = apply(env, &s.in, &moves[i]);
		env->refused += !applied[i];
	}
	env->moved += env->moves;
	if (ops->applied)
		ops->applied(env->policy, applied, (size_t)n);
	if (ops->train)
		ops->train(env->policy, env->p.learn_steps);
	return 0;
}

/* Of the interval that ended, with the moves at its beginning. */
static void add_reward(struct steer_env *env)
{
	struct steer_reward_weights fine = env->p.weights;
	struct steer_reward_terms t;

	steer_reward_terms(&env->in, env->moves, &env->p.weights, &t);
	env->reward_sum += steer_reward(&t, &env->p.weights);
	env->terms.throughput += t.throughput;
	env->terms.latency += t.latency;
	env->terms.imbalance += t.imbalance;
	env->terms.moves += t.moves;
	fine.latency_ref_s /= 10;
	steer_reward_terms(&env->in, env->moves, &fine, &t);
	env->fine_sum += t.latency;
	env->rewarded++;
}

/* For the tree: loads as old as what a policy sees, and of now what is in the rings. */
static int publish(struct steer_env *env)
{
	const struct view *v = &env->view[(env->steps + 1) % (env->p.stale + 1)];
	struct place_loads loads = { .n = 0 };

	if (!env->p.tree || env->steps < env->p.stale)
		return 0;
	steer_publish(&env->publish, env->before, env->now, v->cpu, env->p.cpus.n_cpus,
		      env->p.cpus.ring_pkts, &loads);
	return cpus_set_loads(env->cpus, &loads);
}

int steer_env_step(struct steer_env *env)
{
	int r;

	r = cpus_run(env->cpus, cpus_now_ns(env->cpus) + env->interval_ns);
	if (r)
		return r;
	observe(env);
	if (env->steps >= env->p.warmup)
		add_reward(env);
	if (env->steps + 1 == env->p.warmup) {
		cpus_reset(env->cpus);
		env->moved = env->refused = 0;
	}
	r = decide(env);
	if (!r)
		r = publish(env);
	cpus_lease(env->cpus, 4 * env->interval_ns);
	env->steps++;
	return r;
}

void steer_env_outcome(const struct steer_env *env, struct steer_outcome *out)
{
	const double charge_ns = env->p.dropped_s * 1e9;
	struct cpus_stats s, kept;
	const double n = env->rewarded ? (double)env->rewarded : NAN;
	double drops, all, mean;

	cpus_read(env->cpus, &s);
	kept = s;
	kept.rx_drops = kept.ring_drops = 0;
	drops = (double)(s.rx_drops + s.ring_drops);
	all = fmax((double)s.delivered + drops, 1);
	*out = (struct steer_outcome) {
		.seconds = (double)s.time_ns / 1e9,
		.packets = (double)s.arrived,
		.mean_us = s.sojourn_sum_ns / fmax((double)s.delivered, 1) / 1e3,
		.p50_us = cpus_sojourn_quantile(&kept, 0.5, charge_ns) / 1e3,
		.p99_us = cpus_sojourn_quantile(&kept, 0.99, charge_ns) / 1e3,
		.p999_us = cpus_sojourn_quantile(&kept, 0.999, charge_ns) / 1e3,
		.dropped = drops / all,
		.reordered = (double)s.reordered / all,
		.cold = (double)s.cold / all,
		.moves_per_s = (double)env->moved / fmax((double)s.time_ns / 1e9, 1e-9),
		.refused_per_s = (double)env->refused / fmax((double)s.time_ns / 1e9, 1e-9),
		.reward = env->policy->ops->no_program ? NAN : env->reward_sum / n,
		.terms = {
			.throughput = env->terms.throughput / n, .latency = env->terms.latency / n,
			.imbalance = env->terms.imbalance / n, .moves = env->terms.moves / n,
		},
		.latency_fine = env->fine_sum / n,
		.digest = s.digest,
		.moves_forced = env->now->stats.moves_forced,
	};
	mean = (s.sojourn_sum_ns + drops * charge_ns +
		(double)s.reordered * env->p.reordered_s * 1e9) / all;
	out->cost_us = sqrt(fmax(mean, 1) *
			    fmax(cpus_sojourn_quantile(&s, 0.99, charge_ns), 1)) / 1e3;
	for (unsigned int i = 0; i < env->p.cpus.n_cpus; i++) {
		out->util[i] = (double)s.busy_ns[i] / fmax((double)s.time_ns, 1);
		out->util_max = fmax(out->util_max, out->util[i]);
		out->util_mean += out->util[i] / env->p.cpus.n_cpus;
	}
}

const struct steer_interval *steer_env_seen(const struct steer_env *env)
{
	return &env->in;
}

struct cpus *steer_env_cpus(struct steer_env *env)
{
	return env->cpus;
}

int steer_env_run(const struct steer_env_params *p, uint64_t seed, struct steer_policy *policy,
		  unsigned int intervals, struct steer_outcome *out, struct sl_err *e)
{
	struct steer_env *env;
	int r = steer_env_new(p, seed, policy, &env, e);

	if (r)
		return r;
	for (unsigned int i = 0; i < intervals && !r; i++)
		r = steer_env_step(env);
	if (r)
		sl_err(e, r, "the simulation ended: %s", strerror(-r));
	else
		steer_env_outcome(env, out);
	steer_env_free(env);
	return r;
}
