// SPDX-License-Identifier: GPL-2.0
/*
 * Loads are shares of the bottleneck's rate. Families are kinds of traffic: whatever is fitted is
 * judged on families that it was not fitted to. The built-in sizes are our own numbers, but
 * "packets", the lengths of 60,000 packets of assorted public captures; sizes that a community
 * measured come from files.
 */
#include "lab/workloads.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POINTS		10
#define SCALE_BPS	10e9
#define SIZES		"sizes:"

static const struct {
	const char *name;
	double bytes[POINTS], share[POINTS];
} builtin[] = {
	{ "64", { 63.9, 64 }, { 0, 1 } },
	{ "1500", { 1447, 1448 }, { 0, 1 } },
	{ "packets", { 42, 54, 64, 66, 92, 180, 366, 1242, 1502, 1514 },
	  { 0, 0.1, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 1 } },
	{ "mixed", { 1000, 2000, 5000, 10000, 20000, 50000, 100000, 300000, 1000000 },
	  { 0, 0.2, 0.4, 0.55, 0.7, 0.82, 0.9, 0.96, 1 } },
	{ "rpc", { 18000, 22000 }, { 0, 1 } },
	{ "kv", { 50, 100, 300, 500, 1000, 4000, 10000, 100000 },
	  { 0, 0.2, 0.55, 0.75, 0.88, 0.96, 0.99, 1 } },
	{ "web", { 300, 2000, 8000, 20000, 60000, 200000, 1000000, 3000000 },
	  { 0, 0.15, 0.45, 0.7, 0.88, 0.96, 0.995, 1 } },
	{ "video", { 150000, 300000, 600000, 1200000 }, { 0, 0.4, 0.85, 1 } },
	{ "mice", { 500, 2000, 5000, 10000 }, { 0, 0.3, 0.7, 1 } },
};
#define BUILTINS	(sizeof(builtin) / sizeof(builtin[0]))

#define PHASE(s, l, k)	{ .sizes = s, .load = l, .kernel_load = k, .rate = 1 }
#define FILE_PHASE(s, l) { .sizes = s, .load = l, .kernel_load = l, .rate = 1, .by_rate = true }
#define ONE		.phases = 1, .rtts = 1, .rtt_of = { 1 }
#define TWO(s)		.phases = 2, .phase_s = s, .rtts = 1, .rtt_of = { 1 }
#define INCAST(n)	{ .sizes = "rpc", .load = 0.3, .kernel_load = 0.3, .rate = 1, .incast = n }

