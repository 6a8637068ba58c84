// SPDX-License-Identifier: GPL-2.0
/*
 * The program's tables and rules in the multi-core simulator: what bpf/packet.bpf.h (buckets,
 * precedence), bpf/hold.bpf.h (places and how they move), bpf/flow.bpf.h (entries, admission,
 * reports) and bpf/cpu_deliver.bpf.c (acknowledgements, waits) do, on plain arrays that are
 * indexed as the maps are. Left out: the caches (an entry's counters are exact at once), RX
 * queues that a flow changes, metadata that does not arrive.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cpus_priv.h"

int steer_tables_new(struct cpus *c)
{
	const size_t n = c->p.n_rxqs;

	c->bucket_state = calloc(n * SLUICE_BUCKETS, sizeof(*c->bucket_state));
	c->sent = calloc(n * SLUICE_MAX_CPUS, sizeof(*c->sent));
	c->acks = calloc(n * SLUICE_MAX_CPUS, sizeof(*c->acks));
	c->steer_stats = calloc(n, sizeof(*c->steer_stats));
	c->candidates = calloc(n * SLUICE_CANDIDATES, sizeof(*c->candidates));
	return c->bucket_state && c->sent && c->acks && c->steer_stats && c->candidates ?
	       0 : -ENOMEM;
}

void steer_tables_free(struct cpus *c)
{
	free(c->bucket_state);
	free(c->sent);
	free(c->acks);
	free(c->steer_stats);
	free(c->candidates);
}

static uint32_t ticks_now(const struct cpus *c)
{
	return (uint32_t)(c->now_ns / c->tick_ns);
}

static bool lease_runs(const struct cpus *c)
{
	return c->lease_end_ns > c->now_ns;
}

/* --- the hold ----------------------------------------------------------------- */

enum drained { DRAINED_NOT, DRAINED_BY_ACK, DRAINED_BY_GAP };

struct old_cpu {
	const struct sluice_counter *sent;
	const struct sluice_ack *ack;
	uint16_t since;		/* packets delivered after the latest acknowledged */
};

static struct old_cpu look_at(const struct cpus *c, const struct sluice_place *place)
{
	const unsigned int cpu = place->cpu1 - 1;
	const size_t index = (size_t)place->rxq * SLUICE_MAX_CPUS + cpu;
	struct old_cpu old = { .sent = &c->sent[index], .ack = &c->acks[index] };

	old.since = (uint16_t)((uint16_t)c->deliver[cpu].packets - (uint16_t)old.ack->latest);
	if ((int16_t)old.since < 0)
		old.since = 0;
	return old;
}

static bool is_busy(const struct old_cpu *old)
{
	return old->sent->packets - (old->ack->latest >> SLUICE_ACK_SHIFT) > old->since;
}

static enum drained drained(const struct cpus *c, const struct sluice_place *place,
			    const struct old_cpu *old)
{
	const uint32_t gap = c->p.config.gap_ticks ? c->p.config.gap_ticks : c->p.hz / 10;
	const uint32_t idle = ticks_now(c) - place->ticks;

	if (idle > gap * (old->ack->latest ? SLUICE_GAP_ACKED : 1))
		return DRAINED_BY_GAP;
	if (old->ack->latest >> SLUICE_ACK_SHIFT < place->seq)
		return DRAINED_NOT;
	if (!is_busy(old) && c->now_ns - old->ack->seen_ns >= SLUICE_SETTLE_NS)
		return DRAINED_BY_ACK;
	if (c->p.settle_pkts > SLUICE_BATCH_PKTS && c->p.hz >= 1000 && idle < 2)
		return DRAINED_NOT;
	if (old->ack->safe >= place->seq || old->since >= c->p.settle_pkts)
		return DRAINED_BY_ACK;
	return DRAINED_NOT;
}

static void move(struct cpus *c, struct sluice_place *place, uint8_t want1, uint16_t rxq)
{
	struct sluice_steer_stats *stats = &c->steer_stats[rxq];
	struct old_cpu old;
	enum drained how;

	if (place->cpu1 == want1) {
		stats->moves_cancelled++;
		place->flags = 0;
		return;
	}
	if (!place->cpu1) {
		place->cpu1 = want1;
		place->rxq = rxq;
		place->flags = 0;
		return;
	}
	if (!(place->flags & SLUICE_PLACE_PENDING)) {
		stats->moves_begun++;
		place->flags |= SLUICE_PLACE_PENDING;
	}
	old = look_at(c, place);
	how = drained(c, place, &old);
	if (how == DRAINED_NOT) {
		if (!(c->p.config.flags & SLUICE_STEER_F_NO_HOLD))
			return;
		stats->moves_cancelled++;
		stats->moves_forced++;
	} else {
		stats->moves_completed++;
		if (how == DRAINED_BY_GAP)
			stats->moves_by_gap++;
		else if (is_busy(&old))
			stats->moves_busy++;
	}
	place->cpu1 = want1;
	place->flags = 0;
}

