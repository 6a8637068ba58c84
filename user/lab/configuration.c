// SPDX-License-Identifier: GPL-2.0
#include "lab/configuration.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const steer_words[] = { "none", "rps", "rfs", "xdp", NULL };

const struct lab_key_row lab_key_rows[LAB_KEYS] = {
	[LAB_RATE] = { "rate_mbps", "Mbit/s", "of the bottleneck; native: that loads are shares of", 1,
		       10000, { 100, 20, 100 }, { true, true, true }, NULL },
	[LAB_RTT] = { "rtt_us", "us", "round-trip time", 50, 500000, { 2000, 5000, 50 },
		      { true, true, false }, NULL },
	[LAB_SECONDS] = { "seconds", "s", "of a run", 1, 3600, { 6, 10, 3 }, { true, true, true }, NULL },
	[LAB_LIMIT] = { "limit_bytes", "bytes", "of the queue", 3028, 64000000,
			{ 4000000, 4000000, 4000000 }, { true, true, false }, NULL },
	/* In the native lab these are the policies. */
	[LAB_STEER] = { "steer", "", "packets that the router receives", 0, LAB_STEERS - 1,
			{ LAB_STEER_NONE, LAB_STEER_NONE, LAB_STEER_XDP }, { false, true, false },
			steer_words },
	[LAB_CPUS] = { "cpus", "", "CPUs that steering may use; native: the last so many", 1, 64,
		       { 4, 4, 2 }, { false, true, true }, NULL },
	[LAB_QSIZE] = { "cpumap_qsize", "packets", "of a cpumap entry", 8, 16384, { 512, 512, 512 },
			{ false, true, true }, NULL },
	[LAB_NAPI] = { "napi_budget", "packets", "net.core.netdev_budget", 1, 10000, { 300, 300, 300 },
		       { false, true, true }, NULL },
	[LAB_RING] = { "rx_ring", "packets", "of the receiving device; 0: as it is", 0, 65536,
		       { 0, 0, 0 }, { false, false, true }, NULL },
};

static int parse_value(const struct lab_key_row *row, const char *word, double *v, struct sl_err *e)
{
	char list[128] = "", *end;
	size_t used = 0;

	if (!row->words) {
		*v = strtod(word, &end);
		if (end != word && !*end && *v >= row->min && *v <= row->max)
			return 0;
		return sl_err(e, -EINVAL, "%s takes numbers of %.10g..%.10g%s%s, not '%s'",
			      row->name, row->min, row->max, *row->unit ? " " : "", row->unit, word);
	}
	for (int i = 0; row->words[i]; i++) {
		if (!strcmp(word, row->words[i])) {
			*v = i;
			return 0;
		}
		used += snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
				 row->words[i]);
	}
	return sl_err(e, -EINVAL, "%s takes some of %s, not '%s'", row->name, list, word);
}

int lab_grid_set(struct lab_grid *g, enum lab_key key, const char *text, struct sl_err *e)
{
	const struct lab_key_row *row = &lab_key_rows[key];
	char *copy = strdup(text), *at = copy, *word;
	int r = copy ? 0 : sl_err(e, -ENOMEM, "out of memory");

	g->n[key] = 0;
	while (!r && (word = strsep(&at, " \t,"))) {
		double v = 0;

		if (!*word)
			continue;
		r = parse_value(row, word, &v, e);
		for (size_t i = 0; !r && i < g->n[key]; i++)
			if (g->value[key][i] == v)
				r = sl_err(e, -EINVAL, "%s is in the list of %s twice: its cells "
					   "would be the same; take one away", word, row->name);
		if (!r && g->n[key] == LAB_VALUES_MAX)
			r = sl_err(e, -EINVAL, "more than %d values of %s", LAB_VALUES_MAX, row->name);
		if (!r)
			g->value[key][g->n[key]++] = v;
	}
	if (!r && !g->n[key])
		r = sl_err(e, -EINVAL, "%s has no value: the product would be empty; give one, or "
			   "leave the key out", row->name);
	free(copy);
	return r;
}

static void write_name(const struct lab_grid *g, struct lab_configuration *c)
{
	size_t used = 0;

	snprintf(c->name, sizeof(c->name), "default");
	for (int k = 0; k < LAB_KEYS && used < sizeof(c->name); k++) {
		const struct lab_key_row *row = &lab_key_rows[k];

		if (!g->n[k])
			continue;
		used += row->words ?
			snprintf(c->name + used, sizeof(c->name) - used, "%s%s=%s", used ? " " : "",
				 row->name, row->words[(int)c->value[k]]) :
			snprintf(c->name + used, sizeof(c->name) - used, "%s%s=%.10g",
				 used ? " " : "", row->name, c->value[k]);
	}
}

/* Cells that differ only in what does not matter there. */
static bool vain(const struct lab_grid *g, const struct lab_configuration *c)
{
	return c->value[LAB_STEER] != LAB_STEER_XDP && g->n[LAB_QSIZE] > 1 &&
		c->value[LAB_QSIZE] != g->value[LAB_QSIZE][0];
}

int lab_grid_expand(const struct lab_grid *g, int executor, size_t max,
		    struct lab_configuration **ret, size_t *n, struct sl_err *e)
{
	struct lab_configuration *all;
	size_t cells = 1, kept = 0;

	for (int k = 0; k < LAB_KEYS; k++) {
		if (g->n[k] && !lab_key_rows[k].in[executor])
			return sl_err(e, -EINVAL, "%s in [configurations] is nothing that this executor "
				      "has; take it away, or name another executor",
				      lab_key_rows[k].name);
		cells *= g->n[k] ? g->n[k] : 1;
		if (cells > max)
			return sl_err(e, -E2BIG, "[configurations] has more than %zu cells; make "
				      "its lists shorter", max);
	}
	all = calloc(cells, sizeof(*all));
	if (!all)
		return sl_err(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < cells; i++) {
		struct lab_configuration *c = &all[kept];
		size_t rest = i;

		for (int k = 0; k < LAB_KEYS; k++) {
			const size_t values = g->n[k] ? g->n[k] : 1;

			c->value[k] = g->n[k] ? g->value[k][rest % values] :
				lab_key_rows[k].def[executor];
			rest /= values;
		}
		write_name(g, c);
		kept += !vain(g, c);
	}
	*ret = all;
	*n = kept;
	return 0;
}
