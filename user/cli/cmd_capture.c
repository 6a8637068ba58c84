// SPDX-License-Identifier: GPL-2.0
/* sluice capture */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/anonymise.h"

static const char *const reasons[SLUICE_PASS_MAX] = {
#define X(name, text) [SLUICE_PASS_##name] = #name,
	SLUICE_PASS_REASONS(X)
#undef X
};

static int show_json(const struct anonymise_stats *s, const char *key)
{
	json_t *cut = json_object();

	for (int i = 0; i < SLUICE_PASS_MAX; i++)
		if (s->cut[i])
			json_object_set_new(cut, reasons[i], json_integer((json_int_t)s->cut[i]));
	return cli_print_json(json_pack("{s:I s:I s:I s:I s:o s:s}",
					"packets", (json_int_t)s->packets,
					"bytes_in", (json_int_t)s->bytes_in,
					"bytes_out", (json_int_t)s->bytes_out,
					"whole", (json_int_t)s->whole, "cut", cut, "key", key));
}

static void show_text(const struct anonymise_stats *s, const char *key)
{
	printf("%llu packets, %llu of %llu bytes left\n", (unsigned long long)s->packets,
	       (unsigned long long)s->bytes_out, (unsigned long long)s->bytes_in);
	printf("%llu with all headers\n", (unsigned long long)s->whole);
	for (int i = 0; i < SLUICE_PASS_MAX; i++)
		if (s->cut[i])
			printf("cut at what is %s: %llu\n", reasons[i],
			       (unsigned long long)s->cut[i]);
	if (!strcmp(key, "random"))
		puts("the key was random and is forgotten: another run maps addresses otherwise");
	else if (!strcmp(key, "made"))
		puts("a key was made; who has its file can tell the addresses");
}

int cmd_capture(struct cli *cli, int argc, char **argv)
{
	uint8_t key[CRYPTOPAN_KEY_BYTES];
	struct anonymise_stats stats;
	const char *origin = "random";
	struct sl_err e;
	bool made = false;
	int r;

	if (!argc || strcmp(argv[0], "anonymise"))
		return cli_usage(cli, argc ? "there is no 'capture %s'" : "no verb given",
				 argc ? argv[0] : "");
	if (argc != 3 && !(argc == 5 && !strcmp(argv[3], "key")))
		return cli_usage(cli, "give the names of a capture and of its anonymised copy");
	if (argc == 5) {
		r = anonymise_key(argv[4], key, &made, &e);
		origin = made ? "made" : "file";
	} else {
		r = anonymise_random_key(key, &e);
	}
	if (!r)
		r = anonymise_file(argv[1], argv[2], key, &stats, &e);
	explicit_bzero(key, sizeof(key));
	if (r)
		return cli_fail_err(&e);
	if (cli->json)
		return show_json(&stats, origin);
	show_text(&stats, origin);
	return CLI_OK;
}
