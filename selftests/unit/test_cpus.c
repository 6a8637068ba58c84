// SPDX-License-Identifier: GPL-2.0
/*
 * The multi-core simulator: closed forms of queueing, conservation, order, and the program's
 * rules.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/rng.h"
#include "sim/cpus.h"

#define MS	1000000ULL
#define S	1000000000ULL

static void close_to(double value, double expected, double share, const char *what)
{
	if (fabs(value - expected) <= share * fabs(expected))
		return;
	print_error("%s is %g, expected %g within %g %%\n", what, value, expected, 100 * share);
	fail();
}

/* Nothing costs anything, but the stack. */
static void only_stack(struct cpus_params *p, double stack_ns)
{
	p->costs = (struct cpus_costs){ .stack_ns = stack_ns };
	p->rx_ring_pkts = 1 << 16;
	p->ring_pkts = 1 << 16;
}

static void queues(struct cpus_params *p, unsigned int n)
{
	p->n_rxqs = n;
	for (unsigned int i = 0; i < CPUS_RSS_SLOTS; i++)
		p->rss_table[i] = (uint8_t)(i % n);
}

/* Single packets at random of so many flows that are all alike. */
static struct cpus_traffic_params poisson(double pps, uint32_t flows)
{
	struct cpus_traffic_params t;

	cpus_traffic_params_default(&t);
	t.rate_pps = pps;
	t.zipf_flows = flows;
	t.zipf_exponent = 0;
	t.train_pkts = 1;
	return t;
}

static struct cpus *start(const struct cpus_params *p, const struct cpus_traffic_params *tp,
			  uint64_t seed)
{
	struct cpus_traffic *t;
	struct cpus *c;

	assert_int_equal(cpus_traffic_new(tp, seed, &t, NULL), 0);
	assert_int_equal(cpus_new(p, t, &c, NULL), 0);
	return c;
}

static void spread(struct cpus *c, unsigned int from, unsigned int n)
{
	for (unsigned int b = 0; b < SLUICE_BUCKETS; b++)
		cpus_bucket_baseline(c, b, (int)(from + b % n));
}

static void balanced(const struct cpus_stats *s)
{
	assert_int_equal(s->arrived, s->delivered + s->rx_drops + s->ring_drops + s->inside);
}

static double mean_ns(const struct cpus_stats *s)
{
	return s->sojourn_sum_ns / (double)s->delivered;
}

/* --- closed forms ---------------------------------------------------------------- */

/*
 * The mean time in an M/G/1 system (Pollaczek and Khinchine), by the squared variation of
 * service.
 */
static double mg1_ns(double service_ns, double rho, double cv2)
{
	return service_ns * (1 + rho * (1 + cv2) / (2 * (1 - rho)));
}

/*
 * Every CPU by itself, by RSS: M/D/1; with exponential work M/M/1, whose quantiles are known,
 * too.
 */
static void test_rss_is_mg1(void **state)
{
	static const double loads[] = { 0.3, 0.6, 0.9 };

	(void)state;
	for (int exponential = 0; exponential < 2; exponential++)
		for (size_t i = 0; i < 3; i++) {
			struct cpus_traffic_params t = poisson(4 * loads[i] / 1e-5, 1 << 17);
			struct cpus_params p;
			struct cpus_stats s;
			struct cpus *c;

			cpus_params_default(&p);
			only_stack(&p, 10000);
			p.steer = false;
			t.work_cv = exponential;
			c = start(&p, &t, 5 + i);
			assert_int_equal(cpus_run(c, 2 * S), 0);
			cpus_read(c, &s);
			balanced(&s);
			assert_int_equal(s.passed, s.delivered);
			close_to(mean_ns(&s), mg1_ns(10000, loads[i], exponential), 0.05,
				 "time in the system");
			if (exponential)
				close_to(cpus_sojourn_quantile(&s, 0.99, 1e9),
					 -log(0.01) * 10000 / (1 - loads[i]), 0.15, "p99");
			for (unsigned int cpu = 0; cpu < 4; cpu++)
				close_to((double)s.busy_ns[cpu] / (double)s.time_ns, loads[i], 0.05,
					 "utilisation");
			cpus_free(c);
		}
}

