// SPDX-License-Identifier: GPL-2.0
/*
 * The instance has both variants: frames that fit a page go through "xdp", and
 * larger ones through "xdp.frags", because a test run gives a program without
 * frags support only the first page. The program announces every miss; the
 * entry is then made with the packet that missed already counted, so that the
 * counters of a flow are exact from its first packet on.
 */
#include "lib/xdp_replay.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/capture.h"
#include "lib/frame_key.h"
#include "lib/steer_priv.h"

/* Original lengths beyond this, libpcap's greatest, are damage. */
#define WIRE_BYTES_MAX	262144

/*
 * The program counts the bytes it is given. What of a flow's packets is not in the file is counted
 * here, by the same parser's key.
 */
struct missing {
	struct sluice_flow_key key;
	uint64_t bytes;
};

/* What surely fits the linear part of a test run, whatever size skb_shared_info has. */
#define LINEAR_BYTES	2048

const char *const xdp_replay_reason[XDP_REPLAY_REASONS] = {
#define X(name, text) [SLUICE_PASS_##name] = #name,
	SLUICE_PASS_REASONS(X)
#undef X
	[XDP_REPLAY_OVERSIZE] = "oversize",
};

struct run {
	struct steer *s;
	struct xdp_replay *out;
	size_t room;		/* of out->flows */
	uint16_t cpus[SLUICE_MAX_CPUS];
	size_t n_cpus;
	__u32 inside;
	void *missing;		/* tsearch() tree of struct missing */
	int error;		/* of a callback */
};

void xdp_replay_clear(struct xdp_replay *r)
{
	free(r->flows);
	memset(r, 0, sizeof(*r));
}

/* Reads the file to its end: how many frames, and that it is whole. */
static int count_frames(const char *path, uint64_t *n, struct sl_err *e)
{
	struct capture_frame f;
	struct capture *c;
	uint64_t count = 0;
	int r;

	r = capture_open(path, &c, e);
	if (r)
		return r;
	while ((r = capture_next(c, &f, e)) == 1)
		count++;
	capture_close(c);
	if (!r)
		*n = count;
	return r;
}

static int fill_frags_targets(struct run *run)
{
	struct bpf_cpumap_val v = { .qsize = SLUICE_CPUMAP_QSIZE };
	int r = 0;

	v.bpf_prog.fd = run->s->prog[STEER_PROG_cpu_deliver_frags];
	for (size_t i = 0; i < run->n_cpus && !r; i++) {
		__u32 cpu = run->cpus[i];

		r = bpf_map_update_elem(run->s->map[STEER_MAP_cpus_frags], &cpu, &v, 0);
	}
	return r;
}

static int make_instance(struct run *run, uint64_t frames, __u32 inside, struct sl_err *e)
{
	/* Nothing moves here, so the hold's times do not matter. */
	const struct sluice_steer_config config = {
		.flags = SLUICE_STEER_F_ANNOUNCE | SLUICE_STEER_F_SLOW_TICK,
		.inside = inside, .gap_ticks = SLUICE_GAP_TICKS,
	};
	int r;

	run->s = steer_alloc(NULL);
	if (!run->s)
		return sl_err(e, -ENOMEM, "out of memory");
	/* A flow has a packet at least, so there are no more flows than frames. */
	if (frames > 1 << 24)
		frames = 1 << 24;
	r = steer_load_object(run->s, frames ? frames : 1, true, e);
	if (r)
		return r;
	r = steer_open_maps(run->s, e);
	if (r)
		return r;
	r = cpulist_online(run->s->n_targets, run->cpus, SLUICE_MAX_CPUS, &run->n_cpus, e);
	if (r)
		return r;
	r = steer_write_targets(run->s, run->cpus, run->n_cpus, 0, e);
	if (r)
		return r;
	r = fill_frags_targets(run);
	if (r)
		return sl_err(e, r, "cannot make cpumap entries: %s", strerror(-r));
	return steer_set_config(run->s, &config, e);
}

/* The flow of a packet that missed: from now on it has an entry. */
static void admit(const struct sluice_flow_event *ev, void *data)
{
	struct run *run = data;
	struct xdp_replay *out = run->out;
	const struct sluice_flow entry = {
		.packets = 1,
		.bytes = ev->bytes,
		.assign = { .cpu = run->s->buckets[ev->bucket].cpu, .flags = SLUICE_FLOW_OPERATOR },
	};
	struct xdp_replay_flow *more;

	if (run->error)
		return;
	if (out->n_flows == run->room) {
		run->room = run->room ? run->room * 2 : 1024;
		more = realloc(out->flows, run->room * sizeof(*more));
		if (!more) {
			run->error = -ENOMEM;
			return;
		}
		out->flows = more;
	}
	run->error = steer_flow_insert(run->s, &ev->key, &entry, NULL);
	if (!run->error)
		out->flows[out->n_flows++] = (struct xdp_replay_flow){ .key = ev->key };
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sluice_flow_key));
}

