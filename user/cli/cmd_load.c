// SPDX-License-Identifier: GPL-2.0
/* sluice load, sluice unload */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/coexist.h"
#include "lib/inside.h"
#include "lib/netdev.h"
#include "lib/steer.h"

/* One packet in 64 is timed: the clock costs tens of nanoseconds, a packet hundreds. */
#define SAMPLE_MASK	63

struct load_args {
	const char *dev;
	const char *cpu_list;	/* NULL: all that are online */
	struct steer_options options;
	bool mode_given;
	__u32 inside;		/* SLUICE_INSIDE_* */
	bool inside_given;
};

/* CLI_OK, or what cli_usage() returned. */
static int parse_load(const struct cli *cli, int argc, char **argv, struct load_args *a)
{
	struct sl_err e;
	uint64_t number;

	if (argc < 1)
		return cli_usage(cli, "no interface given");
	a->dev = argv[0];
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (!strcmp(word, "native") || !strcmp(word, "generic")) {
			a->options.mode = *word == 'n' ? STEER_MODE_NATIVE : STEER_MODE_GENERIC;
			a->mode_given = true;
		} else if (!strcmp(word, "--no-attach")) {
			a->options.no_attach = true;
		} else if (!strcmp(word, "--force")) {
			a->options.force = true;
		} else if (!strcmp(word, "cpus") && i + 1 < argc) {
			a->cpu_list = argv[++i];
		} else if (!strcmp(word, "qsize") && i + 1 < argc) {
			if (!cli_number(argv[++i], 1, 16384, &number))
				return cli_usage(cli, "qsize is 1 to 16384 packets, not '%s'",
						 argv[i]);
			a->options.qsize = number;
		} else if (!strcmp(word, "inside") && i + 1 < argc) {
			if (inside_parse(argv[++i], &a->inside, &e))
				return cli_usage(cli, "%s", e.text);
			a->inside_given = true;
		} else {
			return cli_usage(cli, "unexpected '%s'", word);
		}
	}
	return CLI_OK;
}

/* Samples, unless somebody, such as the daemon, has configured it already; looks inside if told. */
static int configure(const struct load_args *a, struct steer *s, struct sl_err *e)
{
	struct sluice_steer_config c;
	int r;

	r = steer_get_config(s, &c, e);
	if (r || (c.flags && !a->inside_given))
		return r;
	if (!c.flags) {
		c.flags = SLUICE_STEER_F_SAMPLE;
		c.sample_mask = SAMPLE_MASK;
	}
	if (a->inside_given)
		c.inside = a->inside;
	return steer_set_config(s, &c, e);
}

/* Ours is there already, by an operator's "ip link" or an earlier load: set its targets. */
static int retarget(const struct load_args *a, struct steer **ret, struct sl_err *e)
{
	const struct steer_options *o = &a->options;
	struct steer *s;
	int r;

	r = steer_adopt(a->dev, &s, e);
	if (r)
		return r;
	r = steer_set_cpus(s, o->cpus, o->n_cpus, o->qsize, o->force, e);
	if (!r)
		r = configure(a, s, e);
	if (r)
		steer_close(s);
	else
		*ret = s;
	return r;
}

static int report(const struct cli *cli, const struct load_args *a, struct steer *s)
{
	static struct steer_snapshot snap;
	const struct steer_options *o = &a->options;
	char dir[160], inside[INSIDE_TEXT];
	struct sluice_steer_config config;
	const char *mode;
	struct sl_err e;
	json_t *cpus;

	if (steer_read(s, &snap, &e) || steer_get_config(s, &config, &e) ||
	    steer_pin_dir(a->dev, dir, sizeof(dir), &e))
		return cli_fail_err(&e);
	inside_format(config.inside, inside);
	mode = !snap.attached ? "not attached" : snap.generic ? "generic" : "native";
	if (!cli->json) {
		printf("%s: %s%s, section %s, %zu target CPUs, looks inside of %s, pins in %s\n",
		       a->dev, mode, snap.dispatcher_id ? " through a libxdp dispatcher" : "",
		       snap.frags ? "xdp.frags" : "xdp", o->n_cpus, inside, dir);
		return CLI_OK;
	}
	cpus = json_array();
	for (size_t i = 0; i < o->n_cpus; i++)
		json_array_append_new(cpus, json_integer(o->cpus[i]));
	return cli_print_json(json_pack("{s:s s:b s:s s:i s:b s:o s:s s:s}", "dev", a->dev,
					"attached", snap.attached, "mode", mode,
					"dispatcher_id", (int)snap.dispatcher_id,
					"frags", snap.frags, "cpus", cpus, "inside", inside,
					"pins", dir));
}

/* What works against steering here is said, but refuses nothing: that is the operator's choice. */
static void warn_of_conflicts(const char *dev)
{
	struct coexist_warning w[3];
	size_t n = coexist_check(dev, w, 3);

	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "sluice: warning: %s\n", w[i].text);
}

int cmd_load(struct cli *cli, int argc, char **argv)
{
	struct load_args a = { 0 };
	__u16 cpus[SLUICE_MAX_CPUS];
	struct steer *s = NULL;
	struct sl_err e;
	int r;

	r = parse_load(cli, argc, argv, &a);
	if (r)
		return r;
	r = cpulist_online(SLUICE_MAX_CPUS, cpus, SLUICE_MAX_CPUS, &a.options.n_cpus, &e);
	if (!r && a.cpu_list)
		r = cpulist_parse(a.cpu_list, SLUICE_MAX_CPUS, cpus, SLUICE_MAX_CPUS,
				  &a.options.n_cpus, &e);
	if (r)
		return cli_fail_err(&e);
	a.options.cpus = cpus;

	r = steer_load(a.dev, &a.options, &s, &e);
	if (!r) {
		r = configure(&a, s, &e);
		if (r)
			steer_unload(a.dev, NULL);
	} else if (r == -EALREADY && !a.mode_given && !a.options.no_attach) {
		r = retarget(&a, &s, &e);
	}
	if (!r)
		warn_of_conflicts(a.dev);
	r = r ? cli_fail_err(&e) : report(cli, &a, s);
	steer_close(s);
	return r;
}

int cmd_unload(struct cli *cli, int argc, char **argv)
{
	struct sl_err e;

	if (argc != 1)
		return cli_usage(cli, argc ? "one interface at a time" : "no interface given");
	if (steer_unload(argv[0], &e))
		return cli_fail_err(&e);
	return cli->json ? cli_print_json(json_pack("{s:s}", "unloaded", argv[0])) : CLI_OK;
}
