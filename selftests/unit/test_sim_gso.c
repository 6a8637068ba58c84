// SPDX-License-Identifier: GPL-2.0
/* GSO packets in the simulator: judged once, counted by their segments, repaired when they are lost. */
#include "unit/sim_fixture.h"

#define TEN	(10 * SIM_MSS)

struct totals {
	struct sim_flow_stats flows;
	struct sim_stage_stats queue;
	uint64_t events;
};

static struct totals transfer(uint32_t gso_bytes, uint64_t bytes, uint32_t limit,
			      struct sluice_aqm_params aqm, enum sim_cc cc, bool ecn)
{
	struct sim *s = bottleneck(1, GBIT, MS, limit, aqm);
	const struct sim_flow_params p = {
		.ack_path = 1, .bytes = bytes, .cc = cc, .ecn = ecn, .gso_bytes = gso_bytes,
	};
	struct totals t;

	assert_true(sim_add_flow(s, &p) >= 0);
	assert_int_equal(sim_run(s, 100 * S), 0);
	sim_flow_read(s, &t.flows);
	sim_stage_read(s, 0, &t.queue);
	t.events = sim_events(s);
	sim_free(s);
	assert_int_equal(t.flows.finished, 1);
	return t;
}

/* The same segments and headers cross the link, in fewer packets. */
static void test_counts(void **state)
{
	const struct sluice_aqm_params never = NEVER_MARKS;
	const uint64_t bytes = 20000 * SIM_MSS + 5, segments = 20001;
	struct totals one, ten, most;

	(void)state;
	one = transfer(0, bytes, 0, never, SIM_RENO, false);
	ten = transfer(TEN + 7, bytes, 0, never, SIM_RENO, false);	/* rounded to segments */
	most = transfer(SIM_GSO_MAX, bytes, 0, never, SIM_RENO, false);
	assert_int_equal(one.queue.packets, segments);
	assert_int_equal(ten.queue.packets, segments);
	assert_int_equal(most.queue.packets, segments);
	assert_int_equal(one.queue.bytes, bytes + segments * SIM_HEADERS);
	assert_int_equal(ten.queue.bytes, one.queue.bytes);
	assert_int_equal(most.queue.bytes, one.queue.bytes);
	/* Into the queue, out of it, and the way of the acknowledgement. */
	assert_int_equal(one.events, 3 * segments);
	close_to(ten.events, one.events / 10.0, 0.1, "events with ten segments a packet");
	close_to(most.events, one.events / 45.0, 0.25, "events with 45 segments a packet");
	/* Nothing is lost in speed but the time that the last packet takes as a whole. */
	close_to(ten.flows.class[3].fct_sum_ns, one.flows.class[3].fct_sum_ns, 0.03, "time");
	close_to(most.flows.class[3].fct_sum_ns, one.flows.class[3].fct_sum_ns, 0.03, "time");
}

/* One decision for all segments, by what is in front of them. */
static void test_marks(void **state)
{
	const struct totals ten = transfer(TEN, 40000 * (uint64_t)TEN, 0, step(40 * FRAME),
					   SIM_DCTCP, true);

	(void)state;
	assert_true(ten.queue.ce_packets > 1000);
	assert_true(ten.queue.ce_bytes == ten.queue.ce_packets * FRAME);
	assert_true(ten.queue.ce_packets < ten.queue.packets / 2);
	/* A window that waits for full packets still fills the link; slow start aside. */
	close_to(ten.flows.class[3].fct_sum_ns, ten.queue.bytes * 8.0, 0.01, "time");

	/* The first window: nothing is in front of it when it comes as one packet. */
	assert_int_equal(transfer(TEN, TEN, 0, step(2 * FRAME), SIM_DCTCP, true).queue.ce_packets, 0);
	assert_int_equal(transfer(0, TEN, 0, step(2 * FRAME), SIM_DCTCP, true).queue.ce_packets, 7);
}

/* An arriving packet that does not fit is dropped with all of its segments. */
static void test_limit(void **state)
{
	const struct totals t = transfer(TEN, 3000 * (uint64_t)TEN, 25 * FRAME,
					 (struct sluice_aqm_params)NEVER_MARKS, SIM_RENO, false);

	(void)state;
	assert_true(t.queue.limit_drops >= 10);
	assert_true(t.queue.backlog_max_bytes <= 25 * FRAME);
	assert_true(t.flows.retransmits >= t.queue.limit_drops);
	assert_true(t.flows.acked_bytes == 3000.0 * TEN);
}

/* Whole packets are repaired at once: a hole of ten segments does not take ten round trips. */
static void test_repair(void **state)
{
	struct sim *s = bottleneck(1, GBIT, 10 * MS, 0, (struct sluice_aqm_params)NEVER_MARKS);
	const struct sim_stage_params lossy = {
		.rate_bps = GBIT, .aqm = NEVER_MARKS, .select_every = 100,
	};
	struct sim_flow_params p = {
		.ack_path = 1, .bytes = 150 * TEN, .cc = SIM_RENO, .gso_bytes = TEN,
	};
	struct sim_flow_stats f;

	(void)state;
	assert_int_equal(sim_add_stage(s, &lossy), 2);
	p.data_path = (uint16_t)sim_add_path(s, (uint16_t[]){ 2, 0 }, 2);
	assert_true(sim_add_flow(s, &p) >= 0);
	assert_int_equal(sim_run(s, 10 * S), 0);
	sim_flow_read(s, &f);
	assert_int_equal(f.finished, 1);
	assert_int_equal(f.timeouts, 0);
	assert_int_equal(f.retransmits, 10);
	assert_true(f.class[3].fct_sum_ns < 130e6);
	sim_free(s);
}

static void test_every_byte_arrives(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct sim *s = bottleneck(seed, 1e8, 2 * MS, 40 * FRAME,
					   (struct sluice_aqm_params)NEVER_MARKS);
		struct sim_flow_stats f;
		double bytes = 0;

		for (uint32_t i = 0; i < 6; i++) {
			const struct sim_flow_params p = {
				.ack_path = 1, .bytes = 400000 + 999 * seed + i,
				.cc = i % SIM_CC_MAX, .gso_bytes = i * 9999,
			};

			bytes += p.bytes;
			assert_true(sim_add_flow(s, &p) >= 0);
		}
		assert_int_equal(sim_run(s, 200 * S), 0);
		sim_flow_read(s, &f);
		assert_int_equal(f.finished, 6);
		assert_true(f.acked_bytes == bytes);
		sim_free(s);
	}
}

static void test_bad_input(void **state)
{
	struct sim *s = bottleneck(1, GBIT, MS, 0, step(1000));
	const struct sim_flow_params p = {
		.ack_path = 1, .bytes = 1, .gso_bytes = SIM_GSO_MAX + 1,
	};

	(void)state;
	assert_int_equal(sim_add_flow(s, &p), -EINVAL);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_repair),
		cmocka_unit_test(test_every_byte_arrives),
		cmocka_unit_test(test_bad_input),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
