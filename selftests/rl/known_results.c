// SPDX-License-Identifier: GPL-2.0
/*
 * Trains on CartPole-v1 and Acrobot-v1 with several seeds and says how many solve
 * them. Learning stops when a greedy evaluation on episodes kept for that purpose
 * is comfortably good, or when the steps are used up (then, for DDQN, the best of
 * those counts); the figure printed is the mean of 100 greedy episodes that
 * had no part in that choice.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/rng.h"
#include "rl/envs.h"
#include "rl/ppo.h"
#include "rl/run.h"

#define CHECK_EPISODES	100
#define CHECK_SEED	(1ull << 40)
#define TEST_EPISODES	100
#define TEST_SEED	(1ull << 50)
#define MAX_FEATURES	8
#define MAX_ACTIONS	4
#define LANES		8	/* environments side by side, for PPO */
#define SHARE		0.8	/* of the seeds that must solve it */

struct problem {
	const char *name;
	struct env *(*make)(void);
	double solved;		/* mean reward of the test that counts as solved */
	double stop_at;		/* of a check, where learning may stop */
	unsigned int check_every;
	struct ddqn_config ddqn;
	struct run_ddqn_config run;
	struct ppo_config ppo;
};

static const struct problem problems[] = {
	{
		.name = "cartpole", .make = cartpole_new, .solved = 475.0, .stop_at = 498.0,
		.check_every = 5000,
		.ddqn = {
			.features = 4, .outputs = 2, .max_rows = 1, .hidden = { 64, 64 },
			.replay_size = 50000, .batch = 64, .warmup = 1000, .gamma = 0.99f,
			.tau = 0.01f, .learning_rate = 5e-4f, .grad_clip = 10.0f,
		},
		.run = {
			.n_step = 3, .epsilon_first = 1.0, .epsilon_last = 0.05,
			.epsilon_steps = 10000, .update_every = 2,
		},
		.ppo = {
			.features = 4, .actions = 2, .hidden = { 64, 64 }, .lanes = LANES,
			.horizon = 64, .epochs = 10, .minibatch = 128, .gamma = 0.98f,
			.lambda = 0.9f, .clip = 0.2f, .learning_rate = 1e-3f, .grad_clip = 0.5f,
		},
	},
	{
		.name = "acrobot", .make = acrobot_new, .solved = -100.0, .stop_at = -85.0,
		.check_every = 5000,
		.ddqn = {
			.features = 6, .outputs = 3, .max_rows = 1, .hidden = { 64, 64 },
			.replay_size = 50000, .batch = 64, .warmup = 1000, .gamma = 0.99f,
			.tau = 0.01f, .learning_rate = 5e-4f, .grad_clip = 10.0f,
		},
		.run = {
			.n_step = 3, .epsilon_first = 1.0, .epsilon_last = 0.05,
			.epsilon_steps = 20000, .update_every = 2,
		},
		.ppo = {
			.features = 6, .actions = 3, .hidden = { 64, 64 }, .lanes = LANES,
			.horizon = 256, .epochs = 4, .minibatch = 128, .gamma = 0.99f,
			.lambda = 0.95f, .clip = 0.2f, .entropy = 0.01f,
			.learning_rate = 5e-4f, .grad_clip = 0.5f,
		},
	},
};

struct result {
	double test;		/* mean reward */
	unsigned int steps;	/* of learning */
	double seconds;
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static int train_ddqn(const struct problem *p, uint64_t seed, unsigned int steps,
		      struct result *out)
{
	struct ddqn_config dc = p->ddqn;
	struct run_ddqn_config rc = p->run;
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
	for (out->steps = 0; out->steps < steps && best < p->stop_at;) {
		const unsigned int left = steps - out->steps;
		const unsigned int n = left < p->check_every ? left : p->check_every;

		if (run_ddqn_steps(run, n) < 0 ||
		    run_evaluate(e, run_greedy_ddqn, d, CHECK_EPISODES, CHECK_SEED, &s) < 0)
			goto out;
		out->steps += n;
		if (s.reward <= best)
			continue;
		best = s.reward;
		free(blob);
		blob = NULL;
		if (ddqn_save(d, &blob, &size) < 0)
			goto out;
	}
	if (ddqn_load(d, blob, size) < 0 ||
	    run_evaluate(e, run_greedy_ddqn, d, TEST_EPISODES, TEST_SEED, &s) < 0)
		goto out;
	out->test = s.reward;
	r = 0;
out:
	free(blob);
	run_ddqn_free(run);
	ddqn_free(d);
	env_free(e);
	return r;
}

static int greedy_ppo(void *ctx, const float *x, const uint8_t *feasible, unsigned int rows,
		      struct env_action *a)
{
	(void)rows;
	a->index = ppo_greedy(ctx, x, feasible, NULL);
	return a->index < 0 ? a->index : 0;
}

/* Fills the store and learns from it. */
static int ppo_round(struct ppo *p, struct env *const e[LANES], struct rng *rng)
{
	float x[MAX_FEATURES];
	uint8_t ok[MAX_ACTIONS];
	struct ppo_stats stats;

	while (!ppo_full(p)) {
		for (unsigned int l = 0; l < LANES; l++) {
			struct env_action a;
			struct env_step s;

			if ((e[l]->over && env_reset(e[l], rng_u64(rng)) < 0) ||
			    env_observe(e[l], x, ok) < 0 ||
			    (a.index = ppo_act(p, l, x, ok, NULL)) < 0 ||
			    env_step(e[l], &a, &s) < 0 || env_observe(e[l], x, ok) < 0)
				return -1;
			ppo_result(p, l, s.reward, x, s.terminated, s.truncated);
		}
	}
	return ppo_update(p, &stats);
}

/* With the steps used up, the latest policy counts: of PPO no copies are kept. */
static int train_ppo(const struct problem *p, uint64_t seed, unsigned int steps,
		     struct result *out)
{
	const unsigned int round = p->ppo.lanes * p->ppo.horizon;
	struct ppo_config c = p->ppo;
	struct env *e[LANES] = { 0 }, *check = p->make();
	struct run_score s = { .reward = -INFINITY };
	unsigned int next_check = p->check_every;
	struct ppo *ppo = NULL;
	struct rng rng;
	int r = -1;

