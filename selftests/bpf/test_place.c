// SPDX-License-Identifier: GPL-2.0
/*
 * Where the tree puts newly admitted flows, by BPF_PROG_RUN on private instances: CPUs 0 and 1 are
 * targets, and others are drawn that nothing is sent to.
 */
#include "fixture.h"

#include "lib/rng.h"
#include "lib/steer_tree.h"
#include "trees.h"

#define FLOWS	4000	/* of the comparison with user space */

static int setup_place(void **state)
{
	const struct sluice_steer_config c = {
		.gap_ticks = 60000, .flags = SLUICE_STEER_F_SLOW_TICK | SLUICE_STEER_F_ADMIT,
	};
	const __u16 cpus[] = { 0, 1 };
	struct steer *s = steer_alloc(NULL);

	*state = s;
	if (!s || steer_load_object(s, 2 * FLOWS, true, &err) || steer_open_maps(s, &err) ||
	    steer_write_targets(s, cpus, 2, 0, &err) || steer_set_config(s, &c, &err) ||
	    steer_lease_renew(s, 600000, 1, &err)) {
		fprintf(stderr, "# %s\n", err.text);
		return -1;
	}
	for (unsigned int i = 0; i < SLUICE_BUCKETS; i++)
		s->buckets[i].cpu = 0;
	return 0;
}

static void set_loads(struct steer *s, __u32 first, __u32 second)
{
	const struct steer_cpu_load l[] = { { 0, first }, { 1, second } };

	CHECK(steer_tree_loads(s, l, 2, 10000, &err));
}

static void set_tree(struct steer *s, enum sluice_place_choice choice, __u32 generation)
{
	struct sluice_tree t;

	tree_constant(&t, choice, generation);
	CHECK(steer_tree_publish(s, &t, &err));
}

static struct sluice_flow admitted(struct steer *s, const struct sluice_flow_key *key)
{
	struct sluice_flow f = { 0 };

	frame_make(&frame, key, 0, 10);
	assert_int_equal(run(s), XDP_REDIRECT);
	assert_int_equal(run(s), XDP_REDIRECT);
	CHECK(steer_flow_get(s, key, &f));
	return f;
}

static struct steer_tree_state state_of(struct steer *s)
{
	struct steer_tree_state st;

	CHECK(steer_tree_read(s, &st, &err));
	return st;
}

/* --- who decides ------------------------------------------------------------ */

static void test_without_a_tree(void **state)
{
	struct steer *s = *state;
	struct sluice_tree t;
	struct sluice_flow f;

	set_loads(s, 900000, 1000);
	f = admitted(s, &udp4);
	assert_int_equal(f.assign.flags, 0);
	assert_int_equal(f.assign.generation, 0);
	assert_int_equal(state_of(s).generation, 0);
	assert_int_equal(state_of(s).stats.home + state_of(s).stats.other, 0);
	assert_int_equal(steer_tree_get(s, &t, &err), -ENODATA);
}

static void test_other(void **state)
{
	struct steer *s = *state;
	struct sluice_flow f;

	set_loads(s, 900000, 1000);
	set_tree(s, SLUICE_PLACE_OTHER, 7);
	f = admitted(s, &udp4);
	assert_int_equal(f.assign.flags, SLUICE_FLOW_LEARNED | SLUICE_FLOW_TREE);
	assert_int_equal(f.assign.cpu, 1);
	assert_int_equal(f.assign.generation, 7);
	/* It has packets on CPU 0 and moves by the hold. */
	assert_int_equal(s->sent[0].packets, 2);
	assert_int_equal(run(s), XDP_REDIRECT);
	assert_int_equal(s->sent[0].packets, 3);
	read_counters(s);
	assert_int_equal(snap.stats.moves_begun, 1);
	assert_int_equal(snap.stats.moves_completed, 0);
	set_short_gap(s);
	wait_out_gap();
	assert_int_equal(run(s), XDP_REDIRECT);
	assert_int_equal(s->sent[1].packets, 1);

	/* Without a lease it returns, like all that is learned. */
	CHECK(steer_lease_renew(s, 0, 1, &err));
	wait_out_gap();
	assert_int_equal(run(s), XDP_REDIRECT);
	assert_int_equal(s->sent[0].packets, 4);
	assert_int_equal(state_of(s).stats.other, 1);
	assert_false(state_of(s).leased);
}

