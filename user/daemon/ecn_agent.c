// SPDX-License-Identifier: GPL-2.0
/*
 * How the agent decides.
 *
 * The candidates of a decision are the template nearest to the setting in force ("stay") and the
 * feasible templates one grid step away. The network values each from the state and the candidate's
 * place in the grid, so what is learned about one template carries over to those around it, and a
 * network that is wrong somewhere can only walk there one step per interval, each step measured.
 * A far-away optimum is reached in as many decisions as it is steps away.
 *
 *   untrained   fewer than AGENT_MIN_UPDATES gradient steps ever (a checkpoint counts): stay
 *   greedy      the best candidate, if it beats staying by HYSTERESIS
 *   explore     with probability epsilon, a random other candidate
 *
 * Queues of one link change one at a time (rl/team.h), since what one does shows in the others.
 *
 * Staying keeps the setting in force to the byte, also when it is not a template.
 *
 * Regret is what exploration is estimated to have cost: for every interval that an exploring step
 * ruled, the shortfall of its reward against the queue's running mean. When an hour's sum reaches
 * the budget, exploration rests until the hour is over (hours of observed time; no clock is read).
 *
 * Rewards are learned times (1 - gamma), which gives Q the scale of a reward: a weighted mean of
 * the rewards to come.
 */
#include "daemon/ecn_agent.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/agent_net.h"
#include "daemon/ecn_grid.h"
#include "daemon/reward_ecn.h"
#include "lib/clamp.h"
#include "lib/rng.h"
#include "rl/team.h"
#include "rl/translog.h"

#define INTERVALS	3	/* remembered in the state */
#define PER_INTERVAL	6	/* features of one */
#define PER_CANDIDATE	4
#define FEATURES	(INTERVALS * PER_INTERVAL + PER_CANDIDATE)

#define GAMMA		0.8f
#define HYSTERESIS	0.01f	/* of Q, where one step of a lasting gain g shows as about g / 5 */
#define HOUR_S		3600.0

struct ecn_queue {
	bool known;
	double clock_s;
	float history[INTERVALS][PER_INTERVAL];	/* oldest first */

	/* The decision whose interval is running. */
	bool following;				/* somebody else's */
	bool explored;
	struct qdisc_triple triple;
	float x[ECN_NEIGHBOURS][FEATURES];	/* all candidates */
	int rows, row;				/* and the one that was chosen */
	float probability;
	uint64_t policy;

	bool has_mean;
	double reward_mean;
};

struct ecn_agent {
	struct ecn_agent_config config;
	struct ddqn *ddqn;
	struct team *team;
	struct rng rng;
	struct ecn_queue *queues;
	size_t n_queues;

	double clock_s;		/* of the queue observed longest */
	double hour_start_s;
	bool has_mean;
	struct ecn_agent_stats stats;

	void (*watch)(void *data, const struct translog_row *row);
	void *watch_data;
};

/* The state and candidates of one decision. */
struct ecn_scene {
	struct qdisc_triple triple[ECN_ACTIONS];
	int action[ECN_NEIGHBOURS];
	float x[ECN_NEIGHBOURS][FEATURES];
	float q[ECN_NEIGHBOURS];
	int rows;		/* row 0 stays */
};

void ecn_agent_config_default(struct ecn_agent_config *c)
{
	*c = (struct ecn_agent_config) {
		.grid = ECN_GRID_TIME,
		.reward = ECN_REWARD_FCT,
		.explore = false,
		.learn = true,
		.epsilon = 0.1,
		.regret_budget = 300.0,
		.fct_weight_rate = 1.0,
		.fct_weight_delay = 1.0,
		.fct_ref_ns = 1e6,
		.seed = 1,
	};
}

