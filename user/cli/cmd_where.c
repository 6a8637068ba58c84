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

/* What there is to know of an interface, read once. */
struct view {
	const char *dev;
	bool has_rss;		/* else no_rss says why */
	struct rss rss;
	struct sl_err no_rss;
	bool steered;		/* else no_steer says why */
	struct sl_err no_steer;
	bool leased;
	struct steer_snapshot snap;
	struct steer *steer;
};

struct where {
	struct direction dir[2];	/* as given, and back */
};

static struct target bucket_target(const struct sluice_bucket *b, bool leased)
{
	if ((b->flags & SLUICE_BUCKET_F_LEARNED) && !(b->flags & SLUICE_BUCKET_F_HOLD) && leased)
		return (struct target){ b->learned_cpu, "bucket-learned" };
	if (b->flags & SLUICE_BUCKET_F_BASELINE)
		return (struct target){ b->cpu, b->flags & SLUICE_BUCKET_F_HOLD ? "bucket-hold" :
								"bucket-baseline" };
	return (struct target){ -1, "bucket-empty" };
}

static struct target flow_target(const struct direction *d, const struct sluice_bucket *b,
				 bool leased)
{
	if (d->has_entry && (d->entry.assign.flags & SLUICE_FLOW_OPERATOR))
		return (struct target){ d->entry.assign.cpu, "flow-operator" };
	if (d->has_entry && (d->entry.assign.flags & SLUICE_FLOW_LEARNED) && leased)
		return (struct target){ d->entry.assign.cpu,
					d->entry.assign.flags & SLUICE_FLOW_TREE ? "flow-tree" :
										   "flow-learned" };
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

static void look_at(struct view *v, const char *dev)
{
	v->dev = dev;
	v->has_rss = !rss_read(dev, &v->rss, &v->no_rss);
	if (steer_adopt(dev, &v->steer, &v->no_steer))
		return;
	if (!steer_read(v->steer, &v->snap, &v->no_steer)) {
		v->steered = true;
		v->leased = v->snap.control.expires_jiffies > v->snap.jiffies;
	}
}

static void look_up(const struct view *v, struct direction *d)
{
	d->bucket = sluice_bucket_of(&d->key);
	steer_flow_format(&d->key, d->text, sizeof(d->text));
	d->no_place = v->no_rss;
	d->placed = v->has_rss && !rss_place(&v->rss, &d->key, &d->place, &d->no_place);
	if (!v->steered)
		return;
	d->has_entry = !steer_flow_get(v->steer, &d->key, &d->entry);
	d->to = flow_target(d, &v->snap.bucket_target[d->bucket], v->leased);
	if (d->to.cpu >= 0 && (d->to.cpu >= SLUICE_MAX_CPUS || !v->snap.target[d->to.cpu]))
		d->to = (struct target){ -1, "not-in-cpumap" };
}

static int look_up_flow(const struct view *v, int argc, char *const argv[], struct where *ret,
			struct sl_err *e)
{
	struct where w = { 0 };
	int r = steer_flow_parse(argc, argv, &w.dir[0].key, e);

	if (r)
		return r;
	reverse(&w.dir[0].key, &w.dir[1].key);
	look_up(v, &w.dir[0]);
	look_up(v, &w.dir[1]);
	*ret = w;
	return 0;
}

static json_t *number_or_null(bool known, json_int_t value)
{
	return known ? json_integer(value) : json_null();
}

static json_t *direction_json(const struct view *v, const struct direction *d)
{
	json_t *flow = cli_flow_json(&d->key, d->entry.packets, d->entry.bytes, d->entry.assign.cpu);
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
			 "cpu", number_or_null(v->steered && d->to.cpu >= 0, d->to.cpu),
			 "source", v->steered ? json_string(d->to.source) : json_null(),
			 "rss_hash", d->placed ? json_string(hash) : json_null(),
			 "rss_slot", number_or_null(d->placed, d->place.slot),
			 "rss_queue", number_or_null(d->placed, d->place.queue),
			 "rss_unknown", d->placed ? json_null() : json_string(d->no_place.text));
}

static json_t *where_json(const struct view *v, const struct where *w)
{
	return json_pack("{s:o s:o}", "forward", direction_json(v, &w->dir[0]),
			 "reverse", direction_json(v, &w->dir[1]));
}