static const struct workload table[] = {
	/* Connections of a packet or two: an emulated machine opens some hundred a second. */
	{ "uniform-64", "packets", "flows of 64 B", ONE, .phase = { PHASE("64", 0.2, 0.01) } },
	{ "uniform-1500", "packets", "flows of one full segment", ONE,
	  .phase = { PHASE("1500", 0.5, 0.15) } },
	{ "mixed-packets", "packets", "flows as long as captured packets", ONE,
	  .phase = { PHASE("packets", 0.3, 0.04) } },
	{ "low-rate", "load", "mixed sizes at 10 % load", ONE, .phase = { PHASE("mixed", 0.1, 0.1) } },
	{ "mid-rate", "load", "mixed sizes at 50 % load", ONE, .phase = { PHASE("mixed", 0.5, 0.5) } },
	{ "high-rate", "load", "mixed sizes at 85 % load", ONE,
	  .phase = { PHASE("mixed", 0.85, 0.85) } },
	{ "bursty", "bursty", "mixed sizes, 90 % and 5 % load in turn", TWO(1),
	  .phase = { PHASE("mixed", 0.9, 0.9), PHASE("mixed", 0.05, 0.05) } },
	{ "video", "bursty", "chunks of 150 KB to 1.2 MB", ONE, .phase = { PHASE("video", 0.6, 0.6) } },
	{ "request-response", "rpc", "answers of 20 KB", ONE, .phase = { PHASE("rpc", 0.6, 0.6) } },
	{ "key-value", "rpc", "values of mostly some hundred bytes", ONE,
	  .phase = { PHASE("kv", 0.3, 0.08) } },
	{ "web", "web", "objects of pages", ONE, .phase = { PHASE("web", 0.6, 0.6) } },
	{ "incast-8", "incast", "8 blocks of 20 KB at once, beside requests", ONE, .phase = { INCAST(8) } },
	{ "incast-32", "incast", "32 blocks of 20 KB at once", ONE, .phase = { INCAST(32) } },
	{ "incast-64", "incast", "64 blocks of 20 KB at once", ONE, .phase = { INCAST(64) } },
	{ "elephants-mice", "elephants", "small flows beside two that never end", ONE, .endless = 2,
	  .phase = { PHASE("mice", 0.15, 0.1) } },
	{ "elephants-rpc", "elephants", "answers of 20 KB beside four that never end", ONE, .endless = 4,
	  .phase = { PHASE("rpc", 0.2, 0.2) } },
	{ "mixed-rtt", "rtt", "half and twice the round-trip time, and one that never ends on each",
	  .phases = 1, .rtts = 2, .rtt_of = { 0.5, 2 }, .endless = 2,
	  .phase = { PHASE("mixed", 0.3, 0.3) } },
	{ "rate-varying", "rate", "the link has its rate and half of it in turn", TWO(1.5),
	  .phase = { PHASE("mixed", 0.35, 0.35),
		     { .sizes = "mixed", .load = 0.35, .kernel_load = 0.35, .rate = 0.5 } } },
	{ "mixed-ecn", "ecn", "40 % of flows are CUBIC, half of them without ECN", ONE,
	  .cubic = 0.2, .ecn_cubic = 0.2, .phase = { PHASE("mixed", 0.6, 0.6) } },
	{ "switching", "switching", "answers and mixed sizes, 2 s each", TWO(2),
	  .phase = { PHASE("rpc", 0.7, 0.7), PHASE("mixed", 0.4, 0.4) } },
	{ "switching-fast", "switching", "small flows and chunks of video, 0.5 s each", TWO(0.5),
	  .phase = { PHASE("mice", 0.3, 0.15), PHASE("video", 0.7, 0.7) } },
	{ "websearch", "websearch", "hpcc/WebSearch_distribution.txt", ONE,
	  .phase = { FILE_PHASE("hpcc/WebSearch_distribution.txt", 0.6) } },
	{ "dctcp", "websearch", "hkust/DCTCP_CDF.txt", ONE,
	  .phase = { FILE_PHASE("hkust/DCTCP_CDF.txt", 0.6) } },
	{ "hadoop", "hadoop", "facebook-roy2015/hadoop-all.txt", ONE,
	  .phase = { FILE_PHASE("facebook-roy2015/hadoop-all.txt", 0.6) } },
	{ "fb-hadoop", "hadoop", "hpcc/FbHdp_distribution.txt", ONE,
	  .phase = { FILE_PHASE("hpcc/FbHdp_distribution.txt", 0.6) } },
	{ "vl2", "datamining", "hkust/VL2_CDF.txt", ONE,
	  .phase = { FILE_PHASE("hkust/VL2_CDF.txt", 0.6) } },
};
#define WORKLOADS	(sizeof(table) / sizeof(table[0]))

const char *workload_name(size_t i, const char **family)
{
	if (i >= WORKLOADS)
		return NULL;
	*family = table[i].family;
	return table[i].name;
}

bool workload_is_native(const struct workload *w)
{
	for (unsigned int i = 0; i < w->phases; i++)
		if (w->phase[i].rate != 1)
			return false;
	return w->rtts < 2 && !w->endless && w->cubic <= 0 && w->ecn_cubic <= 0;
}

void workloads_print(FILE *f)
{
	for (size_t i = 0; i < WORKLOADS; i++)
		fprintf(f, "%-17s %-11s %s%s\n", table[i].name, table[i].family, table[i].text,
			table[i].phase[0].by_rate ? " (in the plan's sizes directory)" : "");
}

static int copy_builtin(const char *name, struct dist *ret)
{
	for (size_t i = 0; i < BUILTINS; i++) {
		struct dist d = { .n = 0 };

		if (strcmp(builtin[i].name, name))
			continue;
		d.bytes = calloc(POINTS, sizeof(*d.bytes));
		d.share = calloc(POINTS, sizeof(*d.share));
		if (!d.bytes || !d.share) {
			dist_free(&d);
			return -ENOMEM;
		}
		while (d.n < POINTS && builtin[i].bytes[d.n] > 0) {
			d.bytes[d.n] = builtin[i].bytes[d.n];
			d.share[d.n] = builtin[i].share[d.n];
			d.n++;
		}
		*ret = d;
		return 0;
	}
	return -ENOENT;
}

