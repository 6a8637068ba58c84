// SPDX-License-Identifier: GPL-2.0
#include "lab/record.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_name[RECORD_STATES] = {
	"valid", "invalid", "failed", "absent", "interrupted",
};
static const char *const status_name[METRIC_STATUSES] = { "ok", "few", "censored", "absent" };

const char *record_state_name(enum record_state s)
{
	return state_name[s];
}

const char *metric_status_name(enum metric_status s)
{
	return status_name[s];
}

void record_init(struct record *r, int64_t run)
{
	*r = (struct record){
		.run = run, .state = RECORD_VALID, .drain_share = NAN, .calibration = NAN,
		.choice_k_bytes = NAN, .choice_cost = NAN,
	};
}

void record_free(struct record *r)
{
	free(r->log);
	free(r->metric);
	r->log = NULL;
	r->metric = NULL;
	r->n = r->room = 0;
}

void record_add(struct record *r, const struct metric *m)
{
	if (r->n == r->room) {
		const size_t room = r->room ? 2 * r->room : 64;
		void *more = reallocarray(r->metric, room, sizeof(*r->metric));

		if (!more) {
			r->no_memory = true;
			return;
		}
		r->metric = more;
		r->room = room;
	}
	r->metric[r->n] = *m;
	if (!isfinite(m->value))
		r->metric[r->n].value = NAN;
	r->n++;
}

void record_whole(struct record *r, const char *name, const char *class, double t1_s, double value,
		  int64_t n)
{
	struct metric m = { .t1_s = t1_s, .value = value, .whole = true, .n = n };

	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.class, sizeof(m.class), "%s", class);
	if (!isfinite(value))
		m.status = METRIC_ABSENT;
	record_add(r, &m);
}

void record_absent(struct record *r, const char *name, double t1_s)
{
	record_whole(r, name, "", t1_s, NAN, 0);
}

void record_fail(struct record *r, const char *format, ...)
{
	va_list ap;

	r->state = RECORD_FAILED;
	va_start(ap, format);
	vsnprintf(r->error, sizeof(r->error), format, ap);
	va_end(ap);
}

const struct metric *record_find(const struct record *r, const char *name, const char *class)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->metric[i].whole && !strcmp(r->metric[i].name, name) &&
		    !strcmp(r->metric[i].class, class))
			return &r->metric[i];
	return NULL;
}

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

json_t *record_json(const struct record *r)
{
	json_t *metrics = json_array();

	for (size_t i = 0; i < r->n; i++) {
		const struct metric *m = &r->metric[i];

		json_array_append_new(metrics, json_pack(
			"[s s f f i o I I s]", m->name, m->class, m->t0_s, m->t1_s, m->whole,
			number(m->value), (json_int_t)m->n, (json_int_t)m->censored,
			status_name[m->status]));
	}
	return json_pack("{s:I s:s s:f s:f s:o s:o s:[o o i] s:s s:s s:s s:s s:o}",
			 "run", (json_int_t)r->run, "state", state_name[r->state],
			 "duration_s", r->duration_s, "clock_step_s", r->clock_step_s,
			 "drain_share", number(r->drain_share), "calibration", number(r->calibration),
			 "choice", number(r->choice_k_bytes), number(r->choice_cost),
			 (int)r->choice_runs, "boot", r->boot, "kernel", r->kernel, "error", r->error,
			 "log", r->log ? r->log : "", "metrics", metrics);
}

static int word(const char *text, const char *const *words, int n)
{
	for (int i = 0; text && i < n; i++)
		if (!strcmp(text, words[i]))
			return i;
	return -1;
}

static double get(const json_t *v)
{
	return json_is_number(v) ? json_number_value(v) : NAN;
}

/* Absent text is none. */
static void copy(const json_t *o, const char *key, char *to, size_t size)
{
	const char *text = json_string_value(json_object_get(o, key));

	snprintf(to, size, "%s", text ? text : "");
}

static int parse_metric(const json_t *v, struct record *r)
{
	const char *name = json_string_value(json_array_get(v, 0));
	const char *class = json_string_value(json_array_get(v, 1));
	const int status = word(json_string_value(json_array_get(v, 8)), status_name,
				METRIC_STATUSES);
	struct metric m = {
		.t0_s = get(json_array_get(v, 2)), .t1_s = get(json_array_get(v, 3)),
		.whole = json_integer_value(json_array_get(v, 4)) == 1,
		.value = get(json_array_get(v, 5)), .n = json_integer_value(json_array_get(v, 6)),
		.censored = json_integer_value(json_array_get(v, 7)), .status = status,
	};

	if (json_array_size(v) != 9 || !name || !*name || !class || status < 0 ||
	    strlen(name) >= sizeof(m.name) || strlen(class) >= sizeof(m.class) ||
	    !(m.t0_s >= 0) || !(m.t1_s >= m.t0_s) || m.n < 0 || m.censored < 0 ||
	    (m.status == METRIC_OK && isnan(m.value)))
		return -EBADMSG;
	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.class, sizeof(m.class), "%s", class);
	record_add(r, &m);
	return r->no_memory ? -ENOMEM : 0;
}

static int parse(const json_t *o, struct record *r)
{
	const json_t *metrics = json_object_get(o, "metrics"), *choice = json_object_get(o, "choice");
	const char *log = json_string_value(json_object_get(o, "log"));
	const int state = word(json_string_value(json_object_get(o, "state")), state_name,
			       RECORD_STATES);
	int e = 0;

	if (!json_is_integer(json_object_get(o, "run")) || state < 0)
		return -EBADMSG;
	r->run = json_integer_value(json_object_get(o, "run"));
	r->state = state;
	r->duration_s = json_number_value(json_object_get(o, "duration_s"));
	r->clock_step_s = json_number_value(json_object_get(o, "clock_step_s"));
	r->drain_share = get(json_object_get(o, "drain_share"));
	r->calibration = get(json_object_get(o, "calibration"));
	r->choice_k_bytes = get(json_array_get(choice, 0));
	r->choice_cost = get(json_array_get(choice, 1));
	r->choice_runs = json_integer_value(json_array_get(choice, 2));
	copy(o, "boot", r->boot, sizeof(r->boot));
	copy(o, "kernel", r->kernel, sizeof(r->kernel));
	copy(o, "error", r->error, sizeof(r->error));
	if (log && *log && !(r->log = strdup(log)))
		return -ENOMEM;
	for (size_t i = 0; !e && i < json_array_size(metrics); i++)
		e = parse_metric(json_array_get(metrics, i), r);
	return e;
}

int record_parse(const char *line, size_t n, struct record *ret, struct sl_err *e)
{
	json_error_t why;
	json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, &why);
	struct record r;
	int error;

	if (!o)
		return sl_err(e, -EBADMSG, "a record of a run is no JSON: %s", why.text);
	record_init(&r, -1);
	error = parse(o, &r);
	json_decref(o);
	if (error) {
		record_free(&r);
		return sl_err(e, error, error == -ENOMEM ? "out of memory" :
			      "a record of a run has not the form that record.h says");
	}
	*ret = r;
	return 0;
}
