// SPDX-License-Identifier: GPL-2.0
/* The database into arrays. */
#include "lab/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX	100000	/* cases, policies, trials: far beyond what a plan may have */

struct reader {
	sqlite3 *db;
	const char *path;
	struct report_data *d;
	struct sl_err *e;
};

static int damaged(struct reader *r)
{
	const int code = sqlite3_errcode(r->db) & 0xff;

	if (code == SQLITE_NOMEM)
		return sl_err(r->e, -ENOMEM, "out of memory");
	if (code == SQLITE_BUSY)
		return sl_err(r->e, -EBUSY, "%s: somebody writes to it: try again", r->path);
	return sl_err(r->e, -EBADMSG, "%s: cannot be read as a campaign's database: %s", r->path,
		      sqlite3_errmsg(r->db));
}

static int query(struct reader *r, const char *sql, sqlite3_stmt **ret)
{
	return sqlite3_prepare_v2(r->db, sql, -1, ret, NULL) == SQLITE_OK ? 0 : damaged(r);
}

/* 1: there is a row, 0: that was all; < 0: finalised, too. */
static int row(struct reader *r, sqlite3_stmt *s)
{
	const int code = sqlite3_step(s);
	int err;

	if (code == SQLITE_ROW)
		return 1;
	err = code == SQLITE_DONE ? 0 : damaged(r);
	sqlite3_finalize(s);
	return err;
}

static void text(char *to, size_t size, sqlite3_stmt *s, int column)
{
	const char *from = (const char *)sqlite3_column_text(s, column);

	snprintf(to, size, "%s", from ? from : "");
}

static double number(sqlite3_stmt *s, int column)
{
	return sqlite3_column_type(s, column) == SQLITE_NULL ? NAN : sqlite3_column_double(s, column);
}

/* A query whose answer is one number. */
static int count(struct reader *r, const char *sql, size_t *ret)
{
	sqlite3_stmt *s;
	int err = query(r, sql, &s);

	if (err)
		return err;
	err = row(r, s);
	if (err <= 0)
		return err ? err : damaged(r);
	*ret = sqlite3_column_int64(s, 0) > 0 ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_finalize(s);
	return 0;
}

static int read_plan(struct reader *r)
{
	struct report_data *d = r->d;
	char class[REPORT_NAME];
	sqlite3_stmt *s;
	int err = query(r, "SELECT name, executor, endpoint, endpoint_class, candidate, reference, aa,"
			   " w_10k, w_100k, w_1m, w_large, w_goodput, text FROM plan", &s);

	if (err)
		return err;
	err = row(r, s);
	if (err < 0)
		return err;
	if (!err)
		return sl_err(r->e, -ENODATA, "%s: there is no plan in it: nothing was ever started",
			      r->path);
	text(d->plan, sizeof(d->plan), s, 0);
	text(d->executor, sizeof(d->executor), s, 1);
	text(d->endpoint, sizeof(d->endpoint), s, 2);
	text(class, sizeof(class), s, 3);
	text(d->candidate, sizeof(d->candidate), s, 4);
	text(d->reference, sizeof(d->reference), s, 5);
	d->aa = sqlite3_column_int(s, 6);
	for (int i = 0; i < 5; i++)
		d->weight[i] = sqlite3_column_double(s, 7 + i);
	d->plan_text = strdup((const char *)sqlite3_column_text(s, 12) ?: "");
	sqlite3_finalize(s);
	if (!d->plan_text)
		return sl_err(r->e, -ENOMEM, "out of memory");
	if (*class) {
		const size_t n = strlen(d->endpoint);

		snprintf(d->endpoint + n, sizeof(d->endpoint) - n, " %s", class);
	}
	return 0;
}

static int grow(struct reader *r, void **list, size_t n, size_t size)
{
	void *more;

	if (n & (n - 1))	/* room is a power of two */
		return 0;
	if (n >= LIST_MAX)
		return sl_err(r->e, -EBADMSG, "%s: too much in it", r->path);
	more = realloc(*list, (n ? 2 * n : 1) * size);
	if (!more)
		return sl_err(r->e, -ENOMEM, "out of memory");
	*list = more;
	return 0;
}

