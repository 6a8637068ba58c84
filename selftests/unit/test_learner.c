// SPDX-License-Identifier: GPL-2.0
/*
 * Learning in the background: what somebody else decided becomes transitions; the thread learns from
 * them, hands over what is worth it and nothing else, keeps to its share, and never holds anybody up.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/ecn_agent.h"
#include "daemon/ecn_grid.h"
#include "daemon/learner.h"
#include "lib/clock.h"
#include "lib/rng.h"
#include "policy/policy.h"
#include "rl/translog.h"

#define MS	1000000ULL

/* --- following ------------------------------------------------------------------ */

struct seen {
	unsigned int n;
	struct translog_row row;
	float x[512], next[512];
};

static void see(void *data, const struct translog_row *row)
{
	struct seen *s = data;
	struct translog_shape shape;

	ecn_agent_shape(&shape);
	s->n++;
	s->row = *row;
	memcpy(s->x, row->x, row->rows * shape.n_features * sizeof(float));
	memcpy(s->next, row->next_x, row->next_rows * shape.n_features * sizeof(float));
}

static struct ecn_interval interval(struct qdisc_triple setting)
{
	return (struct ecn_interval){
		.seconds = 0.05, .capacity_bps = 25e6, .rtt_s = 2e-3, .mtu_bytes = 1500,
		.limit_bytes = 4000000, .tx_bytes = 1e6, .ce_bytes = 1e4, .backlogged_s = 0.04,
		.avg_backlog_bytes = 20000, .sojourn_p95_s = 1e-3, .setting = setting,
	};
}

/* A template by its place in the grid. */
static struct qdisc_triple template(int n, int m, int p)
{
	struct qdisc_triple triple[ECN_ACTIONS];
	uint8_t feasible[ECN_ACTIONS];
	struct ecn_agent_config c;
	struct ecn_interval in = interval((struct qdisc_triple){ 1, 1, 1 });

	ecn_agent_config_default(&c);
	ecn_grid(&c, &in, triple, feasible);
	return triple[ecn_pos_index((struct ecn_pos){ n, m, p })];
}

static void follow(struct ecn_agent *a, struct qdisc_triple now, struct qdisc_triple next, float p)
{
	struct ecn_interval in = interval(now);
	struct ecn_followed what = { .next = next, .probability = p };

	assert_int_equal(ecn_agent_follow(a, 3, &in, &what), 0);
}

static void test_follow(void **state)
{
	const struct qdisc_triple a = template(3, 1, 1), b = template(4, 1, 1), far = template(8, 1, 1);
	struct seen seen = { 0 };
	struct translog_shape shape;
	struct ecn_agent_config c;
	struct ecn_agent *agent;
	struct ecn_interval in;
	const float *place;

	(void)state;
	ecn_agent_shape(&shape);
	ecn_agent_config_default(&c);
	assert_int_equal(ecn_agent_new(&c, &agent), 0);
	ecn_agent_watch(agent, see, &seen);

	follow(agent, a, b, 0.25f);		/* one step up */
	assert_int_equal(seen.n, 0);		/* it has not paid yet */
	follow(agent, b, b, 1);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.row.object, 3);
	assert_float_equal(seen.row.probability, 0.25, 0);
	assert_int_not_equal(seen.row.action, 0);
	place = seen.x + (seen.row.action + 1) * shape.n_features - 4;
	assert_float_equal(place[0], 4.0 / (ECN_GRID_N - 1), 1e-6);
	assert_float_equal(place[3], 0, 0);

	follow(agent, b, far, 1);		/* it had stayed; now a jump */
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.row.action, 0);
	follow(agent, far, a, 1);		/* the jump paid; now one down */
	assert_int_equal(seen.n, 3);
	place = seen.x + (seen.row.action + 1) * shape.n_features - 4;
	assert_float_equal(place[0], 8.0 / (ECN_GRID_N - 1), 1e-6);
	assert_float_equal(place[3], 0, 0);

	/* Somebody else's setting ruled: nothing can be said. */
	follow(agent, b, b, 1);
	assert_int_equal(seen.n, 3);
	/* Nor of an idle interval, or of the one after it. */
	in = interval(b);
	in.tx_bytes = in.backlogged_s = in.avg_backlog_bytes = 0;
	assert_int_equal(ecn_agent_follow(agent, 3, &in, &(struct ecn_followed){ b, 1, false }), 0);
	assert_int_equal(seen.n, 3);
	follow(agent, b, b, 1);
	assert_int_equal(seen.n, 3);
	follow(agent, b, b, 1);
	assert_int_equal(seen.n, 4);
	/* Nor across a time without the queue. */
	ecn_agent_forget(agent, 3);
	follow(agent, b, b, 1);
	assert_int_equal(seen.n, 4);
	ecn_agent_free(agent);
}