/* The same through rings: queue 0 on CPU 0, which does nothing else. */
static void test_cpumap_is_md1(void **state)
{
	static const double loads[] = { 0.3, 0.6, 0.9 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct cpus_traffic_params t = poisson(4 * loads[i] / 1e-5, 1 << 17);
		struct cpus_params p;
		struct cpus_stats s;
		struct cpus *c;

		cpus_params_default(&p);
		only_stack(&p, 9000);
		p.costs.take_ns = 1000;
		p.n_cpus = 5;
		queues(&p, 1);
		c = start(&p, &t, 50 + i);
		spread(c, 1, 4);
		assert_int_equal(cpus_run(c, 2 * S), 0);
		cpus_read(c, &s);
		balanced(&s);
		assert_int_equal(s.passed + s.busy_ns[0], 0);
		close_to(mean_ns(&s), mg1_ns(10000, loads[i], 0), 0.05, "time in the system");
		cpus_free(c);
	}
}

static int at_random(void *data, const struct cpus *c, uint32_t bucket)
{
	(void)bucket;
	return 1 + (int)rng_below(data, cpus_count(c) - 1);
}

static int of_two(void *data, const struct cpus *c, uint32_t bucket)
{
	const int a = at_random(data, c, bucket), b = at_random(data, c, bucket);

	return cpus_backlog(c, (unsigned int)b) < cpus_backlog(c, (unsigned int)a) ? b : a;
}

static int shortest(void *data, const struct cpus *c, uint32_t bucket)
{
	const unsigned int n = cpus_count(c), skip = (unsigned int)at_random(data, c, bucket);
	unsigned int best = skip;

	for (unsigned int i = 1; i < n; i++)
		if (cpus_backlog(c, i) < cpus_backlog(c, best))
			best = i;
	return (int)best;
}

/*
 * Flows of one packet, each placed as it comes, exponential work, 32 CPUs at 90 %. At random:
 * M/M/1. The better of two: sum of 0.9^(2^i - 2), i from 1 on, for infinitely many CPUs
 * (Mitzenmacher 1996; Vvedenskaya et al. 1996). The shortest of all is better still, and no
 * better than the service time.
 */
static void test_two_choices(void **state)
{
	cpus_placer *const placers[] = { at_random, of_two, shortest };
	double mean[3], expected = 0;
	const double one[] = { 1, 1 }, all[] = { 0, 1 };
	const struct dist sizes = { (double *)one, (double *)all, 2 };

	(void)state;
	for (int i = 1; i < 10; i++)
		expected += pow(0.9, pow(2, i) - 2);
	for (int k = 0; k < 3; k++) {
		struct cpus_traffic_params t = poisson(32 * 0.9 / 1e-5, 1);
		struct cpus_params p;
		struct cpus_stats s;
		struct cpus *c;
		struct rng rng;

		cpus_params_default(&p);
		only_stack(&p, 10000);
		p.n_cpus = 33;
		p.config.flags = 0;
		queues(&p, 1);
		t.zipf_share = 0;
		t.flows_share = 1;
		t.sizes = &sizes;
		t.work_cv = 1;
		rng_seed(&rng, 3);
		c = start(&p, &t, 8);
		spread(c, 1, 32);
		cpus_set_placer(c, placers[k], &rng);
		assert_int_equal(cpus_run(c, S / 10), 0);
		cpus_reset(c);
		assert_int_equal(cpus_run(c, S * 3 / 8), 0);
		cpus_read(c, &s);
		mean[k] = mean_ns(&s) / 10000;
		cpus_free(c);
	}
	close_to(mean[0], 10, 0.12, "at random");
	/* A backlog of packets on the way in a bulk of 8 is seen, but they are taken together. */
	close_to(mean[1], expected, 0.15, "the better of two");
	assert_true(mean[2] < mean[1] * 0.7 && mean[2] >= 1);
}

/* --- books, order, seeds ----------------------------------------------------------- */

static struct cpus_traffic_params mixed(double pps, const struct dist *sizes)
{
	struct cpus_traffic_params t;