static int family_of(struct reader *r, const char *name, size_t *ret)
{
	struct report_data *d = r->d;
	int err;

	for (*ret = 0; *ret < d->families; ++*ret)
		if (!strcmp(d->family[*ret], name))
			return 0;
	err = grow(r, (void **)&d->family, d->families, sizeof(*d->family));
	if (!err)
		snprintf(d->family[d->families++], sizeof(*d->family), "%s", name);
	return err;
}

static int read_cases(struct reader *r)
{
	static const char sql[] =
		"SELECT w.id, c.id, w.name, c.name, w.family, w.test FROM workloads w, configurations c"
		" WHERE EXISTS (SELECT 1 FROM runs WHERE workload = w.id AND configuration = c.id)"
		" ORDER BY w.id, c.id";
	struct report_data *d = r->d;
	char family[REPORT_NAME];
	sqlite3_stmt *s;
	int err = query(r, sql, &s);

	while (!err && (err = row(r, s)) > 0) {
		struct report_case *c;

		text(family, sizeof(family), s, 4);
		err = grow(r, (void **)&d->c, d->cases, sizeof(*d->c));
		if (!err)
			err = family_of(r, family, &d->c[d->cases].family);
		if (err) {
			sqlite3_finalize(s);
			return err;
		}
		c = &d->c[d->cases++];
		c->workload = sqlite3_column_int64(s, 0);
		c->configuration = sqlite3_column_int64(s, 1);
		c->test = sqlite3_column_int(s, 5);
		text(c->workload_name, sizeof(c->workload_name), s, 2);
		text(c->setting, sizeof(c->setting), s, 3);
	}
	return err;
}

/* 'rate_mbps=10' among the words of 'rate_mbps=10 rtt_us=20000' */
static bool has_word(const char *words, const char *word, size_t n)
{
	while (*words) {
		const size_t len = strcspn(words, " ");

		if (len == n && !strncmp(words, word, n))
			return true;
		words += len + (words[len] == ' ');
	}
	return false;
}

/* What all configurations have in common is in the plan, and tells no two cases apart. */
static void name_cases(struct report_data *d)
{
	for (size_t c = 0; c < d->cases; c++) {
		const char *word = d->c[c].setting;
		char *name = d->c[c].name;
		size_t at = snprintf(name, sizeof(d->c[c].name), "%s", d->c[c].workload_name);

		for (const char *between = ", "; *word;) {
			const size_t n = strcspn(word, " ");
			size_t having = 0;

			for (size_t k = 0; k < d->cases; k++)
				having += has_word(d->c[k].setting, word, n);
			if (having < d->cases) {
				at += snprintf(name + at, sizeof(d->c[c].name) - at, "%s%.*s", between,
					       (int)n, word);
				between = " ";
			}
			word += n + (word[n] == ' ');
		}
	}
}

static int read_policies(struct reader *r)
{
	static const char sql[] =
		"SELECT p.id, p.name, p.role, p.k_bytes, o.runs, o.done, o.failed, o.invalid, o.absent,"
		" o.pending, o.failed_attempts, o.invalid_attempts"
		" FROM policies p JOIN outcomes o ON o.policy = p.name ORDER BY p.id";
	struct report_data *d = r->d;
	sqlite3_stmt *s;
	int err = query(r, sql, &s);

	while (!err && (err = row(r, s)) > 0) {
		struct report_policy *p;
		char role[16];
		int i = 4;

		err = grow(r, (void **)&d->p, d->policies, sizeof(*d->p));
		if (err) {
			sqlite3_finalize(s);
			return err;
		}
		p = &d->p[d->policies++];
		p->id = sqlite3_column_int64(s, 0);
		text(p->name, sizeof(p->name), s, 1);
		text(role, sizeof(role), s, 2);
		for (p->role = 0; p->role < LAB_ROLES - 1 && strcmp(role, lab_role_name(p->role));)
			p->role++;
		p->k_bytes = number(s, 3);
		p->runs = sqlite3_column_int(s, i++);
		p->done = sqlite3_column_int(s, i++);
		p->failed = sqlite3_column_int(s, i++);
		p->invalid = sqlite3_column_int(s, i++);
		p->absent = sqlite3_column_int(s, i++);
		p->pending = sqlite3_column_int(s, i++);
		p->failed_attempts = sqlite3_column_int(s, i++);
		p->invalid_attempts = sqlite3_column_int(s, i++);
	}
	return err;
}

