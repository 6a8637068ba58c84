// SPDX-License-Identifier: GPL-2.0
/* What distillation takes a wrong answer for: by what the teacher, or the simulator, knows of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "distill/ecn.h"
#include "policy/learned.h"
#include "policy/network.h"

/* A model of a learner that has learned nothing: its weights are as good as others here. */
static struct model fresh(const char *kind)
{
	struct ecn_agent_config ac;
	struct ecn_agent *a = NULL;
	struct ppo_config pc;
	struct ppo *ppo = NULL;
	struct model m = { 0 };
	void *blob;
	size_t size;

	if (!strcmp(kind, "ddqn")) {
		ecn_agent_config_default(&ac);
		assert_int_equal(ecn_agent_new(&ac, &a), 0);
		assert_int_equal(ecn_agent_save(a, &blob, &size), 0);
	} else {
		learned_ppo_config(3, &pc);
		assert_int_equal(ppo_new(&pc, &ppo), 0);
		assert_int_equal(ppo_save(ppo, &blob, &size), 0);
	}
	assert_int_equal(learned_set(&m, kind, 0.5, blob, size), 0);
	free(blob);
	ecn_agent_free(a);
	ppo_free(ppo);
	return m;
}

/* What a wrong answer costs, by what the teacher knows of it; else by distance from what it does. */
static void labels_of_learners(void **state)
{
	const struct ecn_interval in = {
		.seconds = 0.05, .capacity_bps = 125e6, .rtt_s = 1e-3, .mtu_bytes = 1514,
		.limit_bytes = 4000000, .tx_bytes = 5e6, .backlogged_s = 0.02,
		.avg_backlog_bytes = 62500, .sojourn_p95_s = 1e-4, .elephant_share = NAN,
		.ect_share = NAN, .setting = { 62500, 62500, 1000000 },
	};
	const double x[FEATURES] = { 6, 0.7, 0.5, 1, 0.1, 1, -1, 0.75, 1 };
	double cost[DISTILL_CLASSES], odds[POLICY_TEMPLATES], gap, sum = 0;
	struct qdisc_triple t = in.setting;
	struct model m = fresh("ddqn");
	struct policy *p;
	int best = 0;
	struct sl_err e;

	(void)state;
	assert_int_equal(policy_new(&m, &p, &e), 0);
	assert_int_equal(policy_decide(p, &in, &t), 0);
	assert_int_equal(learned_q_gap(p, &gap), 0);
	assert_true(gap > 0);
	assert_int_equal(learned_log_odds(p, x, odds), -EINVAL);
	assert_int_equal(distill_ecn_label(p, &in, x, 62500, cost), 0);
	/* Class 6 is what it does; a template is two classes. */
	assert_true(fabs(cost[6]) < 1e-9 && fabs(cost[8] - gap) < 1e-9 &&
		    fabs(cost[0] - 9 * gap) < 1e-9);
	policy_free(p);
	model_free(&m);

	m = fresh("ppo");
	assert_int_equal(policy_new(&m, &p, &e), 0);
	assert_int_equal(learned_q_gap(p, &gap), -EINVAL);
	assert_int_equal(learned_log_odds(p, x, odds), 0);
	for (int k = 0; k < POLICY_TEMPLATES; k++) {
		assert_true(odds[k] >= 0);
		best = odds[k] < odds[best] ? k : best;
		sum += exp(-odds[k]);
	}
	/* Relative to the best; a fresh network is nearly undecided. */
	assert_true(odds[best] == 0 && sum > 5 && sum < POLICY_TEMPLATES);
	assert_int_equal(distill_ecn_label(p, &in, x, 1, cost), 0);
	for (int k = 0; k < POLICY_TEMPLATES; k++)
		assert_true(cost[DISTILL_PER_TEMPLATE * k] == odds[k]);
	policy_free(p);
	model_free(&m);
}

