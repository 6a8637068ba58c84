// SPDX-License-Identifier: GPL-2.0
/*
 * Trees are swapped as fast as it goes while packets flow and new flows are admitted:
 *
 *	test_swap [SECONDS]
 *
 * Live frames go through the program, the cpumap and cpu_deliver, on CPUs 0 and 1. A tree has the
 * same answer in all leaves, and the one before it in the same slot had the opposite one: so an
 * entry shows whether its decision came from the generation that it names. Each packet says which
 * one of its flow it is: none may be lost or overtaken. The sender waits for what it has sent, so
 * that no ring is ever full, and now and then for all of it in the middle of flows, so that those
 * which wait to move can.
 */
#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "lib/clock.h"
#include "lib/steer_tree.h"
#include "swap.h"
#include "trees.h"

#define SECONDS		3
#define BURST		3840	/* packets; two of them fit into a ring by far, and flows outlive it */
#define PAUSE_EVERY	7	/* bursts: what is on its way arrives, so that flows may move */
#define PAUSE_US	(2 * SLUICE_SETTLE_NS / 1000)
#define RING		16384
#define FLOWS_A_SECOND	32768	/* that can be admitted */
#define LOADS_EVERY	1000	/* swaps */
#define PAYLOAD		64

static unsigned int seconds = SECONDS;

/* Generations go to the slots by turns. */
static enum sluice_place_choice answer_of(__u32 generation)
{
	return generation & 2 ? SLUICE_PLACE_OTHER : SLUICE_PLACE_HOME;
}

struct swapping {
	struct steer *s;
	struct bpf_object *obj;
	volatile struct swap_state *state;
	int send;
	volatile bool stop;
	const char *volatile failed;
	__u64 swaps;
	__u64 slowest_ns;
};

static int load_programs(struct swapping *w)
{
	struct bpf_map *map;
	void *state;
	int r = 0;

	w->obj = bpf_object__open_file("build/selftests/bpf/swap.bpf.o", NULL);
	if (!w->obj)
		return -errno;
	for (int i = 0; i < STEER_MAP_MAX && !r; i++) {
		map = bpf_object__find_map_by_name(w->obj, steer_map_name[i]);
		r = map ? bpf_map__reuse_fd(map, w->s->map[i]) : 0;
	}
	if (!r)
		r = bpf_object__load(w->obj);
	if (r)
		return r;
	state = mmap(NULL, sizeof(*w->state), PROT_READ, MAP_SHARED,
		     bpf_map__fd(bpf_object__find_map_by_name(w->obj, ".bss")), 0);
	if (state == MAP_FAILED)
		return -errno;
	w->state = state;
	w->send = bpf_program__fd(bpf_object__find_program_by_name(w->obj, "swap_send"));
	/* In place of the product's, which it calls. */
	close(w->s->prog[STEER_PROG_cpu_deliver]);
	w->s->prog[STEER_PROG_cpu_deliver] =
		dup(bpf_program__fd(bpf_object__find_program_by_name(w->obj, "swap_deliver")));
	return 0;
}

static void publish_loads(struct steer *s, __u32 ppm)
{
	const struct steer_cpu_load l[] = { { 0, ppm }, { 1, SLUICE_TREE_PPM - ppm } };

	CHECK(steer_tree_loads(s, l, 2, 1000, &err));
}

static __u64 delivered(const struct steer *s)
{
	const volatile struct sluice_deliver *d = s->deliver;

	return d[0].packets + d[1].packets;
}

/* --- the threads ------------------------------------------------------------ */

static void *swap(void *data)
{
	struct swapping *w = data;
	struct sluice_tree t[2];
	struct rng rng;
	__u64 begin, ns;
	__u32 g = 1;

	rng_seed(&rng, 3);
	for (int i = 0; i < 2; i++) {
		tree_random(&t[i], SLUICE_TREE_MAX_CELLS / 2, 1, &rng);
		for (__u32 c = t[i].h.n_nodes; c < SLUICE_TREE_MAX_CELLS; c++)
			t[i].cell[c].place.choice = i;
	}
	for (; !w->stop; g++) {
		struct sluice_tree *next = &t[answer_of(g)];

		next->h.generation = g;
		sluice_tree_seal(next);
		begin = monotonic_ns();
		if (steer_tree_publish(w->s, next, NULL))
			w->failed = "a tree could not be published";
		ns = monotonic_ns() - begin;
		if (ns > w->slowest_ns)
			w->slowest_ns = ns;
		w->swaps++;
		if (g % LOADS_EVERY == 0)
			publish_loads(w->s, rng_below(&rng, SLUICE_TREE_PPM));
	}
	return NULL;
}