static int read_books(struct reader *r)
{
	struct report_data *d = r->d;
	sqlite3_stmt *s;
	int err;

	err = count(r, "SELECT count(*) FROM runs", &d->runs);
	if (!err)
		err = count(r, "SELECT count(*) FROM attempts WHERE state = 'valid'", &d->valid);
	if (!err)
		err = count(r, "SELECT count(*) FROM runs WHERE state = 'pending'", &d->pending);
	if (!err)
		err = count(r, "SELECT count(*) FROM attempts", &d->attempts);
	if (!err)
		err = count(r, "SELECT count(*) FROM attempts WHERE state = 'interrupted'",
			    &d->interrupted);
	if (!err)
		err = count(r, "SELECT count(*) FROM attempts WHERE abs(clock_step_s) > 1",
			    &d->clock_steps);
	if (!err)
		err = count(r, "SELECT count(*) FROM looks", &d->looks);
	if (!err)
		err = count(r, "SELECT ifnull(sum(evaluations), 0) FROM test_evaluations",
			    &d->test_evaluations);
	if (!err)
		err = count(r, "SELECT count(DISTINCT boot) FROM attempts WHERE boot <> ''", &d->boots);
	if (!err)
		err = count(r, "SELECT ifnull(max(trial) + 1, 0) FROM runs", &d->trials);
	/* Half done, it is the trials that were reached which are divided. */
	if (!err)
		err = count(r, "SELECT count(*) FROM (SELECT trial FROM runs GROUP BY trial"
			       " HAVING 2 * sum(state <> 'pending') >= count(*))", &d->reached);
	if (!err && d->reached < 2)
		err = count(r, "SELECT count(DISTINCT trial) FROM runs WHERE state = 'done'",
			    &d->reached);
	if (!err)
		err = query(r, "SELECT group_concat(DISTINCT kernel), group_concat(DISTINCT sluice),"
			       " min(drain_share), avg(calibration), avg(calibration * calibration)"
			       " FROM attempts WHERE state = 'valid'", &s);
	if (err)
		return err;
	err = row(r, s);
	if (err <= 0)
		return err;
	text(d->kernels, sizeof(d->kernels), s, 0);
	text(d->versions, sizeof(d->versions), s, 1);
	d->drain_least = number(s, 2);
	d->calibration_cv = sqrt(fmax(number(s, 4) / (number(s, 3) * number(s, 3)) - 1, 0));
	if (isnan(number(s, 3)))
		d->calibration_cv = NAN;
	sqlite3_finalize(s);
	if (d->trials > LIST_MAX)
		return sl_err(r->e, -EBADMSG, "%s: too much in it", r->path);
	return 0;
}

/* Trials before this one choose: ten to judge by come first, then as many to choose by. */
static size_t to_select(size_t trials)
{
	return trials >= 2 * REPORT_FRESH ? trials / 2 :
	       trials > REPORT_FRESH ? trials - REPORT_FRESH : trials / 2;
}

static double *cells(const struct report_data *d)
{
	const size_t n = d->cases * d->policies * d->trials;
	double *v = calloc(n ? n : 1, sizeof(*v));

	for (size_t i = 0; v && i < n; i++)
		v[i] = NAN;
	return v;
}

static int metric_of(struct reader *r, const char *name, const char *class, size_t *last)
{
	struct report_data *d = r->d;
	char full[REPORT_NAME];
	int err;

	snprintf(full, sizeof(full), "%s%s%s", name, *class ? " " : "", class);
	/* Attempts have the same ones in the same order. */
	for (size_t i = 1; i <= d->metrics; i++) {
		const size_t k = (*last + i) % d->metrics;

		if (!strcmp(d->m[k].name, full)) {
			*last = k;
			return 0;
		}
	}
	err = grow(r, (void **)&d->m, d->metrics, sizeof(*d->m));
	if (err)
		return err;
	d->m[d->metrics] = (struct report_metric){ .value = cells(d) };
	if (!d->m[d->metrics].value)
		return sl_err(r->e, -ENOMEM, "out of memory");
	snprintf(d->m[d->metrics].name, sizeof(d->m->name), "%s", full);
	*last = d->metrics++;
	return 0;
}

