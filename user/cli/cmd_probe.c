// SPDX-License-Identifier: GPL-2.0
/* sluice probe */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/probe.h"

static const char *const level_name[] = { "ok", "note", "warn" };

static json_t *number(double v)
{
	return v < 0 ? json_null() : json_real(v);
}

static json_t *hops_json(const struct probe_facts *f)
{
	json_t *hops = json_array();

	for (int i = 0; i < f->n_hops; i++) {
		const struct probe_hop *h = &f->hop[i];

		json_array_append_new(hops, json_pack(
			"{s:s s:i s:i s:i s:o s:o s:o s:o s:o}",
			"distance", probe_distance_name[h->distance],
			"from_cpu", (int)h->from_cpu, "to_cpu", (int)h->to_cpu,
			"rounds", (int)h->rounds, "drop_ns", number(h->drop_ns),
			"send_ns", number(h->send_ns), "end_to_end_mpps", number(h->mpps),
			"wakeup_p50_ns", number(h->wakeup_ns),
			"wakeup_max_ns", number(h->wakeup_max_ns)));
	}
	return hops;
}

static json_t *cpus_json(const struct probe_host *h)
{
	json_t *cpus = json_array();

	for (unsigned int i = 0; i < h->n_cpus; i++) {
		const struct probe_cpu *c = &h->cpu[i];
		const char class[2] = { c->class };

		if (c->online)
			json_array_append_new(cpus, json_pack(
				"{s:i s:i s:i s:s s:I s:b}", "cpu", (int)i, "core", c->core,
				"node", c->node, "class", class,
				"capacity", (json_int_t)c->capacity, "isolated", c->isolated));
	}
	return cpus;
}

static int show_json(const struct probe_facts *f, const struct probe_finding *finding, size_t n)
{
	json_t *findings = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(findings, finding[i].name, json_pack(
			"{s:s s:s s:s}", "level", level_name[finding[i].level],
			"value", finding[i].value, "advice", finding[i].advice));
	return cli_print_json(json_pack("{s:s s:s s:o s:o s:o}", "dev", f->dev.ifname,
					"driver", f->dev.driver, "findings", findings,
					"hops", hops_json(f), "cpus", cpus_json(&f->host)));
}

static int show_text(const struct probe_facts *f, const struct probe_finding *finding, size_t n)
{
	printf("%s: driver %s\n", f->dev.ifname, *f->dev.driver ? f->dev.driver : "unknown");
	for (size_t i = 0; i < n; i++) {
		static const char mark[] = { ' ', '*', '!' };

		printf("%c %-19s %s\n", mark[finding[i].level], finding[i].name, finding[i].value);
		if (*finding[i].advice)
			printf("    %s\n", finding[i].advice);
	}
	return CLI_OK;
}

int cmd_probe(struct cli *cli, int argc, char **argv)
{
	static struct probe_finding finding[PROBE_FINDINGS_MAX];
	static struct probe_facts facts;
	struct probe_options o = { 0 };
	const char *dev = NULL;
	struct sl_err e;
	size_t n;

	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--try"))
			o.try = true;
		else if (!strcmp(argv[i], "--no-hop"))
			o.no_hop = true;
		else if (argv[i][0] == '-' || dev)
			return cli_usage(cli, "unexpected '%s'", argv[i]);
		else
			dev = argv[i];
	}
	if (!dev)
		return cli_usage(cli, "no interface given");
	if (probe_read(dev, &o, &facts, &e))
		return cli_fail_err(&e);
	n = probe_findings(&facts, finding);
	return cli->json ? show_json(&facts, finding, n) : show_text(&facts, finding, n);
}
