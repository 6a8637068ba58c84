/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an attempt of a run gives, from whichever executor: a line of JSON, as it comes out of a child
 * process or a VM,
 *
 *	{"run": 12, "state": "valid", "drain_share": 0.99, "calibration": 812.5, "kernel": "6.1.0-...",
 *	 "boot": "...", "error": "", "log": "", "duration_s": 9.1, "choice": [24224, 3.1, 20],
 *	 "metrics": [["fct_mean_us", "10k", 0, 6, 1, 912.25, 4021, 0, "ok"], ...]}
 *
 * choice being what an oracle chose, if it did: K, its mean J, and by how many runs;
 * a metric being name, class, t0_s, t1_s, whole, value or null, n, censored, status (schema.sql).
 */
#ifndef SLUICE_LAB_RECORD_H
#define SLUICE_LAB_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

#include "lib/err.h"

enum record_state { RECORD_VALID, RECORD_INVALID, RECORD_FAILED, RECORD_ABSENT, RECORD_INTERRUPTED,
		    RECORD_STATES };
const char *record_state_name(enum record_state s);

enum metric_status { METRIC_OK, METRIC_FEW, METRIC_CENSORED, METRIC_ABSENT, METRIC_STATUSES };
const char *metric_status_name(enum metric_status s);

#define METRIC_NAME_MAX	32
#define METRIC_CLASS_MAX 16

struct metric {
	char name[METRIC_NAME_MAX], class[METRIC_CLASS_MAX];
	double t0_s, t1_s, value;	/* NAN: there is none */
	bool whole;			/* of the whole run */
	int64_t n, censored;
	enum metric_status status;
};

struct record {
	int64_t run;
	enum record_state state;
	double duration_s, clock_step_s;
	double drain_share, calibration;	/* NAN: unknown */
	double choice_k_bytes, choice_cost;	/* NAN: none */
	unsigned int choice_runs;
	char boot[64], kernel[64];
	char error[400];
	char *log;			/* NULL: none */
	struct metric *metric;
	size_t n, room;
	bool no_memory;			/* a metric was lost */
};

void record_init(struct record *r, int64_t run);
void record_free(struct record *r);
/* A value of the whole run, or of a part of it. */
void record_add(struct record *r, const struct metric *m);
void record_whole(struct record *r, const char *name, const char *class, double t1_s, double value,
		  int64_t n);
void record_absent(struct record *r, const char *name, double t1_s);
/* Failed, for this reason. */
void record_fail(struct record *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
const struct metric *record_find(const struct record *r, const char *name, const char *class);

json_t *record_json(const struct record *r);	/* NULL: out of memory */
/* -EBADMSG: no such line, or with what a database must not have. *ret is the caller's to free. */
int record_parse(const char *line, size_t n, struct record *ret, struct sl_err *e);

#endif