/* What it was told of mixes tells more of them than the best constant does, which is a leaf. */
static void labels_of_the_oracle(void **state)
{
	static double bytes[] = { 1000, 20000, 200000, 1000000 }, share[] = { 0, 0.6, 0.9, 1 };
	static struct dist sizes = { .bytes = bytes, .share = share, .n = 4 };
	static const char *const names[] = { "sizes" };
	const struct mix_files files = { .sizes = &sizes, .name = names, .n = 1, .epochs = 20 };
	const struct viper_config c = { .depth = 8, .rounds = 1, .min_leaf = 1,
					.leaves = DISTILL_LEAVES, .split = CART_SPREAD };
	const double start = 0.5;
	struct model m = { 0 };
	struct distill_ecn d = { .files = files, .par.jobs = 2, .teacher = &m, .oracle = true,
				 .seed = 1, .judge_seed = 1, .mixes = 8, .judge_mixes = 2 };
	const struct viper_task task = distill_ecn_task(&d);
	struct viper_report report;
	struct distill_score score;
	double least = INFINITY;
	struct cart tree;

	(void)state;
	assert_int_equal(model_set_numbers(&m, "bdp", &start, 1), 0);
	assert_int_equal(viper(&task, &c, &tree, &report), 0);
	/* Two states each of the mixes with one phase: not of switching, on/off and rate. */
	assert_int_equal(report.states, 2 * 5);
	assert_int_equal(d.first.n, 2 * 5);
	for (size_t i = 0; i < d.first.n; i++) {
		const double *cost = d.first.cost + i * DISTILL_CLASSES;

		for (int k = 0; k < DISTILL_CLASSES; k++) {
			assert_true(cost[k] >= 0 && cost[k] < 5);
			least = fmin(least, cost[k]);
		}
	}
	assert_true(least < 0.05 && tree.node[0].cost > 0);
	assert_int_equal(distill_ecn_score(&d, &files, &tree, 1, 8, &score), 0);
	assert_true(isfinite(score.loss) && score.states > 0 && score.regret >= 0);
	cart_free(&tree);
	distill_ecn_fini(&d);
	model_free(&m);
}

/* Of a network by its regrets, of a rule by distance. */
static void labels(void **state)
{
	const double half = 0.5;
	const struct ecn_interval in = { .seconds = 0.05, .capacity_bps = 125e6, .rtt_s = 1e-3,
					 .mtu_bytes = 1514, .limit_bytes = 4000000 };
	double x[FEATURES] = { 6, 0.7, 0.5, 1, 0.1, 1, -1, 0.75, 1 }, cost[DISTILL_CLASSES];
	double taught[2][FEATURES], regret[2][POLICY_TEMPLATES];
	struct model m = { 0 };
	struct policy *p;
	struct sl_err e;

	(void)state;
	assert_int_equal(model_set_numbers(&m, "bdp", &half, 1), 0);
	assert_int_equal(policy_new(&m, &p, &e), 0);
	assert_int_equal(distill_ecn_label(p, &in, x, 62500, cost), 0);
	/* Half of C RTT is template 3, class 6. */
	assert_true(fabs(cost[6]) < 1e-9 && fabs(cost[8] - 1) < 1e-9 && fabs(cost[0] - 9) < 1e-9);
	policy_free(p);
	model_free(&m);
	/* A network says what each costs, whatever it does next: template 4, class 8, is best. */
	for (int i = 0; i < 2; i++) {
		memcpy(taught[i], x, sizeof(x));
		taught[i][FEATURE_marked] += i;
		for (int k = 0; k < POLICY_TEMPLATES; k++)
			regret[i][k] = 0.01 * (k - 4) * (k - 4);
	}
	assert_int_equal(network_fit(taught[0], regret[0], 2, 0.5, 1, &m), 0);
	assert_int_equal(policy_new(&m, &p, &e), 0);
	assert_int_equal(distill_ecn_label(p, &in, x, 1, cost), 0);
	for (int c = 0; c < DISTILL_CLASSES; c++)
		assert_true(isfinite(cost[c]) && fabs(cost[c]) < 2 && cost[c] >= cost[8] - 1e-3);
	policy_free(p);
	model_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels),
		cmocka_unit_test(labels_of_learners),
		cmocka_unit_test(labels_of_the_oracle),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
