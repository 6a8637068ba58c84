// SPDX-License-Identifier: GPL-2.0
/*
 * The table of known results: every learner on problems whose solution is known from elsewhere,
 * with several seeds, and how many of them find it.
 *
 * A score comes from episodes that training never saw. On CartPole and Acrobot learning stops when
 * a greedy evaluation on episodes kept for that purpose is comfortably good, or when the
 * steps are used up (then, for DDQN, the best of those counts); elsewhere the last policy counts.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/rng.h"
#include "rl/bandit.h"
#include "rl/envs.h"
#include "rl/qtable.h"
#include "rl/run.h"

#define CHECK_EPISODES	100
#define CHECK_EVERY	5000	/* steps */
#define CHECK_SEED	(1ull << 40)
#define TEST_EPISODES	100
#define TEST_SEED	(1ull << 50)
#define LANES		8	/* environments side by side, for PPO */
#define SHARE		0.8	/* of the seeds that must solve it */

/* --- problems: an environment, what is scored and when it counts as solved ---------- */

struct problem {
	const char *name;
	struct env *(*make)(void);
	int (*score)(struct env *e, run_policy policy, void *ctx, double *out);
	const char *unit;	/* of the score */
	double solved;		/* at least */
	double stop_at;		/* of a check, where learning may stop; 0: no checks */
};

static char note[64];	/* what else there is to say of a score */

static int score_reward(struct env *e, run_policy policy, void *ctx, double *out)
{
	struct run_score s;
	int r = run_evaluate(e, policy, ctx, TEST_EPISODES, TEST_SEED, &s);

	*out = s.reward;
	return r;
}

/* The value of the policy, found by solving its equations, in per cent of the optimum. */
static int score_admission(struct env *e, run_policy policy, void *ctx, double *out)
{
	double q[ADMISSION_MAX + 1][ADMISSION_ACTIONS];
	int actions[ADMISSION_MAX + 1];

	(void)e;
	admission_optimum(q);
	for (unsigned int n = 0; n <= ADMISSION_MAX; n++) {
		const uint8_t ok[ADMISSION_ACTIONS] = { 1, n < ADMISSION_MAX };
		float x[ADMISSION_MAX + 1];
		struct env_action a;
		int r;

		admission_features(n, x);
		r = policy(ctx, x, ok, 1, &a);
		if (r < 0)
			return r;
		actions[n] = a.index;
	}
	*out = 100.0 * admission_value(actions) / fmax(q[0][0], q[0][1]);
	return 0;
}

struct beside {		/* a policy, and how often it joins a shortest queue */
	run_policy policy;
	void *ctx;
	unsigned int same, all;
};

static int shortest(void *ctx, const float *x, const uint8_t *ok, unsigned int rows,
		    struct env_action *a)
{
	(void)ctx;
	(void)ok;
	a->index = 0;
	for (unsigned int i = 1; i < rows; i++)
		if (x[3 * i] < x[3 * a->index])
			a->index = i;
	return 0;
}

static int compared(void *ctx, const float *x, const uint8_t *ok, unsigned int rows,
		    struct env_action *a)
{
	struct beside *b = ctx;
	struct env_action best;
	int r = b->policy(b->ctx, x, ok, rows, a);

	shortest(NULL, x, ok, rows, &best);
	if (r >= 0)
		b->same += x[3 * a->index] == x[3 * best.index];
	b->all++;
	return r;
}

/* The cost of joining the shortest, in per cent of the policy's in the same episodes. */
static int score_jsq(struct env *e, run_policy policy, void *ctx, double *out)
{
	struct beside b = { policy, ctx, 0, 0 };
	struct run_score best, s;
	int r = run_evaluate(e, compared, &b, TEST_EPISODES, TEST_SEED, &s);

	if (r >= 0)
		r = run_evaluate(e, shortest, NULL, TEST_EPISODES, TEST_SEED, &best);
	*out = 100.0 * best.reward / s.reward;
	snprintf(note, sizeof(note), "  joins a shortest in %.1f %%", 100.0 * b.same / b.all);
	return r;
}