/* --- the thread ----------------------------------------------------------------- */

/*
 * Transitions among seven candidates, of which the one in row "best" pays 1 and the others nothing.
 * chance: what is done is drawn evenly; else it is always row 0.
 */
struct source {
	struct rng rng;
	struct translog_shape shape;
	bool chance;
	unsigned int best;
	float x[ECN_NEIGHBOURS][64], next[ECN_NEIGHBOURS][64];
};

static void source_init(struct source *s, bool chance, unsigned int best)
{
	*s = (struct source){ .chance = chance, .best = best };
	rng_seed(&s->rng, 5);
	ecn_agent_shape(&s->shape);
	assert_in_range(s->shape.n_features, 5, 64);
}

static void source_row(struct source *s, struct translog_row *row, float packed[2][512])
{
	const uint32_t f = s->shape.n_features;

	for (int i = 0; i < ECN_NEIGHBOURS; i++)
		for (uint32_t j = 0; j < f; j++) {
			/* The state is the same for all candidates, the last four are their place. */
			float noise = 0.1f * (float)rng_uniform(&s->rng);

			packed[0][i * f + j] = j < f - 4 ? 0.3f : noise;
			packed[1][i * f + j] = packed[0][i * f + j];
		}
	for (int i = 0; i < ECN_NEIGHBOURS; i++)
		for (int k = 0; k < 2; k++) {
			float *place = &packed[k][(i + 1) * f - 4];

			place[0] = (float)i / ECN_NEIGHBOURS;
			place[3] = i == 0;
		}
	*row = (struct translog_row){
		.action = s->chance ? rng_below(&s->rng, ECN_NEIGHBOURS) : 0,
		.probability = s->chance ? 1.0f / ECN_NEIGHBOURS : 1,
		.discount = 0.5f, .rows = ECN_NEIGHBOURS, .next_rows = ECN_NEIGHBOURS,
		.x = packed[0], .next_x = packed[1],
	};
	row->reward = row->action == s->best;
}

static void feed(struct learner *l, struct source *s, unsigned int n)
{
	float packed[2][512];
	struct translog_row row;

	for (unsigned int i = 0; i < n; i++) {
		source_row(s, &row, packed);
		learner_feed(l, &row);
	}
}

static struct learner_config quick(void)
{
	struct learner_config c;

	learner_config_default(&c);
	c.in_a_hurry = true;
	c.cpu_percent = 100;
	c.period_ns = 20 * MS;
	c.window = 1024;
	c.rows_min = 400;
	c.steps_min = 1000;
	return c;
}