static int count_missing(struct run *run, const struct capture_frame *f)
{
	struct missing *m, **found;
	struct sluice_flow_key key;

	if (!f->data || f->wire <= f->captured || f->wire > WIRE_BYTES_MAX ||
	    frame_key(f->data, f->bytes, run->inside, &key) != FRAME_KEY_FOUND)
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->key = key;
	found = tsearch(m, &run->missing, by_key);
	if (!found || *found != m)
		free(m);
	if (!found)
		return -ENOMEM;
	(*found)->bytes += f->wire - f->captured;
	return 0;
}

static int run_frame(struct run *run, const struct capture_frame *f)
{
	const bool linear = f->bytes <= LINEAR_BYTES;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = f->data, .data_size_in = f->bytes);
	int r;

	run->out->packets++;
	if (!f->data || f->bytes < ETH_HLEN) {
		run->out->passed[SLUICE_PASS_truncated]++;
		return 0;
	}
	r = bpf_prog_test_run_opts(run->s->prog[linear ? STEER_PROG_xdp_steer :
							 STEER_PROG_xdp_steer_frags], &o);
	if (r && !linear && (r == -ENOMEM || r == -EINVAL || r == -EMSGSIZE)) {
		run->out->passed[XDP_REPLAY_OVERSIZE]++;
		return 0;
	}
	if (r)
		return r;
	r = steer_event_drain(run->s, admit, run);
	return r < 0 ? r : run->error;
}

static int run_frames(struct run *run, const char *path, int *link_delta, struct sl_err *e)
{
	struct capture_frame f;
	struct capture *c;
	int r, failed;

	r = capture_open(path, &c, e);
	if (r)
		return r;
	*link_delta = capture_link_delta(c);
	while ((r = capture_next(c, &f, e)) == 1) {
		failed = count_missing(run, &f);
		if (!failed)
			failed = run_frame(run, &f);
		if (failed) {
			r = sl_err(e, failed, "frame %llu of %s: the kernel did not run the "
				   "program: %s", (unsigned long long)run->out->packets, path,
				   strerror(-failed));
			break;
		}
	}
	capture_close(c);
	return r;
}

/* The program's own counters are the result. */
static int collect(struct run *run, int link_delta, struct sl_err *e)
{
	struct steer_snapshot snap;
	struct xdp_replay *out = run->out;
	struct missing **m;
	struct sluice_flow flow;
	uint64_t sum;
	int r;

	r = steer_read_counters(run->s, &snap, e);
	if (r)
		return r;
	for (unsigned int cpu = 0; cpu < SLUICE_MAX_CPUS; cpu++)
		out->steered += snap.cpu[cpu].packets;
	sum = out->steered;
	for (int i = 0; i < SLUICE_PASS_MAX; i++)
		out->passed[i] += snap.pass[i].packets;
	for (int i = 0; i < XDP_REPLAY_REASONS; i++)
		sum += out->passed[i];
	if (sum != out->packets || snap.stats.announce_failed)
		return sl_err(e, -EPROTO, "the program accounted for %llu of %llu packets",
			      (unsigned long long)sum, (unsigned long long)out->packets);
	for (size_t i = 0; i < out->n_flows; i++) {
		r = steer_flow_get(run->s, &out->flows[i].key, &flow);
		if (r)
			return sl_err(e, r, "a flow entry is gone: %s", strerror(-r));
		out->flows[i].packets = flow.packets;
		out->flows[i].bytes = flow.bytes + flow.packets * (int64_t)link_delta;
		m = tfind(&out->flows[i].key, &run->missing, by_key);
		out->flows[i].bytes += m ? (*m)->bytes : 0;
		out->flows[i].cpu = flow.assign.cpu;
	}
	return 0;
}

int xdp_replay_run(const char *path, __u32 inside, struct xdp_replay *out, struct sl_err *e)
{
	struct xdp_replay result = { 0 };
	struct run run = { .out = &result, .inside = inside };
	uint64_t frames;
	int r, link_delta;

	r = count_frames(path, &frames, e);
	if (r)
		return r;
	r = make_instance(&run, frames, inside, e);
	if (!r)
		r = run_frames(&run, path, &link_delta, e);
	if (!r)
		r = collect(&run, link_delta, e);
	steer_close(run.s);
	tdestroy(run.missing, free);
	if (r)
		xdp_replay_clear(&result);
	else
		*out = result;
	return r;
}