/* The optimum's cost, in per cent of the policy's in the same episodes. */
static int score_lqr(struct env *e, run_policy policy, void *ctx, double *out)
{
	struct run_score best, s;
	double k[2];
	int r = run_evaluate(e, policy, ctx, TEST_EPISODES, TEST_SEED, &s);

	lqr_gain(k);
	if (r >= 0)
		r = run_evaluate(e, lqr_optimal, k, TEST_EPISODES, TEST_SEED, &best);
	*out = 100.0 * best.reward / s.reward;
	return r;
}

static const struct problem cartpole = {
	"cartpole", cartpole_new, score_reward, "mean reward", 475.0, 498.0
}, acrobot = {
	"acrobot", acrobot_new, score_reward, "mean reward", -100.0, -85.0
}, admission = {
	"admission", admission_new, score_admission, "% of the optimum", 99.9, 0.0
}, jsq = {
	"jsq", jsq_new, score_jsq, "% of the optimum", 99.0, 0.0
}, lqr = {
	"lqr", lqr_new, score_lqr, "% of the optimum", 90.0, 0.0
}, linear = {
	"linear", linear_new, NULL, "% less regret than blind", 95.0, 0.0
};

/* --- learners ------------------------------------------------------------------------ */

struct row {
	const char *algo;
	const struct problem *problem;
	int (*train)(const struct row *row, uint64_t seed, unsigned int steps, double *score,
		     unsigned int *taken);
	unsigned int steps;	/* at most; 0: what the caller says */
	struct ddqn_config ddqn;
	struct run_ddqn_config run;
	struct ppo_config ppo;
	enum bandit_kind bandit;
};

static int train_ddqn(const struct row *row, uint64_t seed, unsigned int steps, double *score,
		      unsigned int *taken)
{
	const struct problem *p = row->problem;
	struct ddqn_config dc = row->ddqn;
	struct run_ddqn_config rc = row->run;
	struct env *e = p->make();
	struct run_score s = { 0 };
	struct run_ddqn *run = NULL;
	struct ddqn *d = NULL;
	double best = -INFINITY;
	void *blob = NULL;
	size_t size = 0;
	int r = -1;

	dc.seed = rc.seed = seed;
	if (!e || ddqn_new(&dc, &d) < 0 || run_ddqn_new(&rc, e, d, &dc, &run) < 0)
		goto out;
	for (*taken = 0; *taken < steps && !(p->stop_at && best >= p->stop_at);) {
		const unsigned int left = steps - *taken;
		const unsigned int n = left < CHECK_EVERY ? left : CHECK_EVERY;

		if ((r = run_ddqn_steps(run, n)) < 0)
			goto out;
		*taken += n;
		if (!p->stop_at)
			continue;
		if (run_evaluate(e, run_greedy_ddqn, d, CHECK_EPISODES, CHECK_SEED, &s) < 0)
			goto out;
		if (s.reward <= best)
			continue;
		best = s.reward;
		free(blob);
		blob = NULL;
		if (ddqn_save(d, &blob, &size) < 0)
			goto out;
	}
	if (blob && ddqn_load(d, blob, size) < 0)
		goto out;
	r = p->score(e, run_greedy_ddqn, d, score);
out:
	free(blob);
	run_ddqn_free(run);
	ddqn_free(d);
	env_free(e);
	return r;
}

/* With the steps used up, the latest policy counts: of PPO no copies are kept. */
static int train_ppo(const struct row *row, uint64_t seed, unsigned int steps, double *score,
		     unsigned int *taken)
{
	const struct problem *p = row->problem;
	const unsigned int round = row->ppo.lanes * row->ppo.horizon;
	const struct run_ppo_config rc = { .anneal_steps = steps, .seed = ~seed };
	struct env *e[LANES] = { 0 }, *check = p->make();
	struct run_score s = { .reward = -INFINITY };
	unsigned int next_check = CHECK_EVERY;
	struct ppo_config c = row->ppo;
	struct run_ppo_policy policy = { 0 };
	struct run_ppo *run = NULL;
	struct ppo_stats stats;
	int r = -1;

	c.seed = seed;
	for (unsigned int l = 0; l < LANES; l++)
		if (!(e[l] = p->make()))
			goto out;
	if (!check || ppo_new(&c, &policy.ppo) < 0 ||
	    run_ppo_new(&rc, e, policy.ppo, &c, &run) < 0)
		goto out;
	for (*taken = 0; *taken + round <= steps && !(p->stop_at && s.reward >= p->stop_at);) {
		if ((r = run_ppo_round(run, &stats)) < 0)
			goto out;
		*taken += round;
		if (!p->stop_at || *taken < next_check)
			continue;
		next_check += CHECK_EVERY;
		if (run_evaluate(check, run_greedy_ppo, &policy, CHECK_EPISODES, CHECK_SEED,
				 &s) < 0)
			goto out;
	}
	r = p->score(check, run_greedy_ppo, &policy, score);
out:
	for (unsigned int l = 0; l < LANES; l++)
		env_free(e[l]);
	env_free(check);
	run_ppo_free(run);
	ppo_free(policy.ppo);
	return r;
}

