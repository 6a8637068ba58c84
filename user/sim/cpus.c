// SPDX-License-Identifier: GPL-2.0
/* Who works when; see cpus.h. */
#include "sim/cpus_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NEVER	UINT64_MAX

void cpus_params_default(struct cpus_params *p)
{
	*p = (struct cpus_params) {
		.n_cpus = 4,
		.n_rxqs = 4,
		.rx_ring_pkts = 1024,
		.ring_pkts = SLUICE_CPUMAP_QSIZE,
		.costs = {
#define X(name, value, text) .name##_ns = value,
			CPUS_COSTS(X)
#undef X
		},
		.steer = true,
		.config = {
			.flags = SLUICE_STEER_F_SAMPLE | SLUICE_STEER_F_ADMIT,
			.sample_mask = 63,
			.announce_mask = 63,
			.report_packets = 1024,
		},
		.hz = 1000,
		.settle_pkts = SLUICE_BATCH_PKTS,
		.entries = SLUICE_FLOWS_DEFAULT,
	};
	for (unsigned int i = 0; i < SLUICE_MAX_CPUS; i++)
		p->speed[i] = 1;
	for (unsigned int i = 0; i < CPUS_RSS_SLOTS; i++)
		p->rss_table[i] = (uint8_t)(i % p->n_rxqs);
}

double cpus_packet_ns(const struct cpus_params *p, double bytes)
{
	const struct cpus_costs *k = &p->costs;

	return k->rx_ns + k->stack_ns + k->stack_ns_per_byte * bytes +
	       (p->steer ? k->steer_ns + k->send_ns + k->take_ns : 0);
}

/* --- when -------------------------------------------------------------------- */

static void set_due(struct cpus *c, unsigned int cpu, uint64_t at_ns)
{
	unsigned int i = (c->leaves + cpu) / 2;

	c->due_ns[cpu] = at_ns;
	for (; i; i /= 2) {
		const uint8_t a = c->tree[2 * i], b = c->tree[2 * i + 1];

		c->tree[i] = c->due_ns[b] < c->due_ns[a] ? b : a;
	}
}

static void make_tree(struct cpus *c)
{
	for (c->leaves = 1; c->leaves < c->p.n_cpus; c->leaves *= 2)
		;
	for (unsigned int i = 0; i < SLUICE_MAX_CPUS; i++)
		c->due_ns[i] = NEVER;
	for (unsigned int i = 0; i < c->leaves; i++)
		c->tree[c->leaves + i] = (uint8_t)i;
	for (unsigned int i = 0; i < c->leaves; i++)
		set_due(c, i, NEVER);
}

/* --- rings ------------------------------------------------------------------- */

static int ring_new(struct cpus_ring *r, uint32_t limit)
{
	uint32_t room = 1;

	while (room < limit)
		room *= 2;
	r->packet = malloc(room * sizeof(*r->packet));
	r->limit = limit;
	r->mask = room - 1;
	return r->packet ? 0 : -ENOMEM;
}

static bool ring_put(struct cpus_ring *r, const struct cpus_packet *p)
{
	if (r->n == r->limit)
		return false;
	r->packet[(r->head + r->n++) & r->mask] = *p;
	return true;
}

static void ring_take(struct cpus_ring *r, struct cpus_packet *p)
{
	*p = r->packet[r->head];
	r->head = (r->head + 1) & r->mask;
	r->n--;
}

/* --- what a CPU does ---------------------------------------------------------- */

static void start_in(struct cpus *c, unsigned int cpu, double delay_ns)
{
	c->cpu[cpu].doing = STARTING;
	set_due(c, cpu, c->now_ns + (uint64_t)delay_ns);
}