int workload_sizes(const struct workload *w, unsigned int phase, double rate_bps, struct dist *ret,
		   struct sl_err *e)
{
	const struct workload_phase *p = &w->phase[phase];
	int r = copy_builtin(p->sizes, ret);

	if (r == -ENOENT)
		r = dist_read(p->sizes, ret, e);
	else if (r)
		return sl_err(e, r, "out of memory");
	for (size_t i = 0; !r && p->by_rate && i < ret->n; i++)
		ret->bytes[i] = fmax(ret->bytes[i] * fmin(1, rate_bps / SCALE_BPS), 1);
	return r;
}

static int of_file(const char *path, struct workload *w, struct sl_err *e)
{
	const char *file = strrchr(path, '/');
	struct workload_phase *p = &w->phase[0];

	*w = (struct workload){ .phases = 1, .rtts = 1, .rtt_of = { 1 } };
	*p = (struct workload_phase){ .load = 0.6, .kernel_load = 0.6, .rate = 1, .by_rate = true };
	if (strlen(path) >= sizeof(p->sizes) || strlen(path) + strlen(SIZES) >= sizeof(w->name))
		return sl_err(e, -ENAMETOOLONG, "the name of the file of sizes '%s' is too long", path);
	snprintf(p->sizes, sizeof(p->sizes), "%s", path);
	snprintf(w->name, sizeof(w->name), SIZES "%s", path);
	snprintf(w->family, sizeof(w->family), "%.31s", file ? file + 1 : path);
	snprintf(w->text, sizeof(w->text), "%.127s", path);
	return 0;
}

static int try_sizes(struct workload *w, const char *dir, struct sl_err *e)
{
	for (unsigned int i = 0; i < w->phases; i++) {
		struct workload_phase *p = &w->phase[i];
		char path[sizeof(p->sizes)];
		struct dist d;
		int r;

		if (p->by_rate && p->sizes[0] != '/' && strncmp(w->name, SIZES, strlen(SIZES))) {
			if (!*dir)
				return sl_err(e, -EINVAL, "the workload '%s' needs a directory with "
					      "%s: give one as 'sizes' in [plan]", w->name, p->sizes);
			if (snprintf(path, sizeof(path), "%s/%s", dir, p->sizes) >= (int)sizeof(path))
				return sl_err(e, -ENAMETOOLONG, "the name of the directory of sizes "
					      "is too long");
			memcpy(p->sizes, path, sizeof(path));
		}
		r = workload_sizes(w, i, SCALE_BPS, &d, e);
		if (r)
			return r;
		dist_free(&d);
	}
	return 0;
}

int workload_find(const char *name, const char *dir, struct workload *ret, struct sl_err *e)
{
	struct workload w = { .phases = 0 };
	int r = 0;

	for (size_t i = 0; i < WORKLOADS; i++)
		if (!strcmp(table[i].name, name))
			w = table[i];
	if (!w.phases && !strncmp(name, SIZES, strlen(SIZES)))
		r = of_file(name + strlen(SIZES), &w, e);
	else if (!w.phases)
		r = sl_err(e, -EINVAL, "there is no workload '%s'; 'sluice lab list' lists them, and "
			   "sizes:FILE is one of your own", name);
	if (!r)
		r = try_sizes(&w, dir, e);
	if (!r)
		*ret = w;
	return r;
}

json_t *workload_json(const struct workload *w)
{
	json_t *phases = json_array(), *rtts = json_array();

	for (unsigned int i = 0; i < w->phases; i++) {
		const struct workload_phase *p = &w->phase[i];

		json_array_append_new(phases, json_pack(
			"{s:s s:b s:f s:f s:f s:i}", "sizes", p->sizes, "by_rate", p->by_rate, "load",
			p->load, "kernel_load", p->kernel_load, "rate", p->rate, "incast", p->incast));
	}
	for (unsigned int i = 0; i < w->rtts; i++)
		json_array_append_new(rtts, json_real(w->rtt_of[i]));
	return json_pack("{s:s s:f s:i s:f s:f s:o s:o}", "text", w->text, "phase_s", w->phase_s,
			 "endless", w->endless, "cubic", w->cubic, "ecn_cubic", w->ecn_cubic,
			 "rtt_of", rtts, "phases", phases);
}