void steer_settle(struct cpus *c, struct sluice_place *place, uint8_t want1, uint16_t rxq)
{
	if (place->cpu1 != want1 || place->flags)
		move(c, place, want1, rxq);
}

/* --- buckets and flows ---------------------------------------------------------- */

static uint8_t bucket_want1(struct cpus *c, uint32_t bucket, uint16_t rxq)
{
	const struct sluice_bucket *b = &c->bucket[bucket];

	if ((b->flags & (SLUICE_BUCKET_F_LEARNED | SLUICE_BUCKET_F_HOLD)) ==
	    SLUICE_BUCKET_F_LEARNED) {
		if (lease_runs(c))
			return (uint8_t)(b->learned_cpu + 1);
		c->steer_stats[rxq].lapsed++;
	}
	return b->flags & SLUICE_BUCKET_F_BASELINE ? (uint8_t)(b->cpu + 1) : 0;
}

struct sluice_bucket_state *steer_bucket(struct cpus *c, uint32_t bucket, uint16_t rxq)
{
	struct sluice_bucket_state *b = &c->bucket_state[(size_t)rxq * SLUICE_BUCKETS + bucket];

	steer_settle(c, &b->place, bucket_want1(c, bucket, rxq), rxq);
	return b;
}

/* A sampled miss: an entry for a flow that was sampled before. */
static void missed(struct cpus *c, const struct cpus_packet *p, struct cpus_flow *f)
{
	struct sluice_steer_stats *stats = &c->steer_stats[p->rxq];
	uint32_t *candidate;

	if (!(c->p.config.flags & SLUICE_STEER_F_ADMIT))
		return;
	candidate = &c->candidates[(size_t)p->rxq * SLUICE_CANDIDATES + p->id % SLUICE_CANDIDATES];
	if (*candidate != p->id) {
		*candidate = p->id;
		return;
	}
	*candidate = 0;
	c->flows_used = true;
	if (c->n_entries == c->p.entries) {
		stats->admit_failed++;
		return;
	}
	c->n_entries++;
	stats->admitted++;
	f->entry = true;
	f->f = (struct sluice_flow){
		.assign = place_admitted(c, p),
		.packets = 1, .bytes = p->bytes, .ticks = ticks_now(c),
		.born_ticks = ticks_now(c), .report_at = c->p.config.report_packets,
	};
}

static void report(struct cpus *c, const struct cpus_packet *p, struct cpus_flow *f)
{
	if (!c->p.config.report_packets || f->f.packets < f->f.report_at)
		return;
	f->f.report_at = f->f.packets + c->p.config.report_packets;
	if (c->n_heavy == HEAVY_MAX) {
		c->steer_stats[p->rxq].announce_failed++;
		return;
	}
	c->heavy[c->n_heavy++] = (struct cpus_heavy){ p->flow, p->id, p->bucket };
	c->steer_stats[p->rxq].announced++;
}

/* Where the flow of an entry goes: its own place, settled, or NULL for its bucket's. */
struct sluice_place *steer_entry(struct cpus *c, uint32_t bucket, uint16_t rxq,
				 struct sluice_flow *f)
{
	const struct sluice_assign a = f->assign;
	struct sluice_bucket_state *b;
	uint16_t flags = a.flags;
	uint8_t want1 = (uint8_t)(a.cpu + 1);

	if (!(flags & SLUICE_FLOW_OPERATOR) && flags & SLUICE_FLOW_LEARNED && !lease_runs(c)) {
		c->steer_stats[rxq].lapsed++;
		flags = 0;
	}
	if (!flags && !f->place.cpu1)
		return NULL;
	if (!flags || !f->place.cpu1) {
		b = steer_bucket(c, bucket, rxq);
		if (!flags)
			want1 = b->place.cpu1;
		if (!f->place.cpu1) {
			f->place = b->place;
			f->place.flags = 0;
			f->place.rxq = rxq;
		}
	}
	steer_settle(c, &f->place, want1, rxq);
	if (flags || f->place.cpu1 != want1)
		return &f->place;
	f->place.cpu1 = 0;
	return NULL;
}