static size_t case_of(const struct report_data *d, int64_t workload, int64_t configuration)
{
	size_t c = 0;

	while (c < d->cases &&
	       (d->c[c].workload != workload || d->c[c].configuration != configuration))
		c++;
	return c;
}

static size_t policy_of(const struct report_data *d, int64_t id)
{
	size_t p = 0;

	while (p < d->policies && d->p[p].id != id)
		p++;
	return p;
}

/* Where a run's values belong; false: in none of the arrays. */
static bool place(const struct report_data *d, sqlite3_stmt *s, size_t *ret)
{
	const size_t c = case_of(d, sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1));
	const size_t p = policy_of(d, sqlite3_column_int64(s, 2));
	const int64_t trial = sqlite3_column_int64(s, 3);

	if (c == d->cases || p == d->policies || trial < 0 || trial >= (int64_t)d->trials)
		return false;
	*ret = report_at(d, c, p, trial);
	return true;
}

static int read_metrics(struct reader *r)
{
	static const char sql[] =
		"SELECT r.workload, r.configuration, r.policy, r.trial, a.id, m.name, m.class, m.value,"
		" m.status FROM attempts a JOIN runs r ON r.id = a.run JOIN metrics m ON m.attempt = a.id"
		" WHERE a.state = 'valid' AND m.whole = 1 ORDER BY a.id";
	struct report_data *d = r->d;
	int64_t attempt = -1;
	size_t at = 0, last = 0;
	bool known = false;
	sqlite3_stmt *s;
	int err = query(r, sql, &s);

	while (!err && (err = row(r, s)) > 0) {
		const char *name = (const char *)sqlite3_column_text(s, 5);
		const char *class = (const char *)sqlite3_column_text(s, 6);
		const char *status = (const char *)sqlite3_column_text(s, 8);
		struct report_metric *m;
		double value;

		if (attempt != sqlite3_column_int64(s, 4)) {
			attempt = sqlite3_column_int64(s, 4);
			known = place(d, s, &at);
		}
		err = 0;
		if (!known || !name)
			continue;
		err = metric_of(r, name, class ? class : "", &last);
		if (err) {
			sqlite3_finalize(s);
			return err;
		}
		m = &d->m[last];
		value = number(s, 7);
		m->values += isfinite(value);
		m->censored += status && !strcmp(status, "censored");
		m->absent += status && !strcmp(status, "absent");
		m->few += status && !strcmp(status, "few");
		m->value[at] = isfinite(value) ? value : NAN;
	}
	return err;
}

/* Thresholds of the intervals, where the executor keeps them. */
static int read_intervals(struct reader *r)
{
	struct report_data *d = r->d;
	sqlite3_stmt *s;
	int err = query(r, "SELECT r.workload, r.configuration, r.policy, r.trial, m.value"
			   " FROM attempts a JOIN runs r ON r.id = a.run"
			   " JOIN metrics m ON m.attempt = a.id AND m.name = 'k_bytes'"
			   " WHERE a.state = 'valid' AND m.whole = 0 AND m.value > 0", &s);

	while (!err && (err = row(r, s)) > 0) {
		size_t at;

		err = 0;
		if (!place(d, s, &at))
			continue;
		if (!(d->ks & (d->ks - 1))) {	/* room is a power of two */
			void *more = realloc(d->k, (d->ks ? 2 * d->ks : 1) * sizeof(*d->k));

			if (!more) {
				sqlite3_finalize(s);
				return sl_err(r->e, -ENOMEM, "out of memory");
			}
			d->k = more;
		}
		d->k[d->ks++] = (struct report_interval_k){ at, sqlite3_column_double(s, 4) };
	}
	return err;
}