	cpus_traffic_params_default(&t);
	t.rate_pps = pps;
	t.flows_share = 0.5;
	t.elephants_share = 0.5;
	t.on_s = 0.05;
	t.off_s = 0.05;
	t.churn_s = 0.1;
	t.swing = 0.5;
	t.sizes = sizes;
	t.work_cv = 0.5;
	t.flow_work_sigma = 0.5;
	return t;
}

static const double some_bytes[] = { 1000, 10000, 1e6 }, some_shares[] = { 0, 0.8, 1 };
static const struct dist some_sizes = { (double *)some_bytes, (double *)some_shares, 3 };

/* Moves some bucket or flow at every step; 0: nothing. */
static void stir(struct cpus *c, struct rng *r, unsigned int moves)
{
	const unsigned int n = cpus_count(c);

	cpus_lease(c, S);
	while (moves--)
		cpus_bucket_learned(c, rng_below(r, SLUICE_BUCKETS), (int)rng_below(r, n));
}

static void run_stirred(const struct cpus_params *p, const struct cpus_traffic_params *t,
			unsigned int moves, struct cpus_stats *s, struct steer_snapshot *snap)
{
	struct cpus *c = start(p, t, 77);
	struct rng r;

	rng_seed(&r, 1);
	spread(c, 0, p->n_cpus);
	for (int i = 1; i <= 200; i++) {
		stir(c, &r, moves);
		assert_int_equal(cpus_run(c, i * 2 * MS), 0);
	}
	cpus_read(c, s);
	cpus_snapshot(c, snap);
	cpus_free(c);
}

/* Drops, moves, ends of flows: every packet is somewhere, and arrivals depend on none of it. */
static void test_books(void **state)
{
	struct steer_snapshot snap;
	uint64_t digest = 0;

	(void)state;
	for (unsigned int k = 0; k < 4; k++) {
		const struct cpus_traffic_params t = mixed(3e6, &some_sizes);
		struct cpus_params p;
		struct cpus_stats s;
		uint64_t sent = 0, delivered = 0;

		cpus_params_default(&p);
		p.steer = k != 3;
		if (k == 2)
			p.config.flags |= SLUICE_STEER_F_NO_HOLD;
		run_stirred(&p, &t, k ? 64 : 0, &s, &snap);
		balanced(&s);
		close_to((double)s.arrived, 3e6 * 0.4, 0.3, "arrivals");
		assert_true(s.rx_drops + s.ring_drops > s.arrived / 20);
		assert_true(!digest || digest == s.digest);
		digest = s.digest;
		for (unsigned int i = 0; i < p.n_cpus; i++) {
			sent += snap.cpu[i].packets;
			delivered += snap.deliver[i].packets;
			assert_true(s.busy_ns[i] <= s.time_ns + 100000);
			assert_true(s.softirq_ns[i] <= s.busy_ns[i]);
		}
		assert_int_equal(sent, snap.seen);
		assert_true(sent >= delivered + s.ring_drops);
		/* What lies in rings, in a bulk on its way, and in one that is worked on. */
		assert_true(sent - delivered - s.ring_drops <= s.inside);
	}
}

/* The hold keeps order while buckets move; without it some packets are overtaken. */
static void test_hold(void **state)
{
	const struct cpus_traffic_params t = mixed(1.0e6, &some_sizes);
	struct steer_snapshot snap;
	struct cpus_params p;
	struct cpus_stats s;

	(void)state;
	cpus_params_default(&p);
	run_stirred(&p, &t, 64, &s, &snap);
	assert_int_equal(s.reordered, 0);
	assert_true(s.cold > 100);
	assert_true(snap.stats.moves_completed > 1000 && !snap.stats.moves_forced);
	p.config.flags |= SLUICE_STEER_F_NO_HOLD;
	run_stirred(&p, &t, 64, &s, &snap);
	assert_true(s.reordered > 10);
	assert_true(snap.stats.moves_forced > 100);
	p.config.flags &= ~SLUICE_STEER_F_NO_HOLD;
	p.settle_pkts = SLUICE_BATCH_PKTS + 2 * SLUICE_GRO_FLUSH_PKTS;
	run_stirred(&p, &t, 64, &s, &snap);
	assert_int_equal(s.reordered, 0);
	assert_true(snap.stats.moves_completed > 100);
}

