// SPDX-License-Identifier: GPL-2.0
/* sluice cpu show */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/hist.h"
#include "lib/steer.h"

static const char *const pass_names[SLUICE_PASS_MAX] = {
#define X(name, text) #name,
	SLUICE_PASS_REASONS(X)
#undef X
};

/* A CPU is worth a line when it is a target or was one. */
static bool is_used(const struct steer_snapshot *snap, unsigned int cpu)
{
	return snap->target[cpu] || snap->cpu[cpu].packets || snap->deliver[cpu].packets;
}

/* What a wait is when it is not a number. A wait that cannot be measured is never 0. */
static const char *no_wait(const struct steer_snapshot *snap)
{
	return steer_wait_measurable(snap) ? "no sample yet" : "not measurable";
}

static json_t *wait_json(double ns)
{
	return ns < 0 ? json_null() : json_real(ns);
}

static json_t *cpu_json(const struct steer_snapshot *snap, unsigned int cpu)
{
	const struct sluice_deliver *d = &snap->deliver[cpu];
	const struct sluice_counter *sent = &snap->cpu[cpu];

	return json_pack("{s:i s:b s:I s:I s:I s:I s:I s:s s:I s:o s:o}",
			 "cpu", (int)cpu, "target", snap->target[cpu],
			 "sent_packets", (json_int_t)sent->packets,
			 "sent_bytes", (json_int_t)sent->bytes,
			 "delivered_packets", (json_int_t)d->packets,
			 "delivered_bytes", (json_int_t)d->bytes,
			 "undelivered_packets", (json_int_t)(sent->packets - d->packets),
			 "wait", d->wait_samples ? "measured" : no_wait(snap),
			 "wait_samples", (json_int_t)d->wait_samples,
			 "wait_p50_ns", wait_json(hist_quantile_ns(d->wait_hist, NULL, 0.5)),
			 "wait_p99_ns", wait_json(hist_quantile_ns(d->wait_hist, NULL, 0.99)));
}

static unsigned long long order_checked(const struct steer_snapshot *snap)
{
	unsigned long long sum = 0;

	for (unsigned int cpu = 0; cpu < SLUICE_MAX_CPUS; cpu++)
		sum += snap->deliver[cpu].numbered;
	return sum;
}

static unsigned long long reordered(const struct steer_snapshot *snap)
{
	unsigned long long sum = 0;

	for (unsigned int cpu = 0; cpu < SLUICE_MAX_CPUS; cpu++)
		sum += snap->deliver[cpu].reordered;
	return sum;
}

static json_t *moves_json(const struct sluice_steer_stats *s)
{
	return json_pack("{s:I s:I s:I s:I s:I s:I s:I}",
			 "pending", (json_int_t)(s->moves_begun - s->moves_cancelled -
						 s->moves_completed),
			 "begun", (json_int_t)s->moves_begun,
			 "completed", (json_int_t)s->moves_completed,
			 "by_gap", (json_int_t)s->moves_by_gap,
			 "busy", (json_int_t)s->moves_busy,
			 "cancelled", (json_int_t)s->moves_cancelled,
			 "forced", (json_int_t)s->moves_forced);
}

static int show_json(const char *dev, const struct steer_snapshot *snap)
{
	json_t *cpus = json_array(), *passed = json_object();

	for (unsigned int cpu = 0; cpu < SLUICE_MAX_CPUS; cpu++)
		if (is_used(snap, cpu))
			json_array_append_new(cpus, cpu_json(snap, cpu));
	for (unsigned int i = 0; i < SLUICE_PASS_MAX; i++)
		if (snap->pass[i].packets)
			json_object_set_new(passed, pass_names[i],
					    json_integer(snap->pass[i].packets));
	return cli_print_json(json_pack("{s:s s:b s:s s:I s:o s:I s:I s:o s:o}", "dev", dev,
					"attached", snap->attached,
					"mode", !snap->attached ? "not attached" :
						snap->generic ? "generic" : "native",
					"seen", (json_int_t)snap->seen,
					"moves", moves_json(&snap->stats),
					"order_checked", (json_int_t)order_checked(snap),
					"reordered", (json_int_t)reordered(snap),
					"cpus", cpus, "passed", passed));
}

static void show_text(const char *dev, const struct steer_snapshot *snap)
{
	printf("%s: %s, %llu packets seen\n", dev,
	       !snap->attached ? "not attached" : snap->generic ? "generic" : "native",
	       snap->seen);
	printf("%4s %12s %12s %11s  %s\n", "cpu", "sent", "delivered", "undelivered",
	       "wait p50 / p99");
	for (unsigned int cpu = 0; cpu < SLUICE_MAX_CPUS; cpu++) {
		const struct sluice_deliver *d = &snap->deliver[cpu];

		if (!is_used(snap, cpu))
			continue;
		printf("%4u %12llu %12llu %11lld  ", cpu, snap->cpu[cpu].packets, d->packets,
		       (long long)(snap->cpu[cpu].packets - d->packets));
		if (d->wait_samples)
			printf("%.1f / %.1f us\n", hist_quantile_ns(d->wait_hist, NULL, 0.5) / 1e3,
			       hist_quantile_ns(d->wait_hist, NULL, 0.99) / 1e3);
		else
			printf("%s\n", no_wait(snap));
	}
	printf("moves: %llu begun, %llu completed (%llu by a gap, %llu from a busy CPU), %llu "
	       "cancelled, %llu forced\n", snap->stats.moves_begun, snap->stats.moves_completed,
	       snap->stats.moves_by_gap, snap->stats.moves_busy, snap->stats.moves_cancelled,
	       snap->stats.moves_forced);
	if (order_checked(snap))
		printf("order: %llu packets checked, %llu overtaken\n", order_checked(snap),
		       reordered(snap));
	if (snap->control.no_block)
		printf("passed, RX queue beyond those of the program: %llu\n",
		       snap->control.no_block);
	for (unsigned int i = 0; i < SLUICE_PASS_MAX; i++)
		if (snap->pass[i].packets)
			printf("passed %s: %llu\n", pass_names[i], snap->pass[i].packets);
}

int cmd_cpu(struct cli *cli, int argc, char **argv)
{
	static struct steer_snapshot snap;
	struct sl_err e;
	struct steer *s;
	int r;

	if (argc < 1)
		return cli_usage(cli, "no verb given");
	if (strcmp(argv[0], "show"))
		return cli_usage(cli, "unknown verb '%s'", argv[0]);
	if (argc != 2)
		return cli_usage(cli, argc < 2 ? "no interface given" : "one interface at a time");
	if (steer_adopt(argv[1], &s, &e))
		return cli_fail_err(&e);
	r = steer_read(s, &snap, &e);
	steer_close(s);
	if (r)
		return cli_fail_err(&e);
	if (cli->json)
		return show_json(argv[1], &snap);
	show_text(argv[1], &snap);
	return CLI_OK;
}