static void test_home(void **state)
{
	struct steer *s = *state;
	struct sluice_flow f;

	set_loads(s, 900000, 1000);
	set_tree(s, SLUICE_PLACE_HOME, 8);
	f = admitted(s, &tcp6);
	assert_int_equal(f.assign.flags, 0);
	assert_int_equal(f.assign.cpu, 0);
	assert_int_equal(f.assign.generation, 8);
	read_counters(s);
	assert_int_equal(snap.bucket[sluice_bucket_of(&tcp6)].packets, 2);
	assert_int_equal(state_of(s).stats.home, 1);
}

static void test_lapsed(void **state)
{
	struct steer *s = *state;

	set_loads(s, 900000, 1000);
	set_tree(s, SLUICE_PLACE_OTHER, 7);
	CHECK(steer_lease_renew(s, 0, 1, &err));
	assert_int_equal(admitted(s, &udp4).assign.generation, 0);
	assert_int_equal(state_of(s).stats.lapsed, 1);
	CHECK(steer_lease_renew(s, 600000, 1, &err));
	assert_int_equal(admitted(s, &udp6).assign.generation, 7);
	assert_int_equal(state_of(s).stats.lapsed, 1);
}

static void test_held_and_alone(void **state)
{
	struct steer *s = *state;

	set_tree(s, SLUICE_PLACE_OTHER, 7);
	assert_int_equal(admitted(s, &udp4).assign.generation, 0);	/* no targets are known */
	assert_int_equal(state_of(s).stats.alone, 1);
	set_loads(s, 900000, 1000);
	s->buckets[sluice_bucket_of(&udp6)].flags |= SLUICE_BUCKET_F_HOLD;
	assert_int_equal(admitted(s, &udp6).assign.generation, 0);
	assert_int_equal(state_of(s).stats.held, 1);
	CHECK(steer_unwant(s, 1, &err));				/* CPU 1 is to go */
	assert_int_equal(state_of(s).n_targets, 1);
	assert_int_equal(admitted(s, &tcp4).assign.generation, 0);
	assert_int_equal(state_of(s).stats.alone, 2);
	/* The learned CPU of a bucket is its home. */
	set_loads(s, 1000, 900000);
	CHECK(steer_bucket_set_learned(s, sluice_bucket_of(&tcp6), 1, 3));
	assert_int_equal(admitted(s, &tcp6).assign.cpu, 0);
}

static void test_dropped(void **state)
{
	struct steer *s = *state;

	set_loads(s, 900000, 1000);
	set_tree(s, SLUICE_PLACE_OTHER, 7);
	CHECK(steer_tree_drop(s, &err));
	assert_int_equal(admitted(s, &udp4).assign.generation, 0);
	set_tree(s, SLUICE_PLACE_OTHER, 9);
	assert_int_equal(admitted(s, &udp6).assign.generation, 9);
}

/* --- the slots -------------------------------------------------------------- */

