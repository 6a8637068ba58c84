// SPDX-License-Identifier: GPL-2.0
/*
 * Ten million SYNs, each of a flow of its own, around a few heavy flows: these
 * keep their entries and their CPU, one that begins in the middle gets an entry,
 * and hardly any of the others does. By BPF_PROG_RUN on a private instance.
 */
#include "fixture.h"

#define SYNS		10000000
#define HEAVY		8
#define EVERY		2000	/* SYNs, then a packet of each heavy flow */
#define ADMIT_MASK	63	/* as the daemon has it by default */

static struct sluice_flow_key heavy_key(int i)
{
	struct sluice_flow_key k = udp4;

	k.sport = i + 1;
	return k;
}

static int setup_flood(void **state)
{
	const struct sluice_steer_config c = {
		.flags = SLUICE_STEER_F_ADMIT, .announce_mask = ADMIT_MASK,
	};
	const __u16 cpus[] = { 0, 1 };
	struct steer *s = steer_alloc(NULL);

	*state = s;
	if (!s || steer_load_object(s, SLUICE_FLOWS_DEFAULT, true, &err) ||
	    steer_open_maps(s, &err) || steer_write_targets(s, cpus, 2, 0, &err) ||
	    steer_set_config(s, &c, &err) || steer_lease_renew(s, SLUICE_LEASE_MS_MAX, 1, &err)) {
		fprintf(stderr, "# %s\n", err.text);
		return -1;
	}
	return 0;
}

static void send_heavy(struct steer *s, int i, unsigned int cpu)
{
	const struct sluice_flow_key k = heavy_key(i);
	const __u64 before = s->sent[cpu].packets;

	frame_make(&frame, &k, 0, 1000);
	assert_int_equal(run(s), XDP_REDIRECT);
	assert_int_equal(s->sent[cpu].packets, before + 1);
}

static void test_flood(void **state)
{
	const unsigned int home = sluice_bucket_of(&udp4) % 2;
	struct sluice_flow_key late = tcp6, k = tcp4;
	unsigned int packets = 0, late_packets = 0;
	struct steer *s = *state;
	struct frame syn;
	struct sluice_flow f;

	for (int i = 0; i < HEAVY; i++) {
		k = heavy_key(i);
		CHECK(steer_flow_set(s, &k, !home, SLUICE_FLOW_LEARNED, 1, &err));
	}
	frame_make(&syn, &tcp4, 0, 0);
	for (unsigned int n = 0; n < SYNS; n++) {
		const __u32 from = n * 2654435761u;	/* odd, so that all are different */

		memcpy(syn.data + ETH_HLEN + 12, &from, sizeof(from));
		frame = syn;
		run(s);
		if (n % EVERY)
			continue;
		for (int i = 0; i < HEAVY; i++)
			send_heavy(s, i, !home);
		packets++;
		if (n < SYNS / 2 || n % (EVERY * 2))
			continue;
		frame_make(&frame, &late, 0, 1000);
		for (int i = 0; i < 1000; i++)	/* a burst, as a heavy flow sends it */
			run(s);
		late_packets += 1000;
	}
	for (int i = 0; i < HEAVY; i++) {
		k = heavy_key(i);
		CHECK(steer_flow_get(s, &k, &f));
		assert_int_equal(f.packets, packets);
		assert_int_equal(f.assign.cpu, !home);
		assert_int_equal(f.place.cpu1, !home + 1);
	}
	CHECK(steer_flow_get(s, &late, &f));
	assert_true(f.packets > late_packets * 9 / 10);
	read_counters(s);
	print_message("# %llu of %u flows in the flood got an entry; %llu found the table full\n",
		      snap.stats.admitted, SYNS, snap.stats.admit_failed);
	assert_int_equal(snap.stats.admit_failed, 0);
	assert_in_range(snap.stats.admitted, 1, SYNS / 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST_ON(setup_flood, test_flood) };

	if (geteuid() || sysconf(_SC_NPROCESSORS_CONF) < 2) {
		puts("1..0 # SKIP needs root and two CPUs");
		return 4;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