/* Begins something that takes so long. */
static void work(struct cpus *c, unsigned int cpu, enum doing doing, double ns)
{
	struct cpus_cpu *u = &c->cpu[cpu];
	const uint64_t took = (uint64_t)(ns * u->slow + 0.5);

	u->doing = doing;
	c->busy_ns[cpu] += took;
	if (doing == POLLING) {
		c->softirq_ns[cpu] += took;
		u->softirq_lead_ns = u->ring.n ? u->softirq_lead_ns + (int64_t)took : 0;
	} else {
		u->softirq_lead_ns -= (int64_t)took;
		if (u->softirq_lead_ns < 0)
			u->softirq_lead_ns = 0;
	}
	set_due(c, cpu, c->now_ns + took);
}

static double stack_ns(struct cpus *c, unsigned int cpu, const struct cpus_packet *p)
{
	const struct cpus_costs *k = &c->p.costs;
	struct cpus_flow *f = &c->flow[p->flow];
	double ns = (k->stack_ns + k->stack_ns_per_byte * p->bytes) * (double)p->work;

	if (f->id != p->id || f->cpu1 == cpu + 1)
		return ns;
	if (f->cpu1) {
		c->stats.cold++;
		ns += k->moved_ns;
	}
	f->cpu1 = (uint8_t)(cpu + 1);
	return ns;
}

static unsigned int slot_of(uint64_t v)
{
	unsigned int msb;

	if (v < 16)
		return (unsigned int)v;
	msb = 63 - (unsigned int)__builtin_clzll(v);
	return (msb - 3) * 16 + (v >> (msb - 4) & 15);
}

/* Through the stack. */
static void deliver(struct cpus *c, const struct cpus_packet *p)
{
	const uint64_t took = c->now_ns - p->arrived_ns;
	struct cpus_flow *f = &c->flow[p->flow];

	c->inside--;
	c->stats.delivered++;
	c->stats.sojourn_sum_ns += (double)took;
	c->stats.sojourn_hist[slot_of(took)]++;
	if (f->id != p->id)
		return;
	if ((int32_t)(p->order - f->delivered) < 0)
		c->stats.reordered++;
	else
		f->delivered = p->order;
}

/* Of a bulk, what fits goes into the ring; whoever sleeps there is woken. */
static void flush(struct cpus *c, unsigned int from, unsigned int to)
{
	struct cpus_bulk *b = &c->bulks[from * c->p.n_cpus + to];
	struct cpus_cpu *u = &c->cpu[to];

	for (uint32_t i = 0; i < b->n; i++)
		if (!ring_put(&u->ring, &b->packet[i])) {
			c->stats.ring_drops++;
			c->ring_drops[to]++;
			c->inside--;
		}
	u->coming -= b->n;
	b->n = 0;
	c->cpu[from].sending--;
	if (u->doing == IDLE && to != from)
		start_in(c, to, c->p.costs.wake_ns);
}

static void flush_all(struct cpus *c, unsigned int from)
{
	for (unsigned int to = 0; c->cpu[from].sending; to++)
		if (c->bulks[from * c->p.n_cpus + to].n)
			flush(c, from, to);
}

static void send(struct cpus *c, unsigned int from, unsigned int to)
{
	struct cpus_bulk *b = &c->bulks[from * c->p.n_cpus + to];

	c->cpu[from].sending += !b->n;
	c->cpu[to].coming++;
	b->packet[b->n++] = c->cpu[from].at_hand;
	if (b->n == SLUICE_BATCH_PKTS)
		flush(c, from, to);
}

/* The next packet of the queue that is polled. */
static void poll_one(struct cpus *c, unsigned int cpu)
{
	struct cpus_cpu *u = &c->cpu[cpu];
	double ns = c->p.costs.rx_ns;

	ring_take(&c->rx[u->rxq], &u->at_hand);
	u->poll_left--;
	u->target1 = 0;
	if (c->p.steer)
		u->target1 = steer_packet(c, &u->at_hand, &ns);
	ns += u->target1 ? c->p.costs.send_ns : stack_ns(c, cpu, &u->at_hand);
	work(c, cpu, POLLING, ns);
}

static void serve_one(struct cpus *c, unsigned int cpu)
{
	struct cpus_cpu *u = &c->cpu[cpu];

	work(c, cpu, SERVING, c->p.costs.take_ns + stack_ns(c, cpu, &u->bulk[u->bulk_i]));
}