static void test_seeds(void **state)
{
	const struct cpus_traffic_params tp = mixed(1e6, &some_sizes);
	struct cpus_traffic *t[3], *copy;
	struct cpus_arrival a[2], b;
	uint64_t latest = 0;
	double sum = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(cpus_traffic_new(&tp, 1 + i / 2, &t[i], NULL), 0);
	for (int i = 0; i < 300000; i++) {
		for (int k = 0; k < 2; k++)
			assert_int_equal(cpus_traffic_next(t[k], &a[k]), 0);
		assert_memory_equal(&a[0], &a[1], sizeof(b));
		assert_true(a[0].time_ns >= latest);
		latest = a[0].time_ns;
		sum += (double)a[0].work;
	}
	close_to(sum / 300000, 1, 0.1, "work");
	copy = cpus_traffic_copy(t[0]);
	assert_non_null(copy);
	for (int i = 0; i < 50000; i++) {
		assert_int_equal(cpus_traffic_next(copy, &a[0]), 0);
		assert_int_equal(cpus_traffic_next(t[0], &a[1]), 0);
		assert_memory_equal(&a[0], &a[1], sizeof(b));
	}
	assert_int_equal(cpus_traffic_next(t[2], &b), 0);
	assert_true(b.time_ns != a[0].time_ns);
	cpus_traffic_free(copy);
	for (int i = 0; i < 3; i++)
		cpus_traffic_free(t[i]);
}

/* Each kind of traffic alone comes at the rate that was asked for. */
static void test_rates(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct cpus_traffic_params p = mixed(5e5, &some_sizes);
		struct cpus_traffic *t;
		struct cpus_arrival a;
		double n = 0;

		p.zipf_share = kind == 0;
		p.flows_share = kind == 1;
		p.elephants_share = kind == 2;
		p.elephants = 64;
		assert_int_equal(cpus_traffic_new(&p, 4, &t, NULL), 0);
		do {
			assert_int_equal(cpus_traffic_next(t, &a), 0);
			n++;
		} while (a.time_ns < 4 * S);
		close_to(n, 2e6, 0.06, kind == 0 ? "zipf" : kind == 1 ? "flows" : "elephants");
		cpus_traffic_free(t);
	}
}

/* --- the program's rules -------------------------------------------------------------- */

static uint64_t sent_to(struct cpus *c, unsigned int cpu)
{
	static uint64_t before[SLUICE_MAX_CPUS];
	struct steer_snapshot s;
	uint64_t n;

	cpus_snapshot(c, &s);
	n = s.cpu[cpu].packets - before[cpu];
	for (unsigned int i = 0; i < SLUICE_MAX_CPUS; i++)
		before[i] = s.cpu[i].packets;
	return n;
}

/* One flow. Operator's entry > learned entry > held baseline > learned bucket > baseline > pass. */
static void test_precedence(void **state)
{
	const struct cpus_traffic_params t = poisson(700, 1);	/* with gaps above 1 ms */
	struct sluice_flow got;
	struct cpus_stats st;
	struct cpus_params p;
	struct cpus *c;
	uint64_t at = 0;

	(void)state;
#define RUN() do { at += S / 2; assert_int_equal(cpus_run(c, at), 0); sent_to(c, 0);	\
		   at += S / 2; assert_int_equal(cpus_run(c, at), 0); } while (0)
	cpus_params_default(&p);
	c = start(&p, &t, 1);
	RUN();
	cpus_read(c, &st);
	assert_true(st.passed > 500 && st.passed == st.delivered);
	spread(c, 1, 1);
	RUN();
	assert_true(sent_to(c, 1) > 100);
	for (unsigned int b = 0; b < SLUICE_BUCKETS; b++)
		cpus_bucket_learned(c, b, 2);
	RUN();
	assert_true(sent_to(c, 1) > 100);	/* no lease */
	cpus_lease(c, 600 * S);
	RUN();
	assert_true(sent_to(c, 2) > 100);
	for (unsigned int b = 0; b < SLUICE_BUCKETS; b++)
		cpus_bucket_hold(c, b, true);
	RUN();
	assert_true(sent_to(c, 1) > 100);
	assert_int_equal(cpus_flow_assign(c, 0, 1, 3, SLUICE_FLOW_LEARNED), 0);
	RUN();
	assert_true(sent_to(c, 3) > 100);
	cpus_lease(c, 0);
	RUN();
	assert_true(sent_to(c, 1) > 100);
	assert_int_equal(cpus_flow_assign(c, 0, 1, 0, SLUICE_FLOW_OPERATOR), 0);
	RUN();
	assert_true(sent_to(c, 0) > 100);
	assert_int_equal(cpus_flow_get(c, 0, 1, &got), 0);
	assert_true(got.packets > 1000);
	cpus_flow_delete(c, 0, 1);
	RUN();
	assert_true(sent_to(c, 1) > 100);
	assert_int_equal(cpus_flow_assign(c, 0, 2, 0, SLUICE_FLOW_OPERATOR), -ESTALE);
	cpus_read(c, &st);
	assert_int_equal(st.reordered, 0);
	cpus_free(c);
