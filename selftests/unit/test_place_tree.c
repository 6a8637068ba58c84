// SPDX-License-Identifier: GPL-2.0
/*
 * Trees that place flows: those that are written, learned and built in; what they may do; and
 * a machine that is copied to see another decision's end.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/steer_publish.h"
#include "distill/place_tree.h"
#include "lib/rng.h"
#include "sim/cpus.h"

static uint32_t ask(const struct sluice_tree *t, uint32_t home_queue, uint32_t other_queue)
{
	uint32_t f[SLUICE_PLACE_F_NR] = { 0 };

	f[SLUICE_PLACE_F_home_queue] = home_queue;
	f[SLUICE_PLACE_F_other_queue] = other_queue;
	return sluice_place_choice(t, sluice_place_walk(t, f));
}

static void test_by_hand(void **state)
{
	const struct place_compare two[] = {
		{ SLUICE_PLACE_F_other_queue, 4, false }, { SLUICE_PLACE_F_home_queue, 16, true },
	};
	struct sluice_tree t;

	(void)state;
	place_chain(two, 2, false, 3, &t);
	assert_int_equal(sluice_place_validate(&t, t.h.size), 0);
	assert_int_equal(t.h.generation, 3);
	assert_int_equal(ask(&t, 17, 4), SLUICE_PLACE_OTHER);
	assert_int_equal(ask(&t, 16, 4), SLUICE_PLACE_HOME);
	assert_int_equal(ask(&t, 17, 5), SLUICE_PLACE_HOME);
	place_chain(NULL, 0, true, 1, &t);
	assert_int_equal(sluice_place_validate(&t, t.h.size), 0);
	assert_int_equal(ask(&t, 0, 0), SLUICE_PLACE_OTHER);
	place_ladder(8, 1, &t);
	assert_int_equal(sluice_place_validate(&t, t.h.size), 0);
	assert_int_equal(ask(&t, 7, 0), SLUICE_PLACE_HOME);
	assert_int_equal(ask(&t, 8, 4), SLUICE_PLACE_OTHER);
	assert_int_equal(ask(&t, 8, 5), SLUICE_PLACE_HOME);
	assert_int_equal(ask(&t, 512, 256), SLUICE_PLACE_OTHER);
	assert_int_equal(ask(&t, 600, 257), SLUICE_PLACE_HOME);
}

static void test_rules(void **state)
{
	const struct verify_limits limits = place_limits();
	const struct place_compare wrong = { SLUICE_PLACE_F_home_load, 500000, false };
	struct verify_limits queues = verify_limits_default();
	struct verify_report report;
	struct sluice_tree t;
	struct sl_err e;
	size_t changed;

	(void)state;
	assert_int_equal(place_read(PLACE_SHIPPED, &t, &e), 0);
	assert_int_equal(verify_tree(&t, t.h.size, &limits, &report, &e), 0);
	/* Who asks for a queue's tree does not get this one. */
	assert_int_equal(verify_tree(&t, t.h.size, &queues, NULL, &e), -EMEDIUMTYPE);
	place_chain(&wrong, 1, true, 1, &t);
	assert_int_equal(verify_tree(&t, t.h.size, &limits, &report, &e), -EPERM);
	assert_string_equal(e.text, "never-lower:other:home_load is broken: 1 where home_load <= "
			    "500000 ppm, but 0 where home_load > 500000 ppm");
	assert_int_equal(report.box[0].high[SLUICE_PLACE_F_home_load], 500000);
	assert_int_equal(verify_repair(&t, &limits, &changed), 0);
	assert_int_equal(changed, 1);
	assert_int_equal(verify_tree(&t, t.h.size, &limits, &report, &e), 0);
	assert_int_equal(ask(&t, 0, 0), SLUICE_PLACE_HOME);
	/* Rules of a queue's tree are not its business, and names of it are known. */
	assert_int_equal(verify_rule_add(&queues, "never-raise:qth_min:backlog_avg", &e), 0);
	assert_int_equal(verify_rule_add(&queues, "never-raise:other:other_load", &e), 0);
	assert_int_equal(verify_rule_add(&queues, "never-raise:other:backlog", &e), -EINVAL);
	queues.places = true;
	assert_int_equal(verify_tree(&t, t.h.size, &queues, &report, &e), 0);
}

