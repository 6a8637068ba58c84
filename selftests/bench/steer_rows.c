// SPDX-License-Identifier: GPL-2.0
#include "steer_rows.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>

#include "objects.h"

#define REPEAT		100000
#define REPEAT_FLOWS	100000
#define REPEAT_LIVE	100000
#define REPEAT_QUICK	2000
#define MANY_FLOWS	1000000
#define MANY_QUICK	10000
#define ZIPF_EXPONENT	1.1
#define PAYLOAD		18	/* of a 60-byte frame */

static const struct sluice_flow_key udp4 = {
	.saddr = { 10, 0, 0, 1 }, .daddr = { 10, 0, 0, 2 },
	.sport = 0x1111, .dport = 0x2222, .proto = IPPROTO_UDP, .family = 4,
};
static const struct sluice_flow_key udp6 = {
	.saddr = { 0xfd, [15] = 1 }, .daddr = { 0xfd, [15] = 2 },
	.sport = 0x1111, .dport = 0x2222, .proto = IPPROTO_UDP, .family = 6,
};

/* Not plain to the parser, which looks again. */
static const struct sluice_flow_key esp4 = {
	.saddr = { 10, 0, 0, 1 }, .daddr = { 10, 0, 0, 2 },
	.sport = 0x1111, .dport = 0x2222, .proto = IPPROTO_ESP, .family = 4,
};

/* --- what rows run on ------------------------------------------------------- */

static int add_instance(struct bench *b, __u32 max_flows, unsigned int n_cpus, __u32 flags,
			struct steer **ret, struct sl_err *e)
{
	struct steer *s = instance_new(max_flows, n_cpus, flags, e);

	if (!s)
		return -EIO;
	b->instance[b->n_instances++] = *ret = s;
	return 0;
}

static int add_object(struct bench *b, const char *name, struct steer *s, struct bpf_object **ret,
		      struct sl_err *e)
{
	int r = object_load(name, s, ret, e);

	if (r == 0)
		b->object[b->n_objects++] = *ret;
	return r;
}

/* A row is of xdp_steer, unless a program of the benchmark's object is named. */
static int add_row(struct bench *b, enum row_id id, enum row_kind kind, struct steer *s,
		   struct bpf_object *o, const char *prog, const struct sluice_flow_key *key,
		   struct sl_err *e)
{
	struct row *r = &b->row[id];

	r->kind = kind;
	r->retval = XDP_REDIRECT;
	r->steer = s;
	r->prog = o ? object_prog(o, prog, e) : s->prog[STEER_PROG_xdp_steer];
	r->state = o ? object_state(o) : NULL;
	frame_make(&r->frame, key, 0, PAYLOAD);
	/* Nobody's, so that the stack drops what is delivered. */
	r->frame.data[0] = 2;
	return r->prog < 0 ? r->prog : 0;
}

/* --- one flow --------------------------------------------------------------- */

static int add_floor(struct bench *b, struct sl_err *e)
{
	const struct bpf_cpumap_val v = { .qsize = SLUICE_CPUMAP_QSIZE };
	const __u32 zero = 0;
	struct bpf_object *o;
	int r;

	r = add_object(b, "floor", NULL, &o, e);
	if (r)
		return r;
	r = bpf_map_update_elem(bpf_object__find_map_fd_by_name(o, "floor_map"), &zero, &v, 0);
	if (r)
		return sl_err(e, r, "cannot make a cpumap entry: %s", strerror(-r));
	r = add_row(b, ROW_floor, ROW_OTHER, NULL, o, "bench_floor", &udp4, e);
	if (r == 0)
		r = add_row(b, ROW_empty, ROW_OTHER, NULL, o, "bench_empty", &udp4, e);
	b->row[ROW_empty].retval = XDP_PASS;
	return r;
}

static int set_flow(struct steer *s, const struct sluice_flow_key *key, struct sl_err *e)
{
	return steer_flow_set(s, key, 0, SLUICE_FLOW_OPERATOR, 1, e);
}