/* A queue of this CPU that has packets, the one after its latest first; -1. */
static int queue_to_poll(const struct cpus *c, unsigned int cpu)
{
	const unsigned int n = c->p.n_rxqs, step = c->p.n_cpus;
	unsigned int q = c->cpu[cpu].rxq;

	if (cpu >= n)
		return -1;
	for (unsigned int i = 0; i * step + cpu < n; i++) {
		q += step;
		if (q >= n)
			q = cpu;
		if (c->rx[q].n)
			return (int)q;
	}
	return -1;
}

static void choose(struct cpus *c, unsigned int cpu)
{
	struct cpus_cpu *u = &c->cpu[cpu];
	const int q = queue_to_poll(c, cpu);

	if (q >= 0 && !(u->ring.n && u->softirq_lead_ns > SOFTIRQ_LIMIT_NS)) {
		u->rxq = (uint16_t)q;
		u->poll_left = POLL_PKTS;
		poll_one(c, cpu);
	} else if (u->ring.n) {
		u->bulk_n = u->ring.n < SLUICE_BATCH_PKTS ? u->ring.n : SLUICE_BATCH_PKTS;
		u->bulk_i = 0;
		for (uint32_t i = 0; i < u->bulk_n; i++) {
			ring_take(&u->ring, &u->bulk[i]);
			steer_delivered(c, cpu, &u->bulk[i]);
		}
		serve_one(c, cpu);
	} else {
		u->doing = IDLE;
		u->softirq_lead_ns = 0;
		set_due(c, cpu, NEVER);
	}
}

static void done(struct cpus *c, unsigned int cpu)
{
	struct cpus_cpu *u = &c->cpu[cpu];

	switch (u->doing) {
	case POLLING:
		c->stats.events++;
		if (u->target1) {
			send(c, cpu, u->target1 - 1);
		} else {
			c->stats.passed++;
			deliver(c, &u->at_hand);
		}
		if (u->poll_left && c->rx[u->rxq].n)
			return poll_one(c, cpu);
		flush_all(c, cpu);
		break;
	case SERVING:
		c->stats.events++;
		deliver(c, &u->bulk[u->bulk_i]);
		if (++u->bulk_i < u->bulk_n)
			return serve_one(c, cpu);
		break;
	case IDLE:
	case STARTING:
		break;
	}
	choose(c, cpu);
}

/* --- arrivals ----------------------------------------------------------------- */