/* A learned tree answers as the compiled one, on integers. */
static void test_compiled(void **state)
{
	enum { N = 4000 };
	double *x = calloc((size_t)N * PLACE_LEARNED, sizeof(*x));
	double *cost = calloc((size_t)N * SLUICE_PLACE_NR, sizeof(*cost));
	struct cart_samples s = {
		.x = x, .cost = cost, .n = N, .features = PLACE_LEARNED,
		.classes = SLUICE_PLACE_NR, .split = CART_SPREAD,
	};
	struct sluice_tree t;
	struct cart cart;
	struct rng r;
	struct sl_err e;

	(void)state;
	rng_seed(&r, 1);
	for (size_t i = 0; i < N; i++) {
		double *f = x + i * PLACE_LEARNED;

		for (int k = 0; k < PLACE_LEARNED; k++)
			f[k] = rng_below(&r, 40);
		cost[2 * i] = f[SLUICE_PLACE_F_home_queue] + rng_normal(&r);
		cost[2 * i + 1] = f[SLUICE_PLACE_F_other_queue] + 0.2 * f[SLUICE_PLACE_F_home_load];
	}
	assert_int_equal(cart_fit(&s, 8, 20, &cart), 0);
	assert_int_equal(place_compile(&cart, 5, &t, &e), 0);
	assert_int_equal(sluice_place_validate(&t, t.h.size), 0);
	assert_true(t.h.n_nodes > 10);
	for (size_t i = 0; i < N; i++) {
		uint32_t f[SLUICE_PLACE_F_NR] = { 0 };

		for (int k = 0; k < PLACE_LEARNED; k++)
			f[k] = (uint32_t)x[i * PLACE_LEARNED + (size_t)k];
		assert_int_equal(sluice_place_choice(&t, sluice_place_walk(&t, f)),
				 cart_class(&cart, x + i * PLACE_LEARNED));
	}
	cart.node[0].feature = PLACE_LEARNED;	/* of a flow: never learned by */
	assert_int_equal(place_compile(&cart, 5, &t, &e), -EINVAL);
	cart_free(&cart);
	free(x);
	free(cost);
}

/* What a full ring dropped is found out, and never more than is missing. */
static void test_lost(void **state)
{
	static struct steer_snapshot before, now;
	struct steer_cpu_obs cpu = { .cpu = 3, .util = 1 };
	struct steer_publish p = { 0 };
	struct place_loads out;

	(void)state;
	now.cpu[3].packets = 10000;
	now.deliver[3].packets = 9000;
	steer_publish(&p, &before, &now, &cpu, 1, 512, &out);
	assert_int_equal(out.n, 1);
	assert_int_equal(out.ppm[0], 1000000);
	assert_in_range(out.lost[0], 400, 488);	/* a ring cannot hold the others */
	cpu.util = 0.5;
	now.deliver[3].packets = 9100;
	for (int i = 0; i < STEER_PUBLISH_READINGS; i++)
		steer_publish(&p, &before, &now, &cpu, 1, 512, &out);
	assert_int_equal(out.lost[0], 900);
	now.deliver[3].packets = 9200;
	steer_publish(&p, &before, &now, &cpu, 1, 512, &out);
	assert_int_equal(out.lost[0], 800);
	assert_int_equal(out.flow_ppm, STEER_PUBLISH_FLOW_PPM);
	now.stats.admitted = 1000;
	steer_publish(&p, &before, &now, &cpu, 1, 512, &out);
	assert_int_equal(out.flow_ppm, 500);
}

static struct cpus *machine(void)
{
	struct cpus_traffic_params tp;
	struct cpus_traffic *t;
	struct cpus_params p;
	struct cpus *c;

	cpus_traffic_params_default(&tp);
	cpus_params_default(&p);
	p.config.announce_mask = 0;
	assert_int_equal(cpus_traffic_new(&tp, 1, &t, NULL), 0);
	assert_int_equal(cpus_new(&p, t, &c, NULL), 0);
	for (unsigned int b = 0; b < SLUICE_BUCKETS; b++)
		cpus_bucket_baseline(c, b, 0);
	cpus_lease(c, 1000000000000ULL);
	return c;
}

static void no_decision(void *data, struct cpus *c, const uint32_t *feature, uint32_t choice)
{
	(void)c;
	(void)feature;
	*(int *)data = (int)choice;
}

/* A copy goes the same way; forced, another one. */
static void test_copy(void **state)
{
	struct place_loads loads = { .n = 4, .cpu = { 0, 1, 2, 3 } };
	struct cpus *c = machine(), *same, *other;
	struct cpus_stats a, b;
	struct sluice_tree_stats n;
	struct sluice_tree t;
	int choice = -1;

	(void)state;
	place_chain(NULL, 0, false, 1, &t);
	assert_int_equal(cpus_set_loads(c, &loads), 0);
	assert_int_equal(cpus_set_tree(c, &t), 0);
	assert_int_equal(cpus_run(c, 5000000), 0);
	assert_true(cpus_waiting_ns(c) > 0);
	same = cpus_copy(c);
	other = cpus_copy(c);
	cpus_force(other, SLUICE_PLACE_OTHER);
	cpus_watch(other, no_decision, &choice);
	assert_int_equal(cpus_run(c, 20000000), 0);
	assert_int_equal(cpus_run(same, 20000000), 0);
	cpus_read(c, &a);
	cpus_read(same, &b);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(cpus_run(other, 5200000), 0);
	assert_int_not_equal(choice, -1);
	cpus_tree_stats(other, &n);
	assert_int_equal(n.other, 1);
	cpus_tree_stats(c, &n);
	assert_int_equal(n.other, 0);
	assert_true(n.home > 100);
	/* Where all go elsewhere, other CPUs have work. */
	place_chain(NULL, 0, true, 1, &t);
	assert_int_equal(cpus_set_tree(other, &t), 0);
	assert_int_equal(cpus_run(other, 60000000), 0);
	cpus_read(other, &b);
	assert_true(b.busy_ns[1] + b.busy_ns[2] > 0);
	assert_int_equal(b.reordered, 0);
	cpus_free(c);
	cpus_free(same);
	cpus_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_compiled),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_copy),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
