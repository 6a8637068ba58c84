/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a program needs that makes the record of one run: the job's "key=value" lines, files of a directory,
 * and what it ran on.
 */
#ifndef SELFTESTS_LAB_JOB_H
#define SELFTESTS_LAB_JOB_H

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include <jansson.h>

#include "lab/record.h"
#include "lib/rng.h"

#define JOB_KEYS		32
#define JOB_CALIBRATION_STEPS	1000000

static struct {
	char name[JOB_KEYS][32], value[JOB_KEYS][512];
	unsigned int n;
	const char *dir;
} job;

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void read_job(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[600];

	if (!f)
		die(path);
	while (job.n < JOB_KEYS && fgets(line, sizeof(line), f)) {
		char *equals = strchr(line, '='), *value;

		if (!equals)
			continue;
		*equals = '\0';
		value = equals + 1 + (equals[1] == '\'');
		value[strcspn(value, "'\n")] = '\0';
		snprintf(job.name[job.n], sizeof(job.name[0]), "%.31s", line);
		snprintf(job.value[job.n++], sizeof(job.value[0]), "%.511s", value);
	}
	fclose(f);
}

static const char *text(const char *name)
{
	for (unsigned int i = 0; i < job.n; i++)
		if (!strcmp(job.name[i], name))
			return job.value[i];
	return "";
}

static double number(const char *name)
{
	return strtod(text(name), NULL);
}

static FILE *open_in(const char *name)
{
	char path[2048];

	snprintf(path, sizeof(path), "%s/%.1000s", job.dir, name);
	return fopen(path, "re");
}

static json_t *json_in(const char *name)
{
	char path[2048];

	snprintf(path, sizeof(path), "%s/%.1000s", job.dir, name);
	return json_load_file(path, 0, NULL);
}

static double get(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

/* Million steps of a generator in a second of CPU time. */
static double calibrate(void)
{
	struct timespec a, b;
	struct rng rng;
	volatile uint64_t sink = 0;

	rng_seed(&rng, 1);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (int i = 0; i < JOB_CALIBRATION_STEPS; i++)
		sink ^= rng_u64(&rng);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	return JOB_CALIBRATION_STEPS / 1e6 /
		fmax((b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) / 1e9, 1e-9);
}

static void describe(struct record *r)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	struct utsname u;

	if (!f || !fgets(r->boot, sizeof(r->boot), f))
		r->boot[0] = '\0';
	r->boot[strcspn(r->boot, "\n")] = '\0';
	if (f)
		fclose(f);
	if (!uname(&u))
		snprintf(r->kernel, sizeof(r->kernel), "%.63s", u.release);
	r->calibration = calibrate();
}

/* The line that "sluice lab run" waits for. */
static int print_record(const struct record *r)
{
	json_t *o = r->no_memory ? NULL : record_json(r);
	char *line = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(10)) : NULL;

	if (!line)
		die("out of memory");
	printf("RECORD %s\n", line);
	free(line);
	json_decref(o);
	return fflush(stdout) ? 1 : 0;
}

/* PROGRAM JOB DIRECTORY [failed|absent TEXT]: what main() returns. */
static int job_main(int argc, char *argv[], void (*measure)(struct record *r))
{
	struct record r;
	int status;

	if (argc != 3 && argc != 5) {
		fprintf(stderr, "usage: %s JOB DIRECTORY [failed|absent TEXT]\n", argv[0]);
		return 1;
	}
	read_job(argv[1]);
	job.dir = argv[2];
	record_init(&r, atoll(text("run")));
	describe(&r);
	if (argc == 3)
		measure(&r);
	else
		record_fail(&r, "%s", argv[4]);
	if (argc == 5 && !strcmp(argv[3], "absent"))
		r.state = RECORD_ABSENT;
	status = print_record(&r);
	record_free(&r);
	return status;
}

#endif