static struct sluice_place *flow_place(struct cpus *c, const struct cpus_packet *p,
				       struct cpus_flow *f, double *ns)
{
	if (!f->entry) {
		struct sluice_steer_stats *stats = &c->steer_stats[p->rxq];

		if (c->flows_used)
			*ns += c->p.costs.miss_ns;
		if (!(stats->flow_misses++ & c->p.config.announce_mask))
			missed(c, p, f);
		return NULL;
	}
	*ns += c->p.costs.flow_ns;
	report(c, p, f);
	f->f.packets++;
	f->f.bytes += p->bytes;
	f->f.ticks = ticks_now(c);
	return steer_entry(c, p->bucket, p->rxq, &f->f);
}

static bool uses_flows(const struct cpus *c)
{
	return c->flows_used || c->p.config.flags & SLUICE_STEER_F_ADMIT;
}

uint8_t steer_packet(struct cpus *c, struct cpus_packet *p, double *ns)
{
	struct cpus_flow *f = &c->flow[p->flow];
	struct sluice_place *place = NULL;
	struct sluice_bucket_state *b;
	struct sluice_counter *out;
	int cpu;

	*ns += c->p.costs.steer_ns;
	if (f->id == p->id) {
		if (c->placer && !f->seen) {
			cpu = c->placer(c->placer_data, c, p->bucket);
			if (cpu >= 0)
				cpus_flow_assign(c, p->flow, p->id, (unsigned int)cpu,
						 SLUICE_FLOW_OPERATOR);
		}
		f->seen = true;
		if (uses_flows(c))
			place = flow_place(c, p, f, ns);
	}
	if (!place) {
		b = steer_bucket(c, p->bucket, p->rxq);
		place = &b->place;
		if (place->cpu1) {
			b->packets++;
			b->bytes += p->bytes;
		}
	}
	if (!place->cpu1)
		return 0;
	out = &c->sent[(size_t)p->rxq * SLUICE_MAX_CPUS + place->cpu1 - 1];
	out->packets++;
	out->bytes += p->bytes;
	place->seq = out->packets;
	place->ticks = ticks_now(c);
	p->seq = out->packets;
	if (c->p.config.flags & SLUICE_STEER_F_SAMPLE &&
	    !(out->packets & c->p.config.sample_mask)) {
		p->sent_ns = c->now_ns;
		c->steer_stats[p->rxq].sampled++;
	}
	p->meta = p->sent_ns || place->flags;
	return place->cpu1;
}

static void acknowledge(struct cpus *c, unsigned int cpu, const struct cpus_packet *p)
{
	struct sluice_ack *a = &c->acks[(size_t)p->rxq * SLUICE_MAX_CPUS + cpu];
	const uint64_t packets = c->deliver[cpu].packets;

	if (packets - a->mark_packets >= c->p.settle_pkts) {
		a->safe = a->mark_seq;
		a->mark_seq = p->seq;
		a->mark_packets = packets;
	}
	a->seen_ns = c->now_ns;
	a->latest = SLUICE_ACK(p->seq, packets);
}

void steer_delivered(struct cpus *c, unsigned int cpu, const struct cpus_packet *p)
{
	struct sluice_deliver *d = &c->deliver[cpu];
	uint64_t wait;
	unsigned int slot;

	d->packets++;
	d->bytes += p->bytes;
	if (!p->meta)
		return;
	acknowledge(c, cpu, p);
	if (!p->sent_ns)
		return;
	wait = c->now_ns - p->sent_ns;
	slot = wait ? 63 - (unsigned int)__builtin_clzll(wait) : 0;
	d->wait_samples++;
	d->wait_sum_ns += wait;
	d->wait_hist[slot < SLUICE_HIST_SLOTS ? slot : SLUICE_HIST_SLOTS - 1]++;
}

/* --- what the daemon writes ------------------------------------------------------ */

void cpus_lease(struct cpus *c, uint64_t ns)
{
	c->lease_end_ns = ns ? c->now_ns + ns : 0;
}

void cpus_bucket_baseline(struct cpus *c, unsigned int bucket, int cpu)
{
	struct sluice_bucket *b = &c->bucket[bucket];

	if (cpu < 0) {
		b->flags &= ~SLUICE_BUCKET_F_BASELINE;
		return;
	}
	b->cpu = (uint16_t)cpu;
	b->flags |= SLUICE_BUCKET_F_BASELINE;
}

void cpus_bucket_learned(struct cpus *c, unsigned int bucket, int cpu)
{
	struct sluice_bucket *b = &c->bucket[bucket];

	if (cpu < 0) {
		b->flags &= ~SLUICE_BUCKET_F_LEARNED;
		return;
	}
	b->learned_cpu = (uint16_t)cpu;
	b->flags |= SLUICE_BUCKET_F_LEARNED;
}

void cpus_bucket_hold(struct cpus *c, unsigned int bucket, bool hold)
{
	if (hold)
		c->bucket[bucket].flags |= SLUICE_BUCKET_F_HOLD;
	else
		c->bucket[bucket].flags &= ~SLUICE_BUCKET_F_HOLD;
}