static int known_flow(struct cpus *c, uint32_t flow)
{
	uint32_t room = c->room_flows ? c->room_flows : 1024;
	struct cpus_flow *more;

	if (flow < c->n_flows)
		return 0;
	while (room <= flow)
		room *= 2;
	if (room > c->room_flows) {
		more = realloc(c->flow, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		c->flow = more;
		c->room_flows = room;
	}
	memset(c->flow + c->n_flows, 0, (flow + 1 - c->n_flows) * sizeof(*c->flow));
	c->n_flows = flow + 1;
	return 0;
}

static int arrive(struct cpus *c)
{
	const struct cpus_arrival *a = &c->next;
	const uint16_t rxq = c->p.rss_table[a->rss_hash % CPUS_RSS_SLOTS];
	const unsigned int cpu = rxq % c->p.n_cpus;
	struct cpus_flow *f;
	struct cpus_packet p;

	if (known_flow(c, a->flow))
		return -ENOMEM;
	f = &c->flow[a->flow];
	if (f->id != a->id) {
		c->n_entries -= f->entry;
		*f = (struct cpus_flow){ .id = a->id };
	}
	p = (struct cpus_packet){
		.arrived_ns = a->time_ns, .flow = a->flow, .id = a->id, .order = ++f->sent,
		.bytes = a->bytes, .bucket = a->bucket, .hash = a->hash, .work = a->work,
		.rxq = rxq,
	};
	c->stats.events++;
	c->stats.arrived++;
	c->stats.digest = (c->stats.digest ^ a->time_ns ^ (uint64_t)a->id << 40 ^ a->bytes) *
			  0x9e3779b97f4a7c15ULL;
	if (ring_put(&c->rx[rxq], &p))
		c->inside++;
	else
		c->stats.rx_drops++;
	if (c->cpu[cpu].doing == IDLE)
		start_in(c, cpu, c->p.costs.irq_ns);
	return cpus_traffic_next(c->traffic, &c->next);
}

int cpus_run(struct cpus *c, uint64_t until_ns)
{
	int r;

	for (;;) {
		const unsigned int cpu = c->tree[1];

		if (c->due_ns[cpu] <= c->next.time_ns) {
			if (c->due_ns[cpu] > until_ns)
				break;
			c->now_ns = c->due_ns[cpu];
			done(c, cpu);
			continue;
		}
		if (c->next.time_ns > until_ns)
			break;
		c->now_ns = c->next.time_ns;
		r = arrive(c);
		if (r)
			return r;
	}
	if (until_ns > c->now_ns)
		c->now_ns = until_ns;
	return 0;
}

/* --- making one, reading it ---------------------------------------------------- */

static int check(const struct cpus_params *p, struct sl_err *e)
{
	if (p->n_cpus < 1 || p->n_cpus > SLUICE_MAX_CPUS || p->n_rxqs < 1 ||
	    p->n_rxqs > SLUICE_RXQS)
		return sl_err(e, -EINVAL, "CPUs must be 1 to %d, RX queues 1 to %d",
			      SLUICE_MAX_CPUS, SLUICE_RXQS);
	if (p->rx_ring_pkts < 1 || p->ring_pkts < SLUICE_BATCH_PKTS || p->rx_ring_pkts > 1u << 20 ||
	    p->ring_pkts > 1u << 20)
		return sl_err(e, -EINVAL, "rings must hold up to a million packets, a CPU's %d at "
			      "least", SLUICE_BATCH_PKTS);
	for (unsigned int i = 0; i < p->n_cpus; i++)
		if (!(p->speed[i] >= 0.001 && p->speed[i] <= 1000))
			return sl_err(e, -EINVAL, "the speed of CPU %u must be 0.001 to 1000", i);
	for (unsigned int i = 0; i < CPUS_RSS_SLOTS; i++)
		if (p->rss_table[i] >= p->n_rxqs)
			return sl_err(e, -EINVAL, "the RSS table names queue %u, there are %u",
				      p->rss_table[i], p->n_rxqs);
#define X(name, value, text)							\
	if (!(p->costs.name##_ns >= 0 && p->costs.name##_ns <= 1e9))		\
		return sl_err(e, -EINVAL, "the cost " #name " must be 0 to 1e9 ns");
	CPUS_COSTS(X)
#undef X
	if (!(p->costs.stack_ns_per_byte >= 0 && p->costs.stack_ns_per_byte <= 1e6))
		return sl_err(e, -EINVAL, "the cost of a byte must be 0 to 1e6 ns");
	if (p->hz < 10 || p->hz > 10000)
		return sl_err(e, -EINVAL, "hz must be 10 to 10000");
	return 0;
}

int cpus_new(const struct cpus_params *p, struct cpus_traffic *t, struct cpus **ret,
	     struct sl_err *e)
{
	struct cpus *c;
	int r = check(p, e);

	if (r) {
		cpus_traffic_free(t);
		return r;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		cpus_traffic_free(t);
		return sl_err(e, -ENOMEM, "out of memory");
	}
	c->p = *p;
	c->tick_ns = 1000000000 / p->hz;
	c->traffic = t;
	c->rx = calloc(p->n_rxqs, sizeof(*c->rx));
	c->bulks = calloc((size_t)p->n_cpus * p->n_cpus, sizeof(*c->bulks));
	r = c->rx && c->bulks ? steer_tables_new(c) : -ENOMEM;
	for (unsigned int i = 0; i < p->n_rxqs && !r; i++)
		r = ring_new(&c->rx[i], p->rx_ring_pkts);
	for (unsigned int i = 0; i < p->n_cpus && !r; i++) {
		r = ring_new(&c->cpu[i].ring, p->ring_pkts);
		c->cpu[i].slow = 1 / p->speed[i];
		c->cpu[i].rxq = (uint16_t)i;
	}
	make_tree(c);
	if (!r)
		r = cpus_traffic_next(t, &c->next);
	if (r) {
		cpus_free(c);
		return sl_err(e, r, "out of memory");
	}
	*ret = c;
	return 0;
}

void cpus_free(struct cpus *c)
{
	if (!c)
		return;
	for (unsigned int i = 0; c->rx && i < c->p.n_rxqs; i++)
		free(c->rx[i].packet);
	for (unsigned int i = 0; i < c->p.n_cpus; i++)
		free(c->cpu[i].ring.packet);
	steer_tables_free(c);
	free(c->place);
	cpus_traffic_free(c->traffic);
	free(c->rx);
	free(c->bulks);
	free(c->flow);
	free(c);
}

uint64_t cpus_now_ns(const struct cpus *c)
{
	return c->now_ns;
}

unsigned int cpus_count(const struct cpus *c)
{
	return c->p.n_cpus;
}

const struct cpus_traffic *cpus_arrivals(const struct cpus *c)
{
	return c->traffic;
}

uint32_t cpus_backlog(const struct cpus *c, unsigned int cpu)
{
	const struct cpus_cpu *u = &c->cpu[cpu];

	return u->ring.n + u->coming + (u->doing == SERVING ? u->bulk_n - u->bulk_i : 0);
}

void cpus_set_placer(struct cpus *c, cpus_placer *placer, void *data)
{
	c->placer = placer;
	c->placer_data = data;
}

static void own_time(const struct cpus *c, struct cpus_stats *s, int sign)
{
	for (unsigned int i = 0; i < c->p.n_cpus; i++) {
		s->busy_ns[i] += (uint64_t)sign * c->busy_ns[i];
		s->softirq_ns[i] += (uint64_t)sign * c->softirq_ns[i];
	}
}

void cpus_read(const struct cpus *c, struct cpus_stats *out)
{
	*out = c->stats;
	out->time_ns = c->now_ns - c->reset_ns;
	out->inside = c->inside;
	own_time(c, out, 1);
}

void cpus_reset(struct cpus *c)
{
	c->stats = (struct cpus_stats){ .digest = c->stats.digest };
	c->reset_ns = c->now_ns;
	own_time(c, &c->stats, -1);
}

double cpus_sojourn_quantile(const struct cpus_stats *s, double q, double dropped_ns)
{
	const double dropped = (double)(s->rx_drops + s->ring_drops);
	const double rank = q * ((double)s->delivered + dropped);
	double seen = 0, left = dropped;

	if (!s->delivered && !(dropped > 0))
		return -1;
	for (unsigned int i = 0; i < CPUS_HIST; i++) {
		const double n = (double)s->sojourn_hist[i];
		const double width = i < 16 ? 1 : (double)(1ULL << (i / 16 - 1));
		const double low = i < 16 ? i : (16 + i % 16) * width;

		if (left > 0 && low >= dropped_ns) {
			seen += left;
			left = 0;
			if (seen >= rank)
				return dropped_ns;
		}
		if (n > 0 && seen + n >= rank)
			return low + width * (rank > seen ? (rank - seen) / n : 0);
		seen += n;
	}
	return dropped_ns;
}

void cpus_procstat(const struct cpus *c, struct procstat *out)
{
	memset(out, 0, sizeof(*out));
	out->n_cpus = c->p.n_cpus;
	/* Clock ticks of 10 ms, whole ones, as /proc/stat has them. */
	for (unsigned int i = 0; i < c->p.n_cpus; i++)
		out->cpu[i] = (struct procstat_cpu){
			.online = true,
			.busy = c->busy_ns[i] / 10000000,
			.softirq = c->softirq_ns[i] / 10000000,
			.total = c->now_ns / 10000000,
		};
}
