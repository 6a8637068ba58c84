// SPDX-License-Identifier: GPL-2.0
/* sluice replay */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/inside.h"
#include "lib/steer.h"
#include "lib/xdp_replay.h"

static int show_json(const struct xdp_replay *r)
{
	json_t *passed = json_object(), *flows = json_array();

	for (int i = 0; i < XDP_REPLAY_REASONS; i++)
		if (r->passed[i])
			json_object_set_new(passed, xdp_replay_reason[i],
					    json_integer(r->passed[i]));
	for (size_t i = 0; i < r->n_flows; i++) {
		const struct xdp_replay_flow *f = &r->flows[i];

		if (json_array_append_new(flows, cli_flow_json(&f->key, f->packets, f->bytes,
							       f->cpu))) {
			json_decref(passed);
			json_decref(flows);
			return cli_print_json(NULL);
		}
	}
	return cli_print_json(json_pack("{s:I s:I s:o s:o}", "packets", (json_int_t)r->packets,
					"steered", (json_int_t)r->steered,
					"passed", passed, "flows", flows));
}

static void show_text(const struct xdp_replay *r)
{
	char text[128];

	for (size_t i = 0; i < r->n_flows; i++) {
		const struct xdp_replay_flow *f = &r->flows[i];

		steer_flow_format(&f->key, text, sizeof(text));
		printf("%s cpu %u packets %llu bytes %llu\n", text, f->cpu,
		       (unsigned long long)f->packets, (unsigned long long)f->bytes);
	}
	printf("%llu packets, %llu steered in %zu flows\n", (unsigned long long)r->packets,
	       (unsigned long long)r->steered, r->n_flows);
	for (int i = 0; i < XDP_REPLAY_REASONS; i++)
		if (r->passed[i])
			printf("passed %s: %llu\n", xdp_replay_reason[i],
			       (unsigned long long)r->passed[i]);
}

int cmd_replay(struct cli *cli, int argc, char **argv)
{
	struct xdp_replay result;
	struct sl_err e;
	__u32 inside = 0;
	int r = CLI_OK;

	if (argc == 3 && !strcmp(argv[1], "inside")) {
		if (inside_parse(argv[2], &inside, &e))
			return cli_usage(cli, "%s", e.text);
	} else if (argc != 1) {
		return cli_usage(cli, argc ? "one capture at a time" : "no capture given");
	}
	if (xdp_replay_run(argv[0], inside, &result, &e))
		return cli_fail_err(&e);
	if (cli->json)
		r = show_json(&result);
	else
		show_text(&result);
	xdp_replay_clear(&result);
	return r;
}