static struct cpus_flow *find(const struct cpus *c, uint32_t flow, uint32_t id)
{
	return flow < c->n_flows && c->flow[flow].id == id && id ? &c->flow[flow] : NULL;
}

int cpus_flow_assign(struct cpus *c, uint32_t flow, uint32_t id, unsigned int cpu, uint16_t flags)
{
	struct cpus_flow *f = find(c, flow, id);

	if (!f)
		return -ESTALE;
	if (cpu >= c->p.n_cpus)
		return -EINVAL;
	if (!f->entry) {
		if (c->n_entries == c->p.entries)
			return -ENOSPC;
		c->n_entries++;
		c->flows_used = true;
		f->entry = true;
		f->f = (struct sluice_flow){
			.ticks = ticks_now(c), .born_ticks = ticks_now(c),
			.report_at = c->p.config.report_packets,
		};
	}
	f->f.assign = (struct sluice_assign){ .cpu = (uint16_t)cpu, .flags = flags };
	return 0;
}

/*
 * As steer_ctl has it: an entry with a place may go only when that has drained; until then it
 * counts.
 */
static void delete(struct cpus *c, struct cpus_flow *f)
{
	const uint32_t gap = c->p.config.gap_ticks ? c->p.config.gap_ticks : c->p.hz / 10;

	f->f.assign.flags = 0;
	if (f->f.place.cpu1 && ticks_now(c) - f->f.ticks <= gap)
		return;
	f->entry = false;
	c->n_entries--;
}

void cpus_flow_delete(struct cpus *c, uint32_t flow, uint32_t id)
{
	struct cpus_flow *f = find(c, flow, id);

	if (f && f->entry)
		delete(c, f);
}

int cpus_flow_get(const struct cpus *c, uint32_t flow, uint32_t id, struct sluice_flow *out)
{
	const struct cpus_flow *f = find(c, flow, id);

	if (!f || !f->entry)
		return -ENOENT;
	*out = f->f;
	return 0;
}

void cpus_flow_age(struct cpus *c, uint64_t idle_ns, uint32_t max)
{
	const uint32_t idle = (uint32_t)(idle_ns / c->tick_ns);

	for (uint32_t i = 0; i < max && i < c->n_flows; i++) {
		struct cpus_flow *f = &c->flow[c->ageing++ % c->n_flows];

		if (f->entry && (!f->f.assign.flags || f->f.assign.flags & SLUICE_FLOW_TREE) &&
		    ticks_now(c) - f->f.ticks > idle)
			delete(c, f);
	}
}

void cpus_heavy_drain(struct cpus *c, void (*each)(const struct cpus_heavy *, void *), void *data)
{
	for (uint32_t i = 0; i < c->n_heavy; i++)
		each(&c->heavy[i], data);
	c->n_heavy = 0;
}

void cpus_snapshot(const struct cpus *c, struct steer_snapshot *out)
{
	memset(out, 0, sizeof(*out));
	out->time_ns = c->now_ns;
	out->attached = c->p.steer;
	out->jiffies = c->now_ns / c->tick_ns;
	out->control.flows_used = c->flows_used;
	if (c->lease_end_ns)	/* rounded up: it runs for as long as c->lease_end_ns says */
		out->control.expires_jiffies = (c->lease_end_ns + c->tick_ns - 1) / c->tick_ns;
	memcpy(out->bucket_target, c->bucket, sizeof(out->bucket_target));
	memcpy(out->deliver, c->deliver, sizeof(out->deliver));
	for (unsigned int q = 0; q < c->p.n_rxqs; q++) {
		const struct sluice_bucket_state *b = &c->bucket_state[(size_t)q * SLUICE_BUCKETS];
		const struct sluice_counter *s = &c->sent[(size_t)q * SLUICE_MAX_CPUS];
		/* All of its members are counters of 64 bits. */
		const uint64_t *from = (const uint64_t *)&c->steer_stats[q];
		uint64_t *to = (uint64_t *)&out->stats;

		for (unsigned int i = 0; i < SLUICE_BUCKETS; i++) {
			out->bucket[i].packets += b[i].packets;
			out->bucket[i].bytes += b[i].bytes;
		}
		for (unsigned int i = 0; i < c->p.n_cpus; i++) {
			out->cpu[i].packets += s[i].packets;
			out->cpu[i].bytes += s[i].bytes;
			out->seen += s[i].packets;
		}
		for (unsigned int i = 0; i < sizeof(out->stats) / sizeof(*to); i++)
			to[i] += from[i];
	}
	for (unsigned int i = 0; i < c->p.n_cpus; i++)
		out->target[i] = c->p.steer;
}