static void *send_packets(void *data)
{
	struct swapping *w = data;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame.data, .data_size_in = frame.bytes,
		    .repeat = BURST, .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);
	__u64 waiting, under_way;

	for (unsigned int n = 1; !w->stop && !w->failed; n++) {
		if (bpf_prog_test_run_opts(w->send, &o))
			w->failed = "a test run failed";
		under_way = n % PAUSE_EVERY ? BURST : 0;
		waiting = monotonic_ns();
		while (delivered(w->s) + under_way < w->state->packets) {
			sched_yield();
			if (monotonic_ns() - waiting > 5000000000ULL) {
				w->failed = "packets were lost";
				break;
			}
		}
		if (!under_way)
			usleep(PAUSE_US);
	}
	return NULL;
}

/* --- what came of it --------------------------------------------------------- */

struct tally {
	unsigned int home, other, undecided, wrong;
};

static int look_at_entry(const struct steer_flow *f, void *data)
{
	const struct sluice_assign *a = &f->flow.assign;
	struct tally *t = data;
	const __u32 home = sluice_bucket_of(&f->key) % 2;

	if (!a->generation) {
		t->undecided++;
		t->wrong += a->flags != 0;
	} else if (answer_of(a->generation) == SLUICE_PLACE_OTHER) {
		t->other++;
		t->wrong += a->flags != (SLUICE_FLOW_LEARNED | SLUICE_FLOW_TREE) || a->cpu != !home;
	} else {
		t->home++;
		t->wrong += a->flags != 0 || a->cpu != home;
	}
	return 0;
}

static void wait_for_rings(struct swapping *w)
{
	for (int i = 0; i < 2000 && delivered(w->s) < w->state->packets; i++)
		usleep(1000);
}

static void test_swap(void **state)
{
	const struct sluice_steer_config c = {
		.flags = SLUICE_STEER_F_ADMIT,
	};
	struct swapping w = { .s = *state };
	struct steer_scan scan = { 0 };
	struct steer_tree_state st;
	struct tally t = { 0 };
	const __u16 cpus[] = { 0, 1 };
	pthread_t sender, swapper;
	int r;

	CHECK(load_programs(&w));
	CHECK(steer_write_targets(w.s, cpus, 2, RING, &err));
	CHECK(steer_set_config(w.s, &c, &err));
	CHECK(steer_lease_renew(w.s, SLUICE_LEASE_MS_MAX, 1, &err));
	publish_loads(w.s, 300000);
	frame_make(&frame, &udp4, 0, PAYLOAD);

	CHECK(pthread_create(&swapper, NULL, swap, &w));
	CHECK(pthread_create(&sender, NULL, send_packets, &w));
	for (unsigned int i = 0; i < seconds * 10 && !w.failed; i++)
		usleep(100000);
	w.stop = true;
	pthread_join(swapper, NULL);
	pthread_join(sender, NULL);
	if (w.failed)
		fail_msg("%s", w.failed);
	wait_for_rings(&w);

	do
		r = steer_flow_scan(w.s, &scan, 1 << 16, look_at_entry, &t, &err);
	while (r > 0);
	CHECK(r);
	CHECK(steer_tree_read(w.s, &st, &err));
	read_counters(w.s);
	print_message("# %llu swaps in %u s, %llu a second, the slowest took %llu us\n", w.swaps,
		      seconds, w.swaps / seconds, w.slowest_ns / 1000);
	print_message("# %llu packets, %llu flows admitted: %u other, %u home, %llu torn; %llu moves\n",
		      w.state->packets, snap.stats.admitted, t.other, t.home, st.stats.torn,
		      snap.stats.moves_completed);
	print_message("# %llu in order, %llu not, %llu lost; %u entries of another generation\n",
		      w.state->in_order, w.state->out_of_order,
		      w.state->packets - delivered(w.s), t.wrong);

	assert_int_equal(t.wrong, 0);
	assert_int_equal(delivered(w.s), w.state->packets);
	assert_int_equal(w.state->out_of_order, 0);
	assert_int_equal(w.state->in_order, w.state->packets);
	assert_int_equal(snap.stats.moves_forced, 0);
	/* Each decision is an entry, and each entry a decision. */
	assert_int_equal(t.other, st.stats.other);
	assert_int_equal(t.home, st.stats.home);
	assert_int_equal(st.stats.lapsed + st.stats.alone + st.stats.held, 0);
	assert_int_equal(t.other + t.home + t.undecided, snap.stats.admitted);
	/* There was something to see. */
	assert_true(w.swaps > 1000);
	assert_true(t.other > 10 && t.home > 10);
	assert_true(snap.stats.moves_completed > 0);
	bpf_object__close(w.obj);
}

static int setup_many(void **state)
{
	struct steer *s = steer_alloc(NULL);

	*state = s;
	if (!s || steer_load_object(s, seconds * FLOWS_A_SECOND, true, &err) || steer_open_maps(s, &err)) {
		fprintf(stderr, "# %s\n", err.text);
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { TEST_ON(setup_many, test_swap) };

	if (geteuid() || sysconf(_SC_NPROCESSORS_CONF) < 2) {
		puts("1..0 # SKIP needs root and two CPUs");
		return 4;
	}
	if (argc > 1)
		seconds = strtoul(argv[1], NULL, 10);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