static unsigned int customers(const float *x)
{
	unsigned int n = 0;

	while (n < ADMISSION_MAX && x[n] != 1.0f)
		n++;
	return n;
}

static int greedy_qtable(void *ctx, const float *x, const uint8_t *ok, unsigned int rows,
			 struct env_action *a)
{
	(void)rows;
	a->index = qtable_greedy(ctx, customers(x), ok);
	return a->index < 0 ? a->index : 0;
}

/* Random actions; the admission problem only. */
static int train_qtable(const struct row *row, uint64_t seed, unsigned int steps, double *score,
			unsigned int *taken)
{
	struct env *e = row->problem->make();
	float x[ADMISSION_MAX + 1];
	uint8_t ok[ADMISSION_ACTIONS];
	struct qtable t = { 0 };
	struct rng rng;
	int r = -1;

	rng_seed(&rng, seed);
	if (!e || qtable_init(&t, ADMISSION_MAX + 1, ADMISSION_ACTIONS, ADMISSION_GAMMA, 0.5,
			      500.0) < 0)
		goto out;
	e->over = true;
	for (*taken = 0; *taken < steps; (*taken)++) {
		struct env_action a;
		struct env_step s;
		unsigned int n;

		if ((e->over && env_reset(e, rng_u64(&rng)) < 0) || env_observe(e, x, ok) < 0)
			goto out;
		n = customers(x);
		a.index = ok[ADMISSION_ADMIT] ? rng_below(&rng, 2) : ADMISSION_REJECT;
		if (env_step(e, &a, &s) < 0 || env_observe(e, x, ok) < 0 ||
		    qtable_learn(&t, n, a.index, s.reward, customers(x), ok) < 0)
			goto out;
	}
	r = row->problem->score(e, greedy_qtable, &t, score);
out:
	qtable_fini(&t);
	env_free(e);
	return r;
}

/* A bandit is scored while it learns: by its regret over all its steps. */
static int train_bandit(const struct row *row, uint64_t seed, unsigned int steps, double *score,
			unsigned int *taken)
{
	const struct bandit_config c = { row->bandit, LINEAR_ARMS, LINEAR_FEATURES, 0.5, seed };
	struct env *e = row->problem->make();
	double lost = 0.0, blind = 0.0;
	struct bandit b = { 0 };
	int r = -1;

	if (!e || env_reset(e, seed) < 0 || bandit_init(&b, &c) < 0)
		goto out;
	for (*taken = 0; *taken < steps; (*taken)++) {
		double x[LINEAR_FEATURES], now, now_blind;
		uint8_t ok[LINEAR_ARMS];
		float seen[LINEAR_FEATURES];
		struct env_action a;
		struct env_step s;

		if (env_observe(e, seen, ok) < 0)
			goto out;
		for (int i = 0; i < LINEAR_FEATURES; i++)
			x[i] = seen[i];
		a.index = bandit_choose(&b, x, ok);
		if (env_step(e, &a, &s) < 0 || bandit_learn(&b, a.index, x, s.reward) < 0)
			goto out;
		linear_regret(e, &now, &now_blind);
		lost += now;
		blind += now_blind;
	}
	*score = 100.0 * (1.0 - lost / blind);
	r = 0;
out:
	bandit_fini(&b);
	env_free(e);
	return r;
}

/* --- the table ------------------------------------------------------------------------- */