static void test_torn(void **state)
{
	struct steer *s = *state;
	struct sluice_tree_slot *slot;
	struct sluice_tree t;

	set_loads(s, 900000, 1000);
	set_tree(s, SLUICE_PLACE_OTHER, 7);
	slot = &s->trees[SLUICE_TREE_ACTIVE_SLOT(s->tree_control->active)];
	slot->seq++;
	assert_int_equal(admitted(s, &udp4).assign.generation, 0);
	assert_int_equal(state_of(s).stats.torn, 1);
	assert_int_equal(steer_tree_get(s, &t, &err), -EAGAIN);
	slot->seq++;
	((struct sluice_tree *)slot->block)->h.generation = 6;
	assert_int_equal(admitted(s, &udp6).assign.generation, 0);
	assert_int_equal(state_of(s).stats.torn, 2);
	((struct sluice_tree *)slot->block)->h.generation = 7;
	assert_int_equal(admitted(s, &tcp4).assign.generation, 7);
	assert_int_equal(state_of(s).stats.torn, 2);
	CHECK(steer_tree_get(s, &t, &err));
	assert_int_equal(t.h.generation, 7);
	/* Who died at it is outlived. */
	s->trees[0].seq |= 1;
	s->trees[1].seq |= 1;
	set_tree(s, SLUICE_PLACE_HOME, 8);
	assert_int_equal(admitted(s, &tcp6).assign.generation, 8);
}

static void test_generations_are_counted(void **state)
{
	struct sluice_flow_key k = udp4;
	struct steer *s = *state;
	struct steer_tree_state st;

	set_loads(s, 900000, 1000);
	for (int g = 1; g <= 9; g++) {
		set_tree(s, g % 2 ? SLUICE_PLACE_OTHER : SLUICE_PLACE_HOME, g * 5);
		for (int i = 0; i < g; i++) {
			k.sport++;
			assert_int_equal(admitted(s, &k).assign.generation, g * 5);
		}
	}
	st = state_of(s);
	assert_int_equal(st.generation, 45);
	assert_int_equal(st.stats.other, 1 + 3 + 5 + 7 + 9);
	assert_int_equal(st.stats.home, 2 + 4 + 6 + 8);
	for (int i = 0; i < SLUICE_TREE_COUNTS; i++) {
		assert_int_equal(st.stats.of[i].generation, 45 - 5 * i);
		assert_int_equal(st.stats.of[i].other, i % 2 ? 0 : 9 - i);
		assert_int_equal(st.stats.of[i].home, i % 2 ? 9 - i : 0);
	}
}

static void expect_refusal(struct steer *s, const struct sluice_tree *t, int want, const char *word)
{
	const __u64 active = s->tree_control->active;

	assert_int_equal(steer_tree_publish(s, t, &err), want);
	if (!strstr(err.text, word))
		fail_msg("'%s' does not say '%s'", err.text, word);
	assert_int_equal(s->tree_control->active, active);
}

static void test_refused(void **state)
{
	const struct steer_cpu_load bad[] = { { 0, SLUICE_TREE_PPM + 1 } };
	struct steer *s = *state;
	struct sluice_tree t;

	tree_constant(&t, SLUICE_PLACE_NR, 1);
	expect_refusal(s, &t, -ERANGE, "neither home nor other");
	tree_constant(&t, SLUICE_PLACE_OTHER, 0);
	expect_refusal(s, &t, -ERANGE, "generation is 0");
	tree_constant(&t, SLUICE_PLACE_OTHER, 1);
	t.h.lease_ms = 100;
	sluice_tree_seal(&t);
	expect_refusal(s, &t, -ERANGE, "that of the tables");
	tree_constant(&t, SLUICE_PLACE_OTHER, 1);
	t.h.kind = SLUICE_TREE_QUEUE;
	sluice_tree_seal(&t);
	expect_refusal(s, &t, -EMEDIUMTYPE, "another kind");
	tree_constant(&t, SLUICE_PLACE_OTHER, 1);
	t.cell[0].place.choice ^= 1;
	expect_refusal(s, &t, -EBADMSG, "checksum");
	tree_constant(&t, SLUICE_PLACE_OTHER, 1);
	CHECK(steer_tree_publish(s, &t, &err));
	expect_refusal(s, &t, -EEXIST, "generation 1 already");
	assert_int_equal(steer_tree_loads(s, bad, 1, 0, &err), -EINVAL);
}

/* --- loads ------------------------------------------------------------------ */

