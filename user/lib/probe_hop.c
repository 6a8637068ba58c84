// SPDX-License-Identifier: GPL-2.0
/* Measures cpumap hops with live frames; see probe_hop.h. */
#include "lib/probe_hop.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/probe_bpf.h"
#include "lib/probe_obj.h"
#include "probe.skel.h"

#define ROUND_PACKETS	2048	/* fits the ring, so that nothing is dropped there */
#define RING_PACKETS	4096
#define BATCH		64	/* a NAPI poll's */
#define ROUNDS		9
#define WAKEUPS		15
#define FRAME_BYTES	64

const char *const probe_distance_name[PROBE_DISTANCE_MAX] = {
#define X(name, text) #name,
	PROBE_DISTANCES(X)
#undef X
};

const char *const probe_distance_text[PROBE_DISTANCE_MAX] = {
#define X(name, text) text,
	PROBE_DISTANCES(X)
#undef X
};

static void pause_us(long us)
{
	struct timespec ts = { .tv_nsec = us * 1000 };

	nanosleep(&ts, NULL);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Sends n frames through a program; ns per frame on this CPU, or -errno. */
static double send_frames(int prog_fd, unsigned int n)
{
	char frame[FRAME_BYTES] = { [12] = 0x88, [13] = 0xb5 };	/* an experimental EtherType */
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = n, .batch_size = BATCH, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int r = bpf_prog_test_run_opts(prog_fd, &o);

	return r ? (double)r : (double)o.duration;
}

static void start_run(volatile struct probe_run *run, unsigned int cpu, unsigned int n)
{
	memset((void *)run, 0, sizeof(*run));
	run->cpu = cpu;
	run->expected = n;
	__sync_synchronize();
}

/* Waits until all have arrived; false when they did not (lost in a full ring, or too slow). */
static bool all_arrived(volatile struct probe_run *run, unsigned int wait_ms)
{
	uint64_t end = monotonic_ns() + wait_ms * 1000000ULL;

	while (!run->last_ns) {
		if (monotonic_ns() >= end)
			return false;
		pause_us(50);
	}
	return true;
}

struct series {
	double value[ROUNDS > WAKEUPS ? ROUNDS : WAKEUPS];
	unsigned int n;
};

static void add(struct series *s, double value)
{
	s->value[s->n++] = value;
}

static double middle(struct series *s)
{
	return s->n ? median(s->value, s->n) : -1;
}

/* Dropping and hopping alternate, so that a change of the clock rate meets both. */
static int measure_rounds(struct probe *skel, volatile struct probe_run *run, uint64_t end,
			  struct probe_hop *hop)
{
	int drop_fd = bpf_program__fd(skel->progs.probe_drop);
	int hop_fd = bpf_program__fd(skel->progs.probe_hop);
	struct series drop = { 0 }, send = { 0 }, mpps = { 0 };
	double ns;

	for (unsigned int i = 0; i < ROUNDS && (i == 0 || monotonic_ns() < end); i++) {
		start_run(run, hop->to_cpu, ROUND_PACKETS);
		ns = send_frames(drop_fd, ROUND_PACKETS);
		if (ns < 0)
			return (int)ns;
		add(&drop, ns);
		start_run(run, hop->to_cpu, ROUND_PACKETS);
		ns = send_frames(hop_fd, ROUND_PACKETS);
		if (ns < 0)
			return (int)ns;
		add(&send, ns - drop.value[i]);
		if (all_arrived(run, 200))
			add(&mpps, ROUND_PACKETS * 1e3 / (double)(run->last_ns - run->first_ns));
	}
	hop->rounds = send.n;
	hop->drop_ns = middle(&drop);
	hop->send_ns = middle(&send);
	if (hop->send_ns < 0)
		hop->send_ns = 0;	/* below the noise */
	hop->mpps = middle(&mpps);
	return 0;
}

/* One packet at a time, each to a kthread that sleeps by then. */
static int measure_wakeups(struct probe *skel, volatile struct probe_run *run, uint64_t end,
			   struct probe_hop *hop)
{
	int hop_fd = bpf_program__fd(skel->progs.probe_hop);
	struct series wakeup = { 0 };
	double ns;

	hop->wakeup_max_ns = -1;
	for (unsigned int i = 0; i < WAKEUPS && (i == 0 || monotonic_ns() < end); i++) {
		pause_us(1000);
		start_run(run, hop->to_cpu, 1);
		ns = send_frames(hop_fd, 1);
		if (ns < 0)
			return (int)ns;
		if (!all_arrived(run, 100))
			continue;
		ns = (double)(run->last_ns - run->first_ns);
		add(&wakeup, ns);
		if (ns > hop->wakeup_max_ns)
			hop->wakeup_max_ns = ns;
	}
	hop->wakeup_ns = middle(&wakeup);
	return 0;
}

static int measure_one(struct probe *skel, volatile struct probe_run *run, uint64_t end,
		       struct probe_hop *hop)
{
	struct bpf_cpumap_val value = { .qsize = RING_PACKETS };
	int map_fd = bpf_map__fd(skel->maps.probe_cpus), r;
	__u32 cpu = hop->to_cpu;

	value.bpf_prog.fd = bpf_program__fd(skel->progs.probe_arrive);
	if (bpf_map_update_elem(map_fd, &cpu, &value, 0))
		return -errno;
	/* The first round pays for cold caches. */
	start_run(run, cpu, BATCH);
	if (send_frames(bpf_program__fd(skel->progs.probe_hop), BATCH) >= 0)
		all_arrived(run, 100);
	r = measure_rounds(skel, run, end, hop);
	if (!r)
		r = measure_wakeups(skel, run, end, hop);
	bpf_map_delete_elem(map_fd, &cpu);
	return r;
}

static int pin_thread(unsigned int cpu, cpu_set_t *before)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_getaffinity(0, sizeof(*before), before) ||
	    sched_setaffinity(0, sizeof(one), &one))
		return -errno;
	return 0;
}