static int add_hits(struct bench *b, struct sl_err *e)
{
	struct steer *s, *uncached, *sampled;
	struct bpf_object *o, *osampled;

	if (add_instance(b, 0, 1, 0, &s, e) ||
	    add_instance(b, 0, 1, SLUICE_STEER_F_NO_CACHE, &uncached, e) ||
	    add_instance(b, 0, 1, SLUICE_STEER_F_SAMPLE, &sampled, e) ||
	    add_object(b, "steer", s, &o, e) || add_object(b, "steer", sampled, &osampled, e) ||
	    set_flow(s, &udp4, e) || set_flow(s, &udp6, e) || set_flow(uncached, &udp4, e) ||
	    set_flow(sampled, &udp4, e))
		return -EIO;
	if (add_row(b, ROW_hit4, ROW_CACHED, s, NULL, NULL, &udp4, e) ||
	    add_row(b, ROW_hit6, ROW_CACHED, s, NULL, NULL, &udp6, e) ||
	    add_row(b, ROW_vlan, ROW_CACHED, s, NULL, NULL, &udp4, e) ||
	    add_row(b, ROW_hash4, ROW_HASHED, uncached, NULL, NULL, &udp4, e) ||
	    add_row(b, ROW_hit4_undone, ROW_CACHED, s, o, "undone_steer", &udp4, e) ||
	    add_row(b, ROW_hit4_sampled, ROW_CACHED, sampled, osampled, "undone_steer", &udp4, e))
		return -EIO;
	frame_make(&b->row[ROW_vlan].frame, &udp4, 1, PAYLOAD);
	return 0;
}

static int add_buckets(struct bench *b, struct sl_err *e)
{
	struct steer *s, *without;
	unsigned char *data;

	if (add_instance(b, 0, 1, 0, &s, e) || add_instance(b, 0, 0, 0, &without, e) ||
	    add_row(b, ROW_bucket, ROW_NO_TABLE, s, NULL, NULL, &udp4, e) ||
	    add_row(b, ROW_bucket6, ROW_NO_TABLE, s, NULL, NULL, &udp6, e) ||
	    add_row(b, ROW_fragment, ROW_NO_TABLE, s, NULL, NULL, &udp4, e) ||
	    add_row(b, ROW_esp, ROW_NO_TABLE, s, NULL, NULL, &esp4, e) ||
	    add_row(b, ROW_pass_not_ip, ROW_OTHER, s, NULL, NULL, &udp4, e) ||
	    add_row(b, ROW_pass_empty_tables, ROW_NO_TABLE, without, NULL, NULL, &udp4, e))
		return -EIO;
	b->row[ROW_fragment].frame.data[ETH_HLEN + 6] = 0x20;	/* more fragments */
	data = b->row[ROW_pass_not_ip].frame.data;
	data[12] = 0x88, data[13] = 0xcc;			/* LLDP */
	b->row[ROW_pass_not_ip].retval = b->row[ROW_pass_empty_tables].retval = XDP_PASS;
	return 0;
}

static int add_deliver(struct bench *b, struct sl_err *e)
{
	static const struct { enum row_id id; const char *prog; } rows[] = {
		{ ROW_cpumap_program, "delivered" },
		{ ROW_cpumap_sampled, "delivered_sampled" },
		{ ROW_cpumap_undone, "delivered_undone" },
	};
	struct bpf_object *o;
	int r;

	r = add_object(b, "deliver", NULL, &o, e);
	for (size_t i = 0; i < 3 && r == 0; i++) {
		r = add_row(b, rows[i].id, ROW_OTHER, NULL, o, rows[i].prog, &udp4, e);
		b->row[rows[i].id].retval = XDP_PASS;
	}
	return r;
}

static int add_live(struct bench *b, struct sl_err *e)
{
	struct bpf_object *o;
	struct steer *s;

	if (add_instance(b, 0, 1, 0, &s, e) || set_flow(s, &udp4, e) ||
	    add_object(b, "steer", s, &o, e) ||
	    add_row(b, ROW_live, ROW_OTHER, s, NULL, NULL, &udp4, e) ||
	    add_row(b, ROW_live_floor, ROW_OTHER, s, o, "live_floor", &udp4, e))
		return -EIO;
	b->row[ROW_live].live = b->row[ROW_live_floor].live = true;
	return 0;
}

/* --- many flows ------------------------------------------------------------- */

/* Entries for the n flows in the instance; the row's packets are of them by turns. */
static int add_flows(struct bench *b, enum row_id id, __u32 n, bool zipf, struct steer *s,
		     struct sl_err *e)
{
	struct sluice_flow_key key = { .dport = htons(443), .proto = IPPROTO_UDP, .family = 4,
				       .daddr = { 192, 0, 2, 1 } };
	struct row *row = &b->row[id];
	struct bpf_object *o;