static void test_fresh(void **state)
{
	struct sluice_flow_key k = udp4;
	struct steer *s = *state;

	set_loads(s, 900000, 1000);
	set_tree(s, SLUICE_PLACE_OTHER, 1);
	for (int i = 0; i < 5; i++) {
		k.sport++;
		admitted(s, &k);
	}
	assert_int_equal(s->loads[1].fresh, 5);
	assert_int_equal(s->loads[0].fresh, 0);
	set_loads(s, 900000, 2000);
	assert_int_equal(s->loads[1].fresh, 0);
	assert_int_equal(s->loads[1].ppm, 2000);
	assert_int_equal(state_of(s).mean_ppm, 451000);
}

static void plays_rings(struct steer *s, __u32 cpu, __u64 n_sent, __u64 delivered)
{
	const struct sluice_deliver d = { .packets = delivered };
	const struct sluice_counter c = { .packets = n_sent };

	CHECK(bpf_map_update_elem(s->map[STEER_MAP_deliver], &cpu, &d, 0));
	CHECK(bpf_map_update_elem(s->map[STEER_MAP_sent], &cpu, &c, 0));
}

/* What never arrived is not in the ring; that is known when the CPU has had time for the rest. */
static void test_lost(void **state)
{
	struct steer *s = *state;

	for (int i = 0; i < 40; i++) {
		plays_rings(s, 1, 1000 + i, 900 + i - i % 3);	/* 100 are lost */
		set_loads(s, 0, 500000);
	}
	assert_int_equal(s->loads[1].lost, 100);
	for (int i = 0; i < 40; i++) {
		plays_rings(s, 1, 2000, 1500);			/* 400 more are in the ring */
		set_loads(s, 0, 1000000);
	}
	assert_int_equal(s->loads[1].lost, 100);
	plays_rings(s, 1, 2000, 1950);				/* or they were not lost */
	set_loads(s, 0, 1000000);
	assert_int_equal(s->loads[1].lost, 50);
}

/* --- the same as in user space ------------------------------------------------ */

static struct sluice_flow_key random_key(struct rng *rng, int i)
{
	struct sluice_flow_key k = { .sport = rng_below(rng, 65536), .dport = rng_below(rng, 65536),
				     .family = rng_below(rng, 2) ? 4 : 6 };

	k.proto = rng_below(rng, 2) ? IPPROTO_TCP : IPPROTO_UDP;
	memcpy(k.saddr, &i, sizeof(i));
	k.saddr[3] = 10;
	k.daddr[0] = 11;
	return k;
}

/* The other CPU, and the state that the tree sees, by the shared code from what was published. */
static int predict(struct steer *s, const struct sluice_place_cpu *cpu, __u64 hash, __u32 home,
		   const struct sluice_place_flow *flow, __u32 feature[SLUICE_PLACE_F_NR])
{
	const struct sluice_tree_control *c = s->tree_control;
	__u32 i, j, a, b, other;

	sluice_place_draw(hash, c->n_targets, &i, &j);
	a = c->target[i];
	b = c->target[j];
	other = a == home || (b != home && sluice_place_second(&cpu[a], &cpu[b], c->flow_ppm)) ? b :
		a;
	sluice_place_features(&cpu[home], &cpu[other], c->mean_ppm, flow, feature);
	return other;
}

static void set_random_cpus(struct steer *s, struct sluice_place_cpu *cpu, __u32 n, struct rng *rng)
{
	struct steer_cpu_load l[8];

	for (__u32 i = 0; i < n; i++) {
		l[i].cpu = i;
		l[i].ppm = rng_below(rng, SLUICE_TREE_PPM + 1);
		cpu[i].queue = rng_below(rng, 4) ? rng_below(rng, 600) : rng_below(rng, 100000);
	}
	CHECK(steer_tree_loads(s, l, n, rng_below(rng, 30000), &err));
	for (__u32 i = 0; i < n; i++) {
		cpu[i].load = l[i].ppm;
		cpu[i].fresh = s->loads[i].fresh = rng_below(rng, 20);
		plays_rings(s, i, 1000000 + cpu[i].queue, 1000000 - s->loads[i].lost);
	}
}

