// SPDX-License-Identifier: GPL-2.0
#include "cli/steer_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void steer_args_init(struct steer_args *a)
{
	*a = (struct steer_args){ .families = "all", .loads = "0.5,0.65,0.8" };
	steer_lab_config_default(&a->config);
}

void steer_args_free(struct steer_args *a)
{
	dist_free(&a->sizes);
	cpus_capture_free(&a->capture);
}

static bool take_loads(struct steer_lab_config *c, const char *list)
{
	char word[32];

	for (c->n_loads = 0; list; ) {
		const size_t n = strcspn(list, ",");

		if (c->n_loads == STEER_LAB_LOADS || n >= sizeof(word))
			return false;
		memcpy(word, list, n);
		word[n] = 0;
		if (!cli_decimal(word, 0.01, 3, &c->loads[c->n_loads]))
			return false;
		/* Twice the same would be on both halves of the board. */
		for (size_t i = 0; i < c->n_loads; i++)
			if (c->loads[i] == c->loads[c->n_loads])
				return false;
		c->n_loads++;
		list = list[n] ? list + n + 1 : NULL;
	}
	return true;
}

int steer_args_take(const struct cli *cli, struct steer_args *a, int letter, const char *value,
		    bool *mine)
{
	struct steer_lab_config *c = &a->config;
	uint64_t n;

	*mine = true;
	switch (letter) {
	case 'w':
		a->families = value;
		c->families = strcmp(value, "all") ? value : NULL;
		return CLI_OK;
	case 'l':
		a->loads = value;
		return take_loads(c, value) ? CLI_OK :
			cli_usage(cli, "--loads must be up to %d different numbers of 0.01 to 3, "
				  "such as 0.5,0.8", STEER_LAB_LOADS);
	case 'i':
		if (!cli_number(value, 1, 60000, &n))
			return cli_usage(cli, "--interval-ms must be 1 to 60000");
		c->interval_s = n / 1e3;
		return CLI_OK;
	case 'k':
		return cli_decimal(value, 1, 1e7, &c->stack_ns) ? CLI_OK :
			cli_usage(cli, "--stack-ns must be 1 to 1e7");
	case 'O':
		if (!cli_number(value, 0, 16, &n))
			return cli_usage(cli, "--stale must be 0 to 16");
		c->stale = (unsigned int)n;
		return CLI_OK;
	case 'H':
		c->no_hold = true;
		return CLI_OK;
	case 'z':
		a->sizes_path = value;
		return CLI_OK;
	case 'c':
		a->capture_path = value;
		return CLI_OK;
	}
	*mine = false;
	return CLI_OK;
}

int steer_args_lab(struct steer_args *a)
{
	struct sl_err e;

	if (a->sizes_path && dist_read(a->sizes_path, &a->sizes, &e))
		return cli_fail_err(&e);
	if (a->capture_path && cpus_capture_read(a->capture_path, &a->capture, &e))
		return cli_fail_err(&e);
	a->config.sizes = a->sizes_path ? &a->sizes : NULL;
	a->config.capture = a->capture_path ? &a->capture : NULL;
	return steer_lab_init(&a->lab, &a->config, &e) ? cli_fail_err(&e) : CLI_OK;
}

size_t steer_args_text(const struct steer_args *a, char *text, size_t size)
{
	const struct steer_lab_config *c = &a->config;

	return (size_t)snprintf(text, size, " --workload %s --loads %s --interval-ms %.0f "
				"--stack-ns %g --stale %u%s%s%s%s%s", a->families, a->loads,
				1e3 * c->interval_s, c->stack_ns, c->stale,
				c->no_hold ? " --no-hold" : "", a->sizes_path ? " --sizes " : "",
				a->sizes_path ? a->sizes_path : "",
				a->capture_path ? " --capture " : "",
				a->capture_path ? a->capture_path : "");
}