static bool wait_fd(const struct learner *l, int ms)
{
	struct pollfd p = { .fd = learner_fd(l), .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void test_learns(void **state)
{
	const struct learner_config c = quick();
	struct learner_report report;
	struct model m = { 0 };
	struct source s;
	struct learner *l;
	struct policy *p;
	struct sl_err e;

	(void)state;
	source_init(&s, true, 4);
	assert_int_equal(learner_start(&c, &l, &e), 0);
	assert_false(learner_take(l, &m, &report));
	feed(l, &s, 900);
	assert_true(wait_fd(l, 30000));
	assert_true(learner_take(l, &m, &report));
	assert_string_equal(m.kind, "ddqn");
	assert_int_equal(report.rows, 900);
	assert_int_equal(report.known, 900);
	assert_true(report.steps >= 1000);
	/* What was done was chance, so it differs; and chance might have done anything. */
	assert_true(report.differs > 0.5);
	assert_float_equal(report.support, 1, 0);
	assert_true(report.ess >= 5);
	assert_float_equal(report.logged, 1.0 / 7, 0.1);
	/* It has found what pays. */
	assert_float_equal(report.estimate, 1, 1e-6);
	assert_int_equal(policy_new(&m, &p, &e), 0);
	policy_free(p);
	model_free(&m);
	learner_stop(l);
}

/* Where nothing else was ever done, nothing else is proposed; and it says why. */
static void test_nothing_new(void **state)
{
	const struct learner_config c = quick();
	struct learner_stats stats;
	struct source s;
	struct learner *l;
	struct sl_err e;

	(void)state;
	source_init(&s, false, 0);
	assert_int_equal(learner_start(&c, &l, &e), 0);
	feed(l, &s, 900);
	for (int i = 0; i < 300; i++) {
		learner_stats(l, &stats);
		if (stats.verdicts[LEARNER_same])
			break;
		assert_false(wait_fd(l, 100));
	}
	assert_true(stats.verdicts[LEARNER_same] > 0);
	assert_int_equal(stats.verdicts[LEARNER_handed_over], 0);
	learner_stop(l);
}

/* Nobody takes them: what is new is dropped and counted, and what waits is sound. */
static void test_full(void **state)
{
	struct learner_config c = quick();
	struct learner_report report;
	struct learner_stats stats;
	struct model m = { 0 };
	struct source s;
	struct learner *l;
	struct sl_err e;
	int taken = 0;

	(void)state;
	c.period_ns = 1;
	c.steps_min = 1;
	source_init(&s, true, 4);
	assert_int_equal(learner_start(&c, &l, &e), 0);
	feed(l, &s, 900);
	for (int i = 0; i < 300; i++) {
		learner_stats(l, &stats);
		if (stats.verdicts[LEARNER_dropped])
			break;
		usleep(100000);
	}
	assert_true(stats.verdicts[LEARNER_dropped] > 0);
	assert_int_equal(stats.verdicts[LEARNER_handed_over], 4);
	while (taken < 4 && learner_take(l, &m, &report)) {
		taken++;
		assert_string_equal(m.kind, "ddqn");
		model_free(&m);
	}
	assert_int_equal(taken, 4);
	learner_stop(l);
}

static void test_bad_rows(void **state)
{
	struct learner_config c = quick();
	float packed[2][512];
	struct learner_stats stats;
	struct translog_row row;
	struct source s;
	struct learner *l;
	uint8_t mask[ECN_NEIGHBOURS] = { 1 };
	struct sl_err e;

	(void)state;
	source_init(&s, true, 4);
	assert_int_equal(learner_start(&c, &l, &e), 0);
	source_row(&s, &row, packed);
	row.rows = ECN_NEIGHBOURS + 1;
	learner_feed(l, &row);
	source_row(&s, &row, packed);
	row.mask = mask;
	learner_feed(l, &row);
	source_row(&s, &row, packed);
	packed[0][3] = NAN;
	learner_feed(l, &row);
	source_row(&s, &row, packed);
	row.reward = INFINITY;
	learner_feed(l, &row);
	source_row(&s, &row, packed);
	row.action = ECN_NEIGHBOURS;
	learner_feed(l, &row);
	source_row(&s, &row, packed);
	learner_feed(l, &row);
	for (int i = 0; i < 100; i++) {
		learner_stats(l, &stats);
		if (stats.rows)
			break;
		usleep(50000);
	}
	assert_int_equal(stats.rows, 1);
	assert_int_equal(stats.bad, 5);
	assert_int_equal(stats.fed, 4);
	learner_stop(l);

	c.start = &(struct model){ .kind = "table" };
	assert_int_equal(learner_start(&c, &l, &e), -EINVAL);
	assert_non_null(strstr(e.text, "table"));
}

/* A thread that may do nearly nothing: the main loop loses rows, and no time. */
static void test_share(void **state)
{
	struct learner_config c = quick();
	struct learner_stats stats;
	struct source s;
	struct learner *l;
	uint64_t start;
	struct sl_err e;

	(void)state;
	c.cpu_percent = 10;
	source_init(&s, true, 4);
	assert_int_equal(learner_start(&c, &l, &e), 0);
	/* More than fits, at once. */
	feed(l, &s, 5000);
	learner_stats(l, &stats);
	assert_int_equal(stats.fed + stats.lost, 5000);
	assert_true(stats.lost > 0);
	start = monotonic_ns();
	while (monotonic_ns() - start < 1000 * MS) {
		usleep(10000);
		feed(l, &s, 5);
	}
	learner_stats(l, &stats);
	assert_true(stats.steps > 0);
	/* Up to a burst and the making of one candidate beyond it. */
	assert_true(stats.cpu_s <= 0.1 * stats.wall_s + 0.1);
	/* It sleeps off what it took, and ends all the same. */
	start = monotonic_ns();
	learner_stop(l);
	assert_true(monotonic_ns() - start < 2000 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_learns),
		cmocka_unit_test(test_nothing_new),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_bad_rows),
		cmocka_unit_test(test_share),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
