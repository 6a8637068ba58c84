// SPDX-License-Identifier: GPL-2.0
/*
 * sluice flow where: what happens to the packets of a flow, from what the NIC and the maps say
 * now. Both directions, since the bucket is the same for both and the receive queue is not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sluice/hash.h>

#include "cli/cli.h"
#include "lib/netdev.h"
#include "lib/rss.h"
#include "lib/steer.h"

/* The CPU of a flow or bucket, by the precedence of the contract. */
struct target {
	int cpu;		/* -1: none */
	const char *source;
};

struct direction {
	struct sluice_flow_key key;
	char text[128];
	__u32 bucket;
	bool has_entry;
	struct sluice_flow entry;
	bool placed;		/* else no_place says why */
	struct rss_place place;
	struct sl_err no_place;
	struct target to;	/* where its packets go */
};

struct where {
	const char *dev;
	bool steered;		/* else no_steer says why */
	struct sl_err no_steer;
	bool leased;
	struct direction dir[2];	/* as given, and back */
};

static struct target bucket_target(const struct sluice_bucket *b, bool leased)
{
	if ((b->flags & SLUICE_BUCKET_F_LEARNED) && !(b->flags & SLUICE_BUCKET_F_HOLD) && leased)
		return (struct target){ b->learned_cpu, "learned" };
	if (b->flags & SLUICE_BUCKET_F_BASELINE)
		return (struct target){ b->cpu, b->flags & SLUICE_BUCKET_F_HOLD ? "hold" :
								"baseline" };
	return (struct target){ -1, "empty" };
}

static struct target flow_target(const struct direction *d, const struct sluice_bucket *b,
				 bool leased)
{
	if (d->has_entry && (d->entry.flags & SLUICE_FLOW_OPERATOR))
		return (struct target){ d->entry.cpu, "operator's flow entry" };
	if (d->has_entry && (d->entry.flags & SLUICE_FLOW_LEARNED) && leased)
		return (struct target){ d->entry.cpu, "learned flow entry" };
	return bucket_target(b, leased);
}

static void reverse(const struct sluice_flow_key *key, struct sluice_flow_key *ret)
{
	*ret = *key;
	memcpy(ret->saddr, key->daddr, sizeof(ret->saddr));
	memcpy(ret->daddr, key->saddr, sizeof(ret->daddr));
	ret->sport = key->dport;
	ret->dport = key->sport;
}

/* The NIC's part. */
static void look_at_rss(struct where *w)
{
	static struct rss rss;
	struct sl_err e;
	const int r = rss_read(w->dev, &rss, &e);

	for (int i = 0; i < 2; i++) {
		struct direction *d = &w->dir[i];

		d->no_place = e;
		d->placed = !r && !rss_place(&rss, &d->key, &d->place, &d->no_place);
	}
}

/* The maps' part; w->steered stays false when nothing of ours is on the interface. */
static void look_at_steering(struct where *w)
{
	static struct steer_snapshot snap;
	struct steer_flow *flows = NULL;
	struct steer *s;
	size_t n = 0;

	if (steer_adopt(w->dev, &s, &w->no_steer))
		return;
	if (!steer_read(s, &snap, &w->no_steer) &&
	    !steer_flow_list(s, &flows, &n, &w->no_steer)) {
		w->steered = true;
		w->leased = snap.lease.expires_jiffies > snap.jiffies;
	}
	steer_close(s);
	for (int i = 0; i < 2 && w->steered; i++) {
		struct direction *d = &w->dir[i];

		for (size_t j = 0; j < n && !d->has_entry; j++)
			if (!memcmp(&flows[j].key, &d->key, sizeof(d->key))) {
				d->has_entry = true;
				d->entry = flows[j].flow;
			}
		d->to = flow_target(d, &snap.bucket_target[d->bucket], w->leased);
		if (d->to.cpu >= 0 && (d->to.cpu >= SLUICE_MAX_CPUS || !snap.target[d->to.cpu]))
			d->to = (struct target){ -1, "not in the cpumap" };
	}
	free(flows);
}

static json_t *number_or_null(bool known, json_int_t value)
{
	return known ? json_integer(value) : json_null();
}