int ecn_agent_new(const struct ecn_agent_config *c, struct ecn_agent **ret)
{
	const struct agent_net_params net = {
		.features = FEATURES, .max_rows = ECN_NEIGHBOURS, .warmup = 100,
		.gamma = GAMMA, .learning_rate = 2e-3f, .seed = c->seed,
	};
	struct ecn_agent *a = calloc(1, sizeof(*a));
	struct rng root;
	int r;

	if (!a)
		return -ENOMEM;
	a->config = *c;
	rng_seed(&root, c->seed);
	rng_split(&root, 2, &a->rng);
	r = agent_net_new(&net, &a->ddqn);
	if (!r)
		r = team_new(a->ddqn, FEATURES, &a->team);
	if (r < 0) {
		ecn_agent_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void ecn_agent_free(struct ecn_agent *a)
{
	if (!a)
		return;
	team_free(a->team);
	ddqn_free(a->ddqn);
	free(a->queues);
	free(a);
}

static int queue_get(struct ecn_agent *a, unsigned int queue, struct ecn_queue **ret)
{
	int r = team_add(a->team, queue);

	if (r < 0)
		return r;
	if (queue >= a->n_queues) {
		size_t n = queue + 1;
		struct ecn_queue *q = realloc(a->queues, n * sizeof(*q));

		if (!q)
			return -ENOMEM;
		memset(q + a->n_queues, 0, (n - a->n_queues) * sizeof(*q));
		a->queues = q;
		a->n_queues = n;
	}
	*ret = &a->queues[queue];
	return 0;
}

/*
 * One interval of the state. The queue spans three decades around C * RTT, hence its logarithm;
 * the rates are shares of C.
 */
static void interval_features(const struct ecn_agent_config *c, const struct ecn_interval *in,
			      float x[PER_INTERVAL])
{
	const double c_bytes = in->capacity_bps * in->seconds;
	const double bdp = fmax(in->capacity_bps * in->rtt_s, 1.0);
	/* The queue is rounded first, too: so it was when today's models were trained. */
	const float queue = clamp(8.0 * in->avg_backlog_bytes / bdp, 0.0, 1e6);

	x[0] = clamp(log1p(queue) / 4.0, 0.0, 2.0);
	x[1] = clamp(in->tx_bytes / c_bytes, 0.0, 2.0);
	x[2] = clamp(in->ce_bytes / c_bytes, 0.0, 2.0);
	ecn_grid_coordinates(c, in, &in->setting, x + 3);
}

static void history_push(struct ecn_queue *q, const float x[PER_INTERVAL])
{
	if (!q->known)
		for (int i = 1; i < INTERVALS; i++)
			memcpy(q->history[i], x, sizeof(q->history[i]));
	memmove(q->history[0], q->history[1], (INTERVALS - 1) * sizeof(q->history[0]));
	memcpy(q->history[INTERVALS - 1], x, sizeof(q->history[0]));
}

static void place_features(struct ecn_pos at, bool stays, float x[PER_CANDIDATE])
{
	x[0] = (float)at.n / (ECN_GRID_N - 1);
	x[1] = (float)at.m / (ECN_GRID_M - 1);
	x[2] = (float)at.p / (ECN_GRID_P - 1);
	x[3] = stays;
}

/* False when no template is feasible. */
static bool scene_make(const struct ecn_agent *a, const struct ecn_queue *q,
		       const struct ecn_interval *in, struct ecn_scene *s)
{
	uint8_t feasible[ECN_ACTIONS];
	int here;

	ecn_grid(&a->config, in, s->triple, feasible);
	here = ecn_grid_nearest(s->triple, feasible, &in->setting);
	if (here < 0)
		return false;
	s->rows = ecn_grid_neighbours(here, feasible, s->action);
	for (int i = 0; i < s->rows; i++) {
		memcpy(s->x[i], q->history, sizeof(q->history));
		place_features(ecn_index_pos(s->action[i]), i == 0,
			       s->x[i] + INTERVALS * PER_INTERVAL);
	}
	return true;
}

static void clock_advance(struct ecn_agent *a, struct ecn_queue *q, double seconds)
{
	if (!q->known)
		q->clock_s = a->clock_s;
	q->clock_s += seconds;
	a->clock_s = fmax(a->clock_s, q->clock_s);
	if (a->clock_s - a->hour_start_s >= HOUR_S) {
		a->hour_start_s = a->clock_s;
		a->stats.regret_spent = 0.0;
	}
}

static bool same_triple(const struct qdisc_triple *a, const struct qdisc_triple *b)
{
	return a->qth_min == b->qth_min && a->qth_max == b->qth_max && a->max_p == b->max_p;
}

static void tell(const struct ecn_agent *a, const struct ecn_queue *q, const struct ecn_scene *s,
		 double reward)
{
	const struct translog_row row = {
		.policy = q->following ? 0 : q->policy,
		.object = (uint32_t)(q - a->queues),
		.flags = q->explored ? TRANSLOG_EXPLORED : 0,
		.action = (uint32_t)q->row,
		.probability = q->probability,
		.reward = (float)reward,
		.discount = GAMMA,
		.rows = (uint32_t)q->rows, .next_rows = (uint32_t)s->rows,
		.x = q->x[0], .next_x = s->x[0],
	};

	if (a->watch)
		a->watch(a->watch_data, &row);
}

/* Learns from the decision whose interval has ended with this reward. */
static void settle(struct ecn_agent *a, unsigned int queue, const struct ecn_interval *in,
		   const struct ecn_scene *s, double reward)
{
	struct ddqn_obs next = { .x = s->x[0], .rows = s->rows };
	struct ecn_queue *q = &a->queues[queue];

	/* Somebody else's setting ruled the interval: nothing is learned about ours. */
	if (!same_triple(&q->triple, &in->setting)) {
		team_rest(a->team, queue);
	} else if (team_settle(a->team, queue, (1.0f - GAMMA) * (float)reward, &next,
			       a->config.learn)) {
		if (q->explored && q->has_mean)
			a->stats.regret_spent += fmax(0.0, q->reward_mean - reward);
		tell(a, q, s, reward);
	}
	agent_mean_add(&q->reward_mean, &q->has_mean, reward);
	agent_mean_add(&a->stats.reward_mean, &a->has_mean, reward);
}

__attribute__((format(printf, 2, 3)))
static void explain(struct ecn_decision *out, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(out->reason, sizeof(out->reason), format, ap);
	va_end(ap);
}

/* "n 4 -> 5": what differs between the present template and the chosen one. */
static void step_text(const struct ecn_scene *s, int row, char buf[48])
{
	const struct ecn_pos a = ecn_index_pos(s->action[0]), b = ecn_index_pos(s->action[row]);

	if (a.n != b.n)
		snprintf(buf, 48, "n %d -> %d", a.n, b.n);
	else if (a.m != b.m)
		snprintf(buf, 48, "qth_max/qth_min %d -> %d", 1 << a.m, 1 << b.m);
	else
		snprintf(buf, 48, "max_p %u -> %u ppm", s->triple[s->action[0]].max_p,
			 s->triple[s->action[row]].max_p);
}

static int best_row(const float *q, int rows)
{
	int best = 0;

	for (int i = 1; i < rows; i++)
		if (q[i] > q[best])
			best = i;
	return best;
}

static bool beats_staying(const float *q, int row)
{
	return q[row] - q[0] > HYSTERESIS;
}

int ecn_agent_prefers(struct ecn_agent *a, const float *x, int rows)
{
	float q[ECN_NEIGHBOURS];
	int best;

	if (rows < 1 || rows > ECN_NEIGHBOURS)
		return -1;
	ddqn_q(a->ddqn, &(struct ddqn_obs){ .x = x, .rows = (unsigned int)rows }, q);
	for (int i = 0; i < rows; i++)
		if (!isfinite(q[i]))
			return -1;
	best = best_row(q, rows);
	return beats_staying(q, best) ? best : 0;
}

/* What is chosen without exploring, and why. */
static int greedy_row(const struct ecn_agent *a, const struct ecn_scene *s, bool in_budget,
		      struct ecn_decision *out)
{
	const uint64_t updates = ddqn_updates(a->ddqn);
	const int best = best_row(s->q, s->rows);
	int least = 0;
	char step[48];

	for (int i = 1; i < s->rows; i++)
		if (s->q[i] < s->q[least])
			least = i;
	out->q_least = s->q[least];
	out->q_best = s->q[best];
	out->q_current = s->q[0];

	if (updates < AGENT_MIN_UPDATES) {
		explain(out, "stay: untrained (%llu of %d updates)", (unsigned long long)updates,
			AGENT_MIN_UPDATES);
		return 0;
	}
	if (best == 0) {
		explain(out, "stay: best known, q %.3f%s", s->q[0],
			a->config.explore && !in_budget ? ", regret budget spent" : "");
		return 0;
	}
	step_text(s, best, step);
	if (!beats_staying(s->q, best)) {
		explain(out, "stay: q margin %.4f of %s", s->q[best] - s->q[0], step);
		return 0;
	}
	explain(out, "move: %s, q %+.3f", step, s->q[best] - s->q[0]);
	return best;
}

static int choose_row(struct ecn_agent *a, unsigned int queue, const struct ecn_scene *s,
		      struct ecn_decision *out)
{
	const bool in_budget = a->stats.regret_spent < a->config.regret_budget;
	/* Drawn always, so that a budget that runs out does not shift later draws. */
	const bool explore = rng_uniform(&a->rng) < a->config.epsilon;
	const uint32_t other = rng_below(&a->rng, s->rows > 1 ? s->rows - 1 : 1);
	const bool may = a->config.explore && in_budget && s->rows > 1;
	const double epsilon = may ? a->config.epsilon : 0.0;
	const int greedy = greedy_row(a, s, in_budget, out);
	int row = greedy;
	char step[48];

	if (!team_may_change(a->team, queue)) {
		explain(out, "stay: it is the turn of another queue of the link");
		out->probability = 1.0;
		return 0;
	}
	if (may && explore) {
		row = 1 + other;
		out->explored = true;
		step_text(s, row, step);
		explain(out, "explore: %s", step);
	}
	/* An exploring step may also be the one that would have been taken anyhow. */
	out->probability = (row == greedy ? 1.0 - epsilon : 0.0) +
			   (row ? epsilon / (s->rows - 1) : 0.0);
	return row;
}

int ecn_agent_decide(struct ecn_agent *a, unsigned int queue, const struct ecn_interval *in,
		     struct ecn_decision *out)
{
	struct ecn_decision d = { .triple = in->setting, .action = -1 };
	float x[PER_INTERVAL];
	struct ecn_scene s;
	struct ecn_queue *q;
	int row, r;

	r = queue_get(a, queue, &q);
	if (r < 0)
		return r;
	if ((r = team_couple(a->team, queue, in->link)) < 0)
		return r;
	if (!ecn_interval_ok(in)) {
		team_rest(a->team, queue);
		explain(&d, "stay: the interval, capacity or RTT is not known");
		*out = d;
		return 0;
	}
	clock_advance(a, q, in->seconds);
	interval_features(&a->config, in, x);
	history_push(q, x);
	q->known = true;
	a->stats.decisions++;
	if (!ecn_interval_active(in)) {
		team_rest(a->team, queue);
		explain(&d, "stay: idle");
		*out = d;
		return 0;
	}
	d.reward = ecn_reward(&a->config, in);
	d.reward_valid = true;
	if (!scene_make(a, q, in, &s)) {
		team_rest(a->team, queue);
		explain(&d, "stay: no template fits below limit_bytes %u", in->limit_bytes);
		*out = d;
		return 0;
	}
	settle(a, queue, in, &s, d.reward);

	ddqn_q(a->ddqn, &(struct ddqn_obs){ .x = s.x[0], .rows = s.rows }, s.q);
	row = choose_row(a, queue, &s, &d);
	d.action = s.action[row];
	if (row > 0)
		d.triple = s.triple[d.action];
	a->stats.explored += d.explored;

	q->explored = d.explored;
	q->triple = d.triple;
	memcpy(q->x, s.x, sizeof(q->x));
	q->rows = s.rows;
	q->row = row;
	q->probability = d.probability;
	q->policy = ddqn_updates(a->ddqn);
	/* While it explores, it wants to know what staying pays, too. */
	team_decided(a->team, queue, s.x[row], 0,
		     row > 0 || (a->config.learn && a->config.explore));
	*out = d;
	return 0;
}

/* The row of a setting among the candidates, which may have to become one. */
static int row_of(const struct ecn_agent *a, const struct ecn_interval *in, struct ecn_scene *s,
		  const struct qdisc_triple *t)
{
	uint8_t feasible[ECN_ACTIONS], candidate[ECN_ACTIONS] = { 0 };
	struct qdisc_triple triple[ECN_ACTIONS];
	int there, nearest, row = 0;
	struct ecn_pos at;

	/* Staying keeps a setting that is between two templates. */
	if (same_triple(t, &in->setting))
		return 0;
	ecn_grid(&a->config, in, triple, feasible);
	there = ecn_grid_nearest(triple, feasible, t);
	for (int i = 0; i < s->rows; i++) {
		candidate[s->action[i]] = 1;
		if (s->action[i] == there)
			return i;
	}
	candidate[s->action[0]] = s->rows == 1;
	nearest = ecn_grid_nearest(triple, candidate, t);
	while (s->action[row] != nearest)
		row++;
	if (row == 0)
		return 0;
	at = ecn_index_pos(there);
	s->action[row] = there;
	place_features(at, false, s->x[row] + INTERVALS * PER_INTERVAL);
	return row;
}

int ecn_agent_follow(struct ecn_agent *a, unsigned int queue, const struct ecn_interval *in,
		     const struct ecn_followed *what)
{
	float x[PER_INTERVAL];
	struct ecn_scene s;
	struct ecn_queue *q;
	bool whole;
	int r = queue_get(a, queue, &q);

	if (r < 0)
		return r;
	whole = q->following && same_triple(&q->triple, &in->setting);
	q->following = false;
	if (!ecn_interval_ok(in))
		return 0;
	clock_advance(a, q, in->seconds);
	interval_features(&a->config, in, x);
	history_push(q, x);
	q->known = true;
	if (!ecn_interval_active(in) || !scene_make(a, q, in, &s))
		return 0;
	q->following = true;
	if (whole)
		tell(a, q, &s, ecn_reward(&a->config, in));

	q->row = row_of(a, in, &s, &what->next);
	q->explored = what->explored;
	q->triple = what->next;
	q->probability = what->probability;
	memcpy(q->x, s.x, sizeof(q->x));
	q->rows = s.rows;
	return 0;
}

void ecn_agent_applied(struct ecn_agent *a, unsigned int queue, bool applied)
{
	team_applied(a->team, queue, applied);
}

void ecn_agent_forget(struct ecn_agent *a, unsigned int queue)
{
	team_forget(a->team, queue);
	if (queue < a->n_queues)
		memset(&a->queues[queue], 0, sizeof(a->queues[queue]));
}

float ecn_agent_train(struct ecn_agent *a, unsigned int n)
{
	return a->config.learn ? agent_net_train(a->ddqn, n, &a->stats.loss) : -1.0f;
}

void ecn_agent_watch(struct ecn_agent *a,
		     void (*each)(void *data, const struct translog_row *row), void *data)
{
	a->watch = each;
	a->watch_data = data;
}

void ecn_agent_shape(struct translog_shape *out)
{
	/* Of one interval, then of a candidate. */
	static const struct translog_feature interval[PER_INTERVAL] = {
		{ "backlog", "ln(1+8q/CR)/4" }, { "tx_rate", "1/C" }, { "ce_rate", "1/C" },
		{ "qth_min", "grid steps" }, { "qth_max", "grid steps" }, { "max_p", "grid steps" },
	}, candidate[PER_CANDIDATE] = {
		{ "to_qth_min", "grid steps" }, { "to_qth_max", "grid steps" },
		{ "to_max_p", "grid steps" }, { "stays", "flag" },
	};
	struct translog_feature *f = out->feature;

	*out = (struct translog_shape){
		.agent = "ecn", .n_features = FEATURES, .outputs = 1, .max_rows = ECN_NEIGHBOURS,
		.reward_scale = 1.0f - GAMMA,
	};
	for (int i = 0; i < INTERVALS; i++)
		for (int j = 0; j < PER_INTERVAL; j++, f++) {
			*f = interval[j];
			snprintf(f->name, sizeof(f->name), "%.20s_%d", interval[j].name,
				 (INTERVALS - 1 - i) % 10);
		}
	memcpy(f, candidate, sizeof(candidate));
}

void ecn_agent_stats(const struct ecn_agent *a, struct ecn_agent_stats *out)
{
	*out = a->stats;
	out->updates = ddqn_updates(a->ddqn);
}

int ecn_agent_health(const struct ecn_agent *a)
{
	return ddqn_health(a->ddqn);
}

struct ddqn *ecn_agent_network(struct ecn_agent *a)
{
	return a->ddqn;
}

int ecn_agent_save(const struct ecn_agent *a, void **blob, size_t *size)
{
	return ddqn_save(a->ddqn, blob, size);
}

int ecn_agent_load(struct ecn_agent *a, const void *blob, size_t size)
{
	return ddqn_load(a->ddqn, blob, size);
}