static const struct row table[] = {
	{
		.algo = "ddqn", .problem = &cartpole, .train = train_ddqn,
		.ddqn = {
			.features = 4, .outputs = 2, .max_rows = 1, .hidden = { 64, 64 },
			.replay_size = 50000, .batch = 64, .warmup = 1000, .gamma = 0.99f,
			.tau = 0.01f, .learning_rate = 5e-4f, .grad_clip = 10.0f,
		},
		.run = {
			.n_step = 3, .epsilon_first = 1.0, .epsilon_last = 0.05,
			.epsilon_steps = 10000, .update_every = 2,
		},
	}, {
		.algo = "ddqn", .problem = &acrobot, .train = train_ddqn,
		.ddqn = {
			.features = 6, .outputs = 3, .max_rows = 1, .hidden = { 64, 64 },
			.replay_size = 50000, .batch = 64, .warmup = 1000, .gamma = 0.99f,
			.tau = 0.01f, .learning_rate = 5e-4f, .grad_clip = 10.0f,
		},
		.run = {
			.n_step = 3, .epsilon_first = 1.0, .epsilon_last = 0.05,
			.epsilon_steps = 20000, .update_every = 2,
		},
	}, {
		.algo = "ddqn", .problem = &admission, .train = train_ddqn, .steps = 100000,
		.ddqn = {
			.features = ADMISSION_MAX + 1, .outputs = ADMISSION_ACTIONS, .max_rows = 1,
			.replay_size = 100000, .batch = 64, .warmup = 500, .gamma = ADMISSION_GAMMA,
			.tau = 0.02f, .learning_rate = 2e-3f, .grad_clip = 10.0f,
		},
		.run = {
			.n_step = 1, .epsilon_first = 1.0, .epsilon_last = 0.1,
			.epsilon_steps = 20000, .update_every = 1, .anneal_steps = 100000,
		},
	}, {
		.algo = "ddqn", .problem = &jsq, .train = train_ddqn, .steps = 60000,
		.ddqn = {
			.features = 3, .outputs = 1, .max_rows = JSQ_CPUS, .hidden = { 32, 32 },
			.replay_size = 60000, .batch = 64, .warmup = 500, .gamma = 0.8f,
			.tau = 0.01f, .learning_rate = 1e-3f, .grad_clip = 10.0f,
		},
		.run = {
			.n_step = 1, .epsilon_first = 1.0, .epsilon_last = 0.1,
			.epsilon_steps = 4000, .update_every = 1, .anneal_steps = 60000,
		},
	}, {
		.algo = "ppo", .problem = &cartpole, .train = train_ppo,
		.ppo = {
			.features = 4, .actions = 2, .hidden = { 64, 64 }, .lanes = LANES,
			.horizon = 64, .epochs = 10, .minibatch = 128, .gamma = 0.98f,
			.lambda = 0.9f, .clip = 0.2f, .learning_rate = 1e-3f, .grad_clip = 0.5f,
		},
	}, {
		.algo = "ppo", .problem = &acrobot, .train = train_ppo,
		.ppo = {
			.features = 6, .actions = 3, .hidden = { 64, 64 }, .lanes = LANES,
			.horizon = 256, .epochs = 4, .minibatch = 128, .gamma = 0.99f,
			.lambda = 0.95f, .clip = 0.2f, .entropy = 0.01f,
			.learning_rate = 5e-4f, .grad_clip = 0.5f,
		},
	}, {
		.algo = "ppo", .problem = &admission, .train = train_ppo, .steps = 400000,
		.ppo = {
			.features = ADMISSION_MAX + 1, .actions = ADMISSION_ACTIONS,
			.hidden = { 16, 16 }, .lanes = LANES, .horizon = 256, .epochs = 4,
			.minibatch = 256, .gamma = ADMISSION_GAMMA, .lambda = 0.9f, .clip = 0.2f,
			.entropy = 0.001f, .learning_rate = 2e-3f, .grad_clip = 0.5f,
		},
	}, {
		.algo = "ppo", .problem = &jsq, .train = train_ppo, .steps = 200000,
		.ppo = {
			.features = 3 * JSQ_CPUS, .actions = JSQ_CPUS, .hidden = { 32, 32 },
			.lanes = LANES, .horizon = 256, .epochs = 6, .minibatch = 256,
			.gamma = 0.8f, .lambda = 0.9f, .clip = 0.2f, .entropy = 0.001f,
			.learning_rate = 2e-3f, .grad_clip = 0.5f,
		},
	}, {
		.algo = "ppo", .problem = &lqr, .train = train_ppo, .steps = 200000,
		.ppo = {
			.features = 2, .actions = 1, .continuous = true, .hidden = { 32, 32 },
			.lanes = LANES, .horizon = 128, .epochs = 6, .minibatch = 128,
			.gamma = LQR_GAMMA, .lambda = 0.9f, .clip = 0.2f,
			.learning_rate = 2e-3f, .grad_clip = 0.5f,
		},
	},
	{ .algo = "qtable", .problem = &admission, .train = train_qtable, .steps = 500000 },
	{ .algo = "linucb", .problem = &linear, .train = train_bandit, .steps = 10000,
	  .bandit = BANDIT_LINUCB },
	{ .algo = "thompson", .problem = &linear, .train = train_bandit, .steps = 10000,
	  .bandit = BANDIT_THOMPSON },
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

struct options {
	const char *algo, *env;
	unsigned int seeds, first, steps;
};

/* Prints a line for each seed and one for all; *solved: how many found the solution. */
static int print_row(const struct row *row, const struct options *o, unsigned int *solved)
{
	const struct problem *p = row->problem;
	const unsigned int steps = row->steps && row->steps < o->steps ? row->steps : o->steps;

	*solved = 0;
	for (unsigned int n = 0; n < o->seeds; n++) {
		const double start = now_s();
		unsigned int taken = 0;
		double score = 0.0;
		int r = row->train(row, o->first + n, steps, &score, &taken);

		if (r < 0) {
			fprintf(stderr, "known_results: %s on %s, seed %u: %s\n", row->algo,
				p->name, o->first + n, strerror(r == -1 ? 0 : -r));
			return r;
		}
		*solved += score >= p->solved;
		printf("%-8s %-10s %6u %9.2f %8u %8.1f%s\n", row->algo, p->name, o->first + n,
		       score, taken, now_s() - start, note);
		*note = '\0';
	}
	printf("%-8s %-10s %s >= %g: %u of %u seeds\n", row->algo, p->name, p->unit, p->solved,
	       *solved, o->seeds);
	return 0;
}

static int usage(FILE *f)
{
	fprintf(f, "usage: known_results [--algo ALGO] [--env ENV] [--seeds N] [--first-seed S]\n"
		   "                     [--steps N]\n"
		   "Trains every learner (ddqn, ppo, qtable, linucb, thompson) on the problems\n"
		   "with known solutions that suit it (cartpole, acrobot, admission, jsq, lqr, linear)\n"
		   "and prints a score for each seed.\n"
		   "The exit status is 1 if fewer than 8 in 10 seeds solve a problem.\n");
	return f == stderr ? 2 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "algo", required_argument, NULL, 'a' }, { "env", required_argument, NULL, 'e' },
		{ "seeds", required_argument, NULL, 'n' }, { "steps", required_argument, NULL, 's' },
		{ "first-seed", required_argument, NULL, 'f' }, { "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options o = { .seeds = 10, .first = 1, .steps = 500000 };
	unsigned int ran = 0, bad = 0, solved;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'a': o.algo = optarg; break;
		case 'e': o.env = optarg; break;
		case 'n': o.seeds = strtoul(optarg, NULL, 10); break;
		case 's': o.steps = strtoul(optarg, NULL, 10); break;
		case 'f': o.first = strtoul(optarg, NULL, 10); break;
		case 'h': return usage(stdout);
		default: return usage(stderr);
		}
	}
	if (optind < argc || !o.seeds || !o.steps)
		return usage(stderr);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%-8s %-10s %6s %9s %8s %8s\n", "algo", "env", "seed", "score", "steps", "seconds");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if ((o.algo && strcmp(o.algo, table[i].algo)) ||
		    (o.env && strcmp(o.env, table[i].problem->name)))
			continue;
		ran++;
		if (print_row(&table[i], &o, &solved) < 0)
			return 1;
		bad += solved < SHARE * o.seeds;
	}
	return ran ? bad > 0 : usage(stderr);
}