int probe_hop_measure(unsigned int from_cpu, const struct probe_targets *to,
		      unsigned int budget_ms, struct probe_hop out[PROBE_DISTANCE_MAX],
		      struct sl_err *e)
{
	uint64_t begin = monotonic_ns(), slice = 0;
	struct probe_hop hop[PROBE_DISTANCE_MAX];
	volatile struct probe_run *run;
	struct probe *skel;
	cpu_set_t before;
	int n = 0, r = 0;

	if (from_cpu >= CPU_SETSIZE)
		return sl_err(e, -ERANGE, "CPU %u has too high a number to measure from", from_cpu);
	for (int i = 0; i < PROBE_DISTANCE_MAX; i++)
		slice += to->cpu[i] >= 0;
	slice = slice ? budget_ms * 1000000ULL / slice : 0;
	r = probe_obj_load(PROBE_OBJ_HOP, &skel, &run, e);
	if (r)
		return r;
	r = pin_thread(from_cpu, &before);
	if (r) {
		probe_obj_unload(skel, run);
		return sl_err(e, r, "cannot run on CPU %u: %s", from_cpu, strerror(-r));
	}
	for (int i = 0; i < PROBE_DISTANCE_MAX && !r; i++) {
		if (to->cpu[i] < 0)
			continue;
		hop[n] = (struct probe_hop){ .distance = i, .from_cpu = from_cpu,
					     .to_cpu = to->cpu[i] };
		r = measure_one(skel, run, begin + slice * (n + 1), &hop[n]);
		n++;
	}
	sched_setaffinity(0, sizeof(before), &before);
	probe_obj_unload(skel, run);
	if (r == -EINVAL || r == -EOPNOTSUPP || r == -524)	/* -ENOTSUPP of the kernel */
		return sl_err(e, -EOPNOTSUPP, "this kernel does not run XDP programs with live "
			      "frames (Linux 5.18 and newer do)");
	if (r)
		return sl_err(e, r, "cannot measure a cpumap hop: %s", strerror(-r));
	memcpy(out, hop, n * sizeof(*hop));
	return n;
}