static void test_as_in_user_space(void **state)
{
	const __u32 n = 8;
	struct sluice_place_cpu cpu[8];
	__u32 feature[SLUICE_PLACE_F_NR], other, home, moved = 0;
	struct sluice_place_flow flow;
	struct steer *s = *state;
	struct sluice_flow_key k;
	struct sluice_tree t;
	struct sluice_flow f;
	struct rng rng;

	if (s->n_targets < n) {
		print_message("# the kernel has fewer than %u CPUs\n", n);
		return;
	}
	rng_seed(&rng, 5);
	for (int i = 0; i < FLOWS; i++) {
		if (i % 20 == 0) {
			tree_random(&t, 1 + rng_below(&rng, 150), i + 1, &rng);
			CHECK(steer_tree_publish(s, &t, &err));
		}
		set_random_cpus(s, cpu, n, &rng);
		k = random_key(&rng, i);
		home = rng_below(&rng, 2);
		s->buckets[sluice_bucket_of(&k)].cpu = home;
		frame_make(&frame, &k, 0, rng_below(&rng, 1200));
		if (k.proto == IPPROTO_TCP)
			frame.data[k.family == 6 ? 67 : 47] = rng_below(&rng, 256);
		if (k.family == 4)
			frame.data[15] = rng_below(&rng, 256);
		flow = (struct sluice_place_flow){
			.length = frame.bytes - ETH_HLEN, .sport = ntohs(k.sport),
			.dport = ntohs(k.dport), .proto = k.proto, .family = k.family,
			.tos = k.family == 4 ? frame.data[15] : 0,
			.tcp_flags = k.proto != IPPROTO_TCP ? 0 :
				     frame.data[k.family == 6 ? 67 : 47],
		};
		assert_int_equal(run(s), XDP_REDIRECT);
		/* That packet was counted, wherever its bucket is, and the prediction does not know. */
		for (__u32 c = 0; c < 2; c++)
			plays_rings(s, c, 1000000 + cpu[c].queue, 1000000 - s->loads[c].lost);
		assert_int_equal(run(s), XDP_REDIRECT);
		CHECK(steer_flow_get(s, &k, &f));
		other = predict(s, cpu, sluice_flow_hash(&k), home, &flow, feature);
		if (sluice_place_choice(&t, sluice_place_walk(&t, feature)) != SLUICE_PLACE_OTHER) {
			assert_int_equal(f.assign.flags, 0);
			assert_int_equal(f.assign.cpu, home);
		} else {
			assert_int_equal(f.assign.flags, SLUICE_FLOW_LEARNED | SLUICE_FLOW_TREE);
			assert_int_equal(f.assign.cpu, other);
			moved++;
		}
		assert_int_equal(f.assign.generation, t.h.generation);
	}
	assert_in_range(moved, FLOWS / 5, FLOWS * 4 / 5);
	assert_int_equal(state_of(s).stats.other, moved);
	assert_int_equal(state_of(s).stats.home, FLOWS - moved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_ON(setup_place, test_without_a_tree),
		TEST_ON(setup_place, test_other),
		TEST_ON(setup_place, test_home),
		TEST_ON(setup_place, test_lapsed),
		TEST_ON(setup_place, test_held_and_alone),
		TEST_ON(setup_place, test_dropped),
		TEST_ON(setup_place, test_torn),
		TEST_ON(setup_place, test_generations_are_counted),
		TEST_ON(setup_place, test_refused),
		TEST_ON(setup_place, test_fresh),
		TEST_ON(setup_place, test_lost),
		TEST_ON(setup_place, test_as_in_user_space),
	};

	if (geteuid() || sysconf(_SC_NPROCESSORS_CONF) < 2) {
		puts("1..0 # SKIP needs root and two CPUs");
		return 4;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