static void cpu_text(const struct view *v, const struct direction *d, char *buf, size_t size)
{
	if (!v->steered)
		snprintf(buf, size, "not steered");
	else if (d->to.cpu < 0)
		snprintf(buf, size, "as it arrives (%s)", d->to.source);
	else
		snprintf(buf, size, "%d (%s)", d->to.cpu, d->to.source);
}

static void entry_text(const struct view *v, const struct direction *d, char *buf, size_t size)
{
	const __u16 flags = d->entry.assign.flags;

	if (!v->steered)
		snprintf(buf, size, "-");
	else if (!d->has_entry)
		snprintf(buf, size, "none");
	else if (flags & (SLUICE_FLOW_OPERATOR | SLUICE_FLOW_LEARNED))
		snprintf(buf, size, "cpu %u (%s)", d->entry.assign.cpu,
			 flags & SLUICE_FLOW_OPERATOR ? "operator" :
			 flags & SLUICE_FLOW_TREE ? v->leased ? "tree" : "tree, lease over" :
			 v->leased ? "learned" : "learned, lease over");
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

static void show_text(const struct view *v, const struct where *w)
{
	char cpu[2][64], entry[2][64], rss[2][64], bucket[2][16];
	int width = 10;

	for (int i = 0; i < 2; i++) {
		const struct direction *d = &w->dir[i];

		snprintf(bucket[i], sizeof(bucket[i]), "%u", d->bucket);
		cpu_text(v, d, cpu[i], sizeof(cpu[i]));
		entry_text(v, d, entry[i], sizeof(entry[i]));
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
}

static void show_reasons(const struct view *v, const struct where *w)
{
	if (!w->dir[0].placed)
		printf("nic rss unknown: %s\n", w->dir[0].no_place.text);
	if (!v->steered)
		printf("not steered: %s\n", v->no_steer.text);
}

/* One flow a line on standard input; empty lines and comments are passed over. */
static int where_lines(const struct cli *cli, const struct view *v, json_t *list, struct sl_err *e)
{
	char line[256], *word[4];
	struct where w;

	for (unsigned int number = 1; fgets(line, sizeof(line), stdin); number++) {
		int n = 0;

		for (char *p = strtok(line, " \t\n"); p && n < 4; p = strtok(NULL, " \t\n"))
			word[n++] = p;
		if (!n || *word[0] == '#')
			continue;
		if (look_up_flow(v, n, word, &w, e))
			return cli_fail("line %u: %s", number, e->text);
		if (cli->json)
			json_array_append_new(list, where_json(v, &w));
		else
			show_text(v, &w);
	}
	return CLI_OK;
}

static int where_words(const struct cli *cli, const struct view *v, int argc, char **argv,
		       json_t *list, struct sl_err *e)
{
	struct where w;

	if (look_up_flow(v, argc, argv, &w, e))
		return cli_fail_err(e);
	if (cli->json) {
		json_array_append_new(list, where_json(v, &w));
		return CLI_OK;
	}
	show_text(v, &w);
	show_reasons(v, &w);
	return CLI_OK;
}

int cmd_where(struct cli *cli, int argc, char **argv)
{
	static struct view v;
	struct netdev dev;
	struct sl_err e;
	json_t *list;
	int r;

	if (argc < 1)
		return cli_usage(cli, "no interface given");
	if (argc != 4 && (argc != 2 || strcmp(argv[1], "-")))
		return cli_usage(cli, "a flow is needed, or \"-\" to read flows");
	if (netdev_get(argv[0], &dev, &e))
		return cli_fail_err(&e);
	look_at(&v, argv[0]);
	list = json_array();
	if (argc == 2)
		r = where_lines(cli, &v, list, &e);
	else
		r = where_words(cli, &v, argc - 1, argv + 1, list, &e);
	steer_close(v.steer);
	if (r || !cli->json) {
		json_decref(list);
		return r;
	}
	return cli_print_json(json_pack("{s:s s:b s:o s:o}", "dev", v.dev, "steered", v.steered,
					"not_steered", v.steered ? json_null() :
					json_string(v.no_steer.text), "flows", list));
}