size_t report_metric_find(const struct report_data *d, const char *name)
{
	size_t m = 0;

	while (m < d->metrics && strcmp(d->m[m].name, name))
		m++;
	return m;
}

double *report_costs(const struct report_data *d, size_t m)
{
	const double sign = m < d->metrics && !strncmp(d->m[m].name, "goodput", 7) ? -1 : 1;
	double *v = cells(d);

	for (size_t i = 0; v && m < d->metrics && i < d->cases * d->policies * d->trials; i++)
		if (d->m[m].value[i] > 0)
			v[i] = sign * log(d->m[m].value[i]);
	return v;
}

static int finish(struct reader *r)
{
	struct report_data *d = r->d;
	const size_t j = report_metric_find(d, "J"), n = d->cases * d->policies * d->trials;
	size_t there = 0;

	d->cost = report_costs(d, j);
	d->endpoint_cost = report_costs(d, report_metric_find(d, d->endpoint));
	if (!d->cost || !d->endpoint_cost)
		return sl_err(r->e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		there += !isnan(d->cost[i]);
	d->no_cost = d->valid > there ? d->valid - there : 0;
	d->censored_cost = j < d->metrics ? d->m[j].censored : 0;
	if (!there)
		return sl_err(r->e, -ENODATA, "%s: none of its %zu runs is valid and has a J (%zu are "
			      "still to be done): there is nothing to report; \"sluice lab status\" "
			      "tells why", r->path, d->runs, d->pending);
	return 0;
}

static int read_open(struct reader *r)
{
	struct report_data *d = r->d;
	sqlite3_stmt *s;
	int err;

	d->open = calloc(d->cases * d->policies + 1, sizeof(*d->open));
	if (!d->open)
		return sl_err(r->e, -ENOMEM, "out of memory");
	err = query(r, "SELECT workload, configuration, policy, trial FROM runs"
		       " WHERE state = 'pending'", &s);
	while (!err && (err = row(r, s)) > 0) {
		const size_t c = case_of(d, sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1));
		const size_t p = policy_of(d, sqlite3_column_int64(s, 2));

		err = 0;
		if (c < d->cases && p < d->policies)
			d->open[c * d->policies + p] |= REPORT_OPEN |
				(sqlite3_column_int64(s, 3) < (int64_t)d->select ? REPORT_OPEN_SELECT : 0);
	}
	return err;
}

int report_read(sqlite3 *db, const char *path, struct report_data **ret, struct sl_err *e)
{
	struct report_data *d = calloc(1, sizeof(*d));
	struct reader r = { db, path, d, e };
	int err;

	if (!d)
		return sl_err(e, -ENOMEM, "out of memory");
	err = read_plan(&r);
	if (!err)
		err = read_cases(&r);
	if (!err)
		err = read_policies(&r);
	if (!err)
		err = read_books(&r);
	name_cases(d);
	d->select = to_select(d->reached);
	if (!err)
		err = read_open(&r);
	if (!err)
		err = read_metrics(&r);
	if (!err)
		err = read_intervals(&r);
	if (!err)
		err = finish(&r);
	if (err) {
		report_data_free(d);
		return err;
	}
	*ret = d;
	return 0;
}

void report_data_free(struct report_data *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->metrics; i++)
		free(d->m[i].value);
	free(d->m);
	free(d->c);
	free(d->p);
	free(d->family);
	free(d->cost);
	free(d->open);
	free(d->k);
	free(d->endpoint_cost);
	free(d->plan_text);
	free(d);
}

static double mean(const double *v, size_t from, size_t to)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = from; i < to; i++) {
		if (!isnan(v[i])) {
			sum += v[i];
			n++;
		}
	}
	return n ? sum / n : NAN;
}

double report_mean(const struct report_data *d, size_t c, size_t p, size_t from, size_t to)
{
	return mean(d->cost + report_at(d, c, p, 0), from, to);
}

double report_metric_mean(const struct report_data *d, size_t m, size_t c, size_t p, size_t from,
			  size_t to)
{
	return m < d->metrics ? mean(d->m[m].value + report_at(d, c, p, 0), from, to) : NAN;
}