#undef RUN
}

static void count_heavy(const struct cpus_heavy *h, void *data)
{
	unsigned int *n = data;

	assert_true(h->bucket < SLUICE_BUCKETS);
	n[h->id < 5]++;
}

/* Elephants get entries by themselves and are reported; flows of one packet get none. */
static void test_admission(void **state)
{
	const double one[] = { 1, 1 }, all[] = { 0, 1 };
	const struct dist sizes = { (double *)one, (double *)all, 2 };
	struct cpus_traffic_params t = poisson(1e6, 1);
	struct steer_snapshot snap;
	struct cpus_params p;
	unsigned int n[2] = { 0 };
	struct cpus *c;

	(void)state;
	cpus_params_default(&p);
	t.zipf_share = 0;
	t.elephants_share = 1;
	t.elephants = 4;	/* they begin first and have the ids 1 to 4 */
	t.flows_share = 1;
	t.sizes = &sizes;
	c = start(&p, &t, 1);
	spread(c, 0, 4);
	assert_int_equal(cpus_run(c, S), 0);
	cpus_snapshot(c, &snap);
	assert_true(snap.stats.admitted >= 4 && snap.stats.admitted < 40);
	cpus_heavy_drain(c, count_heavy, n);
	assert_true(n[1] > 100 && n[0] == 0);
	cpus_free(c);
}

static void test_refused(void **state)
{
	struct cpus_traffic_params t = poisson(1000, 10);
	struct cpus_traffic *made;
	struct cpus_params p;
	struct cpus *c = NULL;
	struct sl_err e;

	(void)state;
#define REFUSED(change) do {							\
		struct cpus_traffic_params bad = t;				\
		bad.change;							\
		e.text[0] = '\0';						\
		assert_int_equal(cpus_traffic_new(&bad, 1, &made, &e), -EINVAL);	\
		assert_true(e.text[0]);						\
	} while (0)
	REFUSED(rate_pps = 0);
	REFUSED(rate_pps = NAN);
	REFUSED(zipf_share = -1);
	REFUSED(zipf_share = 0);
	REFUSED(zipf_flows = 0);
	REFUSED(zipf_exponent = NAN);
	REFUSED(flows_share = 1);
	REFUSED(elephants_share = 1; bad.elephants = 0);
	REFUSED(capture_share = 1);
	REFUSED(swing = 2);
	REFUSED(bytes = 0);
	REFUSED(work_cv = -1);
	cpus_params_default(&p);
	p.n_rxqs = 2;	/* the table names four */
	assert_int_equal(cpus_traffic_new(&t, 1, &made, &e), 0);
	assert_int_equal(cpus_new(&p, made, &c, &e), -EINVAL);
	assert_null(c);
	cpus_params_default(&p);
	p.speed[3] = 0;
	assert_int_equal(cpus_traffic_new(&t, 1, &made, &e), 0);
	assert_int_equal(cpus_new(&p, made, &c, &e), -EINVAL);
	cpus_free(NULL);
	cpus_traffic_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rss_is_mg1),
		cmocka_unit_test(test_cpumap_is_md1),
		cmocka_unit_test(test_two_choices),
		cmocka_unit_test(test_books),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_admission),
		cmocka_unit_test(test_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