static json_t *direction_json(const struct where *w, const struct direction *d)
{
	json_t *flow = cli_flow_json(&d->key, d->entry.packets, d->entry.bytes, d->entry.cpu);
	char hash[16];

	/* Without an entry these would be numbers of nothing. */
	if (flow && !d->has_entry) {
		json_object_del(flow, "packets");
		json_object_del(flow, "bytes");
		json_object_del(flow, "cpu");
	}
	snprintf(hash, sizeof(hash), "0x%08x", d->place.hash);
	return json_pack("{s:o s:i s:b s:o s:o s:o s:o s:o s:o}", "flow", flow,
			 "bucket", (int)d->bucket, "entry", d->has_entry,
			 "cpu", number_or_null(w->steered && d->to.cpu >= 0, d->to.cpu),
			 "source", w->steered ? json_string(d->to.source) : json_null(),
			 "rss_hash", d->placed ? json_string(hash) : json_null(),
			 "rss_slot", number_or_null(d->placed, d->place.slot),
			 "rss_queue", number_or_null(d->placed, d->place.queue),
			 "rss_unknown", d->placed ? json_null() : json_string(d->no_place.text));
}

static int show_json(const struct where *w)
{
	return cli_print_json(json_pack("{s:s s:b s:o s:o s:o}", "dev", w->dev, "steered",
					w->steered, "not_steered",
					w->steered ? json_null() : json_string(w->no_steer.text),
					"forward", direction_json(w, &w->dir[0]),
					"reverse", direction_json(w, &w->dir[1])));
}

static void cpu_text(const struct where *w, const struct direction *d, char *buf, size_t size)
{
	if (!w->steered)
		snprintf(buf, size, "not steered");
	else if (d->to.cpu < 0)
		snprintf(buf, size, "as it arrives (%s)", d->to.source);
	else
		snprintf(buf, size, "%d (%s)", d->to.cpu, d->to.source);
}

static void entry_text(const struct where *w, const struct direction *d, char *buf, size_t size)
{
	const __u16 flags = d->entry.flags;

	if (!w->steered)
		snprintf(buf, size, "-");
	else if (!d->has_entry)
		snprintf(buf, size, "none");
	else if (flags & (SLUICE_FLOW_OPERATOR | SLUICE_FLOW_LEARNED))
		snprintf(buf, size, "cpu %u (%s)", d->entry.cpu,
			 flags & SLUICE_FLOW_OPERATOR ? "operator" :
			 w->leased ? "learned" : "learned, lease over");
	else
		snprintf(buf, size, "counts only");
}

static void rss_text(const struct direction *d, char *buf, size_t size)
{
	if (d->placed)
		snprintf(buf, size, "queue %u, slot %u, hash 0x%08x", d->place.queue,
			 d->place.slot, d->place.hash);
	else
		snprintf(buf, size, "unknown");
}

static void show_text(const struct where *w)
{
	char cpu[2][64], entry[2][64], rss[2][64], bucket[2][16];
	int width = 10;

	for (int i = 0; i < 2; i++) {
		const struct direction *d = &w->dir[i];

		snprintf(bucket[i], sizeof(bucket[i]), "%u", d->bucket);
		cpu_text(w, d, cpu[i], sizeof(cpu[i]));
		entry_text(w, d, entry[i], sizeof(entry[i]));
		rss_text(d, rss[i], sizeof(rss[i]));
	}
	const struct {
		const char *name, *forward, *back;
	} rows[] = {
		{ "flow", w->dir[0].text, w->dir[1].text },
		{ "nic rss", rss[0], rss[1] },
		{ "flow entry", entry[0], entry[1] },
		{ "bucket", bucket[0], bucket[1] },
		{ "cpu", cpu[0], cpu[1] },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((int)strlen(rows[i].forward) > width)
			width = strlen(rows[i].forward);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("%-10s  %-*s  %s\n", rows[i].name, width, rows[i].forward, rows[i].back);
	if (!w->dir[0].placed)
		printf("nic rss unknown: %s\n", w->dir[0].no_place.text);
	if (!w->steered)
		printf("not steered: %s\n", w->no_steer.text);
}

int cmd_where(struct cli *cli, int argc, char **argv)
{
	static struct where w;
	struct sl_err e;
	struct netdev dev;

	if (argc < 1)
		return cli_usage(cli, "no interface given");
	if (argc != 4)
		return cli_usage(cli, "a flow is needed");
	if (steer_flow_parse(argc - 1, argv + 1, &w.dir[0].key, &e) ||
	    netdev_get(argv[0], &dev, &e))
		return cli_fail_err(&e);
	w.dev = argv[0];
	reverse(&w.dir[0].key, &w.dir[1].key);
	for (int i = 0; i < 2; i++) {
		w.dir[i].bucket = sluice_bucket_of(&w.dir[i].key);
		steer_flow_format(&w.dir[i].key, w.dir[i].text, sizeof(w.dir[i].text));
	}
	look_at_rss(&w);
	look_at_steering(&w);
	if (cli->json)
		return show_json(&w);
	show_text(&w);
	return CLI_OK;
}