	if (add_object(b, "steer", s, &o, e) ||
	    (zipf ? object_set_zipf(o, n, ZIPF_EXPONENT, e) : object_set_uniform(o, n, e)) ||
	    add_row(b, id, ROW_OTHER, s, o,
		    id == ROW_rewritten_floor ? "rewritten_floor" : "rewritten_steer", &key, e))
		return -EIO;
	if (id != ROW_rewritten_floor) {
		row->prepared = &b->row[ROW_rewritten_floor];
		row->plain = &b->row[ROW_floor];
	}
	return 0;
}

static int add_many_flows(struct bench *b, bool quick, struct sl_err *e)
{
	const __u32 many = quick ? MANY_QUICK : MANY_FLOWS, some = many / 10;
	struct steer *s1k, *s100k, *s1m, *assigned;

	if (add_instance(b, 0, 1, 0, &s1k, e) || add_instance(b, some, 1, 0, &s100k, e) ||
	    add_instance(b, many, 1, 0, &s1m, e) || add_instance(b, many, 1, 0, &assigned, e) ||
	    instance_fill(s1k, 1000, false, e) || instance_fill(s100k, some, false, e) ||
	    instance_fill(s1m, many, false, e) || instance_fill(assigned, many, true, e))
		return -EIO;
	if (add_row(b, ROW_miss, ROW_NO_ENTRY, s1m, NULL, NULL, &udp4, e) ||
	    add_flows(b, ROW_rewritten_floor, many, false, s1k, e) ||
	    add_flows(b, ROW_flows_1k, 1000, false, s1k, e) ||
	    add_flows(b, ROW_flows_100k, some, false, s100k, e) ||
	    add_flows(b, ROW_flows_1m_zipf, many, true, s1m, e) ||
	    add_flows(b, ROW_flows_1m_uniform, many, false, s1m, e) ||
	    add_flows(b, ROW_flows_1m_zipf_assigned, many, true, assigned, e))
		return -EIO;
	return 0;
}

/* Each tree in an instance of its own; the buckets decide about the packets. */
static int add_trees(struct bench *b, struct sl_err *e)
{
	struct steer *s;
	int r;

	r = bench_trees_record(&b->trees, e);
	for (int i = 0; i < 4 && !r; i++) {
		r = add_instance(b, 0, 1, 0, &s, e) || add_object(b, "tree", s, &b->tree_object[i], e) ||
		    bench_trees_states(&b->trees, b->tree_object[i], e) ||
		    add_row(b, ROW_tree_off + i, ROW_OTHER, s, b->tree_object[i],
			    i ? "tree_on" : "tree_off", &udp4, e) ||
		    (i && bench_trees_publish(&b->trees, i - 1, s, e)) ? -EIO : 0;
	}
	return r ? r : add_row(b, ROW_tree_place, ROW_OTHER, s, b->tree_object[2], "tree_place", &udp4,
			       e);
}

static const char *const row_names[ROW_MAX] = {
#define X(name) #name,
	JSON_ROWS(X)
	OTHER_ROWS(X)
#undef X
};

int bench_prepare(struct bench *b, size_t rounds, bool quick, struct sl_err *e)
{
	int r;

	r = add_floor(b, e) || add_hits(b, e) || add_buckets(b, e) || add_deliver(b, e) ||
	    add_live(b, e) || add_trees(b, e) || add_many_flows(b, quick, e) ? -EIO : 0;
	for (int i = 0; i < ROW_MAX && r == 0; i++) {
		struct row *row = &b->row[i];

		row->name = row_names[i];
		row->in_json = i <= ROW_live;
		row->repeat = row->live ? REPEAT_LIVE : row->prepared ? REPEAT_FLOWS : REPEAT;
		if (i == ROW_rewritten_floor)
			row->repeat = REPEAT_FLOWS;
		if (quick)
			row->repeat = REPEAT_QUICK;
		row->warm_up = row->prepared ? row->repeat / 2 : 0;
		row->ns = calloc(rounds, sizeof(*row->ns));
		if (!row->ns)
			r = sl_err(e, -ENOMEM, "out of memory");
	}
	return r;
}

void bench_free(struct bench *b)
{
	for (size_t i = 0; i < b->n_objects; i++)
		bpf_object__close(b->object[i]);
	for (size_t i = 0; i < b->n_instances; i++)
		steer_close(b->instance[i]);
	for (int i = 0; i < ROW_MAX; i++)
		free(b->row[i].ns);
	bench_trees_free(&b->trees);
}