	c.seed = seed;
	rng_seed(&rng, ~seed);
	if (!check || ppo_new(&c, &ppo) < 0)
		goto out;
	for (unsigned int l = 0; l < LANES; l++) {
		e[l] = p->make();
		if (!e[l] || env_reset(e[l], rng_u64(&rng)) < 0)
			goto out;
	}
	for (out->steps = 0; out->steps + round <= steps && s.reward < p->stop_at;) {
		ppo_set_learning_rate(ppo, c.learning_rate * (1.0 - (double)out->steps / steps));
		if (ppo_round(ppo, e, &rng) < 0)
			goto out;
		out->steps += round;
		if (out->steps < next_check)
			continue;
		next_check += p->check_every;
		if (run_evaluate(check, greedy_ppo, ppo, CHECK_EPISODES, CHECK_SEED, &s) < 0)
			goto out;
	}
	if (run_evaluate(check, greedy_ppo, ppo, TEST_EPISODES, TEST_SEED, &s) < 0)
		goto out;
	out->test = s.reward;
	r = 0;
out:
	for (unsigned int l = 0; l < LANES; l++)
		env_free(e[l]);
	env_free(check);
	ppo_free(ppo);
	return r;
}

static const struct {
	const char *name;
	int (*train)(const struct problem *p, uint64_t seed, unsigned int steps,
		     struct result *out);
} algos[] = {
	{ "ddqn", train_ddqn },
	{ "ppo", train_ppo },
};

static int usage(FILE *f)
{
	fprintf(f, "usage: known_results [--algo ddqn|ppo] [--env cartpole|acrobot] [--seeds N]\n"
		   "                     [--first-seed S] [--steps N]\n"
		   "Trains and prints the mean reward of 100 greedy episodes for each seed.\n"
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
	unsigned int seeds = 10, steps = 500000, first = 1, ran = 0;
	const char *algo = NULL, *env = NULL;
	int c, bad = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'a': algo = optarg; break;
		case 'e': env = optarg; break;
		case 'n': seeds = strtoul(optarg, NULL, 10); break;
		case 's': steps = strtoul(optarg, NULL, 10); break;
		case 'f': first = strtoul(optarg, NULL, 10); break;
		case 'h': return usage(stdout);
		default: return usage(stderr);
		}
	}
	if (optind < argc || !seeds || !steps)
		return usage(stderr);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%-6s %-10s %6s %9s %8s %8s\n", "algo", "env", "seed", "greedy", "steps", "seconds");
	for (size_t i = 0; i < sizeof(algos) / sizeof(algos[0]); i++) {
		for (size_t k = 0; k < sizeof(problems) / sizeof(problems[0]); k++) {
			const struct problem *p = &problems[k];
			unsigned int solved = 0;

			if ((algo && strcmp(algo, algos[i].name)) || (env && strcmp(env, p->name)))
				continue;
			ran++;
			for (unsigned int n = 0; n < seeds; n++) {
				const double start = now_s();
				struct result r = { 0 };

				if (algos[i].train(p, first + n, steps, &r) < 0) {
					fprintf(stderr, "known_results: training failed\n");
					return 1;
				}
				solved += r.test >= p->solved;
				printf("%-6s %-10s %6u %9.2f %8u %8.1f\n", algos[i].name, p->name,
				       first + n, r.test, r.steps, now_s() - start);
			}
			printf("%-6s %-10s solved (>= %.0f) by %u of %u seeds\n", algos[i].name,
			       p->name, p->solved, solved, seeds);
			bad += solved < SHARE * seeds;
		}
	}
	return ran ? bad > 0 : usage(stderr);
}
