// SPDX-License-Identifier: GPL-2.0
/*
 * What of the policies survives: DIR/policies.json, replaced as a whole, and beside it the models
 * that it names, as CRC.model. A model is written before it is named and removed after.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/policies_priv.h"
#include "lib/json_number.h"
#include "lib/log.h"

#define KEEP_VERSION	1

static const char *dir_of(const struct policies *p)
{
	return p->settings.policies;
}

static bool is_kept(const struct policies *p)
{
	return strcmp(dir_of(p), "none") != 0;
}

static double wall_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + t.tv_nsec / 1e9;
}

/* --- history and budget ------------------------------------------------------------- */

static json_t *gain_json(const struct trial_report *r, int i)
{
	return json_pack("{s:o, s:o, s:o}", "mean", json_number(r->mean[i]), "low", json_number(r->low[i]),
			 "high", json_number(r->high[i]));
}

static json_t *event_json(const struct policies *p, const char *event, const struct entry *about,
			  const char *reason, const struct trial_report *r)
{
	char crc[16];
	json_t *o;

	snprintf(crc, sizeof(crc), "%08x", about->crc);
	o = json_pack("{s:f, s:s, s:s, s:s, s:s, s:s, s:o}", "time", wall_s(), "event", event,
		      "policy", about->name, "kind", entry_kind_name(about), "crc", crc, "reason",
		      reason, "expected", json_number(p->expected));
	if (!o || !r)
		return o;
	json_object_set_new(o, "against_incumbent", gain_json(r, 0));
	json_object_set_new(o, "against_static", gain_json(r, 1));
	json_object_set_new(o, "blocks", json_integer((json_int_t)r->blocks));
	json_object_set_new(o, "voided", json_integer((json_int_t)r->voided));
	json_object_set_new(o, "harmful", json_integer((json_int_t)
			    (r->harmful[TRIAL_CANDIDATE] + r->harmful[TRIAL_INCUMBENT])));
	json_object_set_new(o, "harm_s", json_number(r->harm_s));
	json_object_set_new(o, "worst", json_number(r->worst));
	return o;
}

void policies_event(struct daemon *d, const char *event, const struct entry *about,
		    const char *reason, const struct trial_report *report)
{
	struct policies *p = d->policies;
	json_t *o = event_json(p, event, about, reason, report);

	if (o)
		json_array_append_new(p->history, o);
	while (json_array_size(p->history) > HISTORY_MAX)
		json_array_remove(p->history, 0);
	if (report)
		log_notice("policy %s (%s) %s: %s; J over the incumbent's %.3f [%.3f, %.3f], over "
			   "the static one's %.3f [%.3f, %.3f], %llu blocks", about->name,
			   entry_kind_name(about), event, reason, report->mean[0], report->low[0],
			   report->high[0], report->mean[1], report->low[1], report->high[1],
			   (unsigned long long)report->blocks);
	else
		log_notice("policy %s (%s) %s: %s", about->name, entry_kind_name(about), event,
			   reason);
}

/* A clock that was set back makes entries of the future: they count. */
static void forget_old(struct policies *p)
{
	const double now = wall_s();
	size_t kept = 0;

	for (size_t i = 0; i < p->n_spent; i++)
		if (now - p->spent[i].time_s < WEEK_S)
			p->spent[kept++] = p->spent[i];
	p->n_spent = kept;
}

double policies_budget_used(const struct policies *p)
{
	const double now = wall_s();
	double sum = 0;

	for (size_t i = 0; i < p->n_spent; i++)
		if (now - p->spent[i].time_s < WEEK_S)
			sum += p->spent[i].alpha;
	return sum;
}

void policies_spend(struct policies *p, double alpha)
{
	forget_old(p);
	if (p->n_spent == SPENT_MAX)
		p->spent[SPENT_MAX - 1].alpha += alpha;
	else
		p->spent[p->n_spent++] = (struct spent){ wall_s(), alpha };
}

/* --- writing -------------------------------------------------------------------------- */

static int model_path(const struct policies *p, uint32_t crc, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/%08x.model", dir_of(p), crc) < PATH_MAX ? 0 :
	       -ENAMETOOLONG;
}

static json_t *entry_json(const struct entry *e)
{
	char crc[16];

	if (e->kind == ENTRY_NONE)
		return json_null();
	snprintf(crc, sizeof(crc), "%08x", e->crc);
	return json_pack("{s:i, s:s, s:s, s:s}", "what", (int)e->kind, "name", e->name, "kind",
			 entry_kind_name(e), "crc", crc);
}

static int keep_model(const struct policies *p, const struct entry *e, struct sl_err *err)
{
	char path[PATH_MAX];
	int r = model_path(p, e->crc, path);

	if (e->kind != ENTRY_MODEL || r || access(path, F_OK) == 0)
		return r;
	return model_write(&e->model, path, err);
}

static bool is_named(const struct policies *p, uint32_t crc)
{
	const struct entry *const e[] = { &p->incumbent, &p->previous, &p->candidate };

	for (size_t i = 0; i < sizeof(e) / sizeof(*e); i++)
		if (e[i]->kind == ENTRY_MODEL && e[i]->crc == crc)
			return true;
	return false;
}

static void remove_others(const struct policies *p)
{
	DIR *dir = opendir(dir_of(p));
	char path[PATH_MAX], rest[8];
	struct dirent *one;
	unsigned int crc;

	while (dir && (one = readdir(dir)))
		if (strlen(one->d_name) == 14 &&
		    sscanf(one->d_name, "%8x.%6s", &crc, rest) == 2 && !strcmp(rest, "model") &&
		    !is_named(p, crc) && model_path(p, crc, path) == 0)
			unlink(path);
	if (dir)
		closedir(dir);
}

static json_t *state_json(const struct policies *p)
{
	json_t *spent = json_array();
	char crc[16];

	for (size_t i = 0; i < p->n_spent; i++)
		json_array_append_new(spent, json_pack("[f, f]", p->spent[i].time_s,
						       p->spent[i].alpha));
	snprintf(crc, sizeof(crc), "%08x", p->configured_crc);
	return json_pack("{s:i, s:i, s:s, s:b, s:b, s:i, s:I, s:o, s:o, s:o, s:o, s:O}",
			 "version", KEEP_VERSION, "policy", (int)p->settings.ecn_policy,
			 "configured", crc, "pinned", p->pinned, "previous_bad", p->previous_bad,
			 "retries", (int)p->retries, "trials", (json_int_t)p->trials,
			 "incumbent", entry_json(&p->incumbent), "previous",
			 entry_json(&p->previous), "candidate", entry_json(&p->candidate), "spent",
			 spent, "history", p->history);
}

static int write_state(const struct policies *p, const char *path, struct sl_err *e)
{
	char temporary[PATH_MAX];
	json_t *state = state_json(p);
	FILE *f;
	int r;

	if (!state)
		return sl_err(e, -ENOMEM, "out of memory");
	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= PATH_MAX) {
		json_decref(state);
		return sl_err(e, -ENAMETOOLONG, "%s: the name is too long", path);
	}
	f = fopen(temporary, "we");
	r = f ? 0 : -errno;
	if (f && (json_dumpf(state, f, JSON_INDENT(1)) || fflush(f) || fsync(fileno(f))))
		r = -errno;
	if (f && fclose(f) && !r)
		r = -errno;
	if (!r && rename(temporary, path))
		r = -errno;
	json_decref(state);
	return r ? sl_err(e, r, "%s: %s", path, strerror(-r)) : 0;
}

void policies_save(struct policies *p)
{
	char path[PATH_MAX];
	struct sl_err e;
	int r;

	if (!is_kept(p))
		return;
	mkdir(dir_of(p), 0755);
	snprintf(path, sizeof(path), "%s/policies.json", dir_of(p));
	r = keep_model(p, &p->incumbent, &e);
	if (!r)
		r = keep_model(p, &p->previous, &e);
	if (!r)
		r = keep_model(p, &p->candidate, &e);
	if (!r)
		r = write_state(p, path, &e);
	if (!r)
		remove_others(p);
	else if (!p->failed)
		log_error("%s; a restart would not know of the policies' trials", e.text);
	p->failed = r != 0;
}

/* --- reading -------------------------------------------------------------------------- */

static uint32_t crc_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? (uint32_t)strtoul(text, NULL, 16) : 0;
}

static int load_entry(const struct policies *p, const json_t *o, struct entry *ret,
		      struct sl_err *e)
{
	const enum entry_kind kind = (enum entry_kind)json_integer_value(json_object_get(o, "what"));
	const char *name = json_string_value(json_object_get(o, "name"));
	const uint32_t crc = crc_of(o, "crc");
	struct model m = { 0 };
	char path[PATH_MAX];
	int r;

	if (!json_is_object(o))
		return 0;
	if (kind == ENTRY_AGENT || kind == ENTRY_BASELINE) {
		ret->kind = kind;
		snprintf(ret->name, sizeof(ret->name), "%s", name ? name : "?");
		return 0;
	}
	r = kind == ENTRY_MODEL ? model_path(p, crc, path) : -EBADMSG;
	if (r)
		return sl_err(e, r, "%s/policies.json: there is no entry of kind %d", dir_of(p),
			      (int)kind);
	r = model_read(path, &m, e);
	if (r == 0 && model_crc(&m) != crc)
		r = sl_err(e, -EBADMSG, "%s: not the model that it is named after", path);
	if (r == 0)
		r = entry_of_model(&m, name ? name : path, ret, e);
	model_free(&m);
	return r;
}

static void load_spent(struct policies *p, const json_t *list)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (p->n_spent < SPENT_MAX)
			p->spent[p->n_spent++] = (struct spent){
				json_number_value(json_array_get(one, 0)),
				json_number_value(json_array_get(one, 1)),
			};
	forget_old(p);
}

static int take_up(struct policies *p, const json_t *state, struct sl_err *e)
{
	struct entry one[3] = { 0 };
	int r;

	r = load_entry(p, json_object_get(state, "incumbent"), &one[0], e);
	if (!r)
		r = load_entry(p, json_object_get(state, "previous"), &one[1], e);
	if (!r)
		r = load_entry(p, json_object_get(state, "candidate"), &one[2], e);
	if (r || one[0].kind == ENTRY_NONE) {
		for (int i = 0; i < 3; i++)
			entry_free(&one[i]);
		return r;
	}
	entry_free(&p->incumbent);
	p->incumbent = one[0];
	p->previous = one[1];
	p->candidate = one[2];
	p->pinned = json_is_true(json_object_get(state, "pinned"));
	p->previous_bad = json_is_true(json_object_get(state, "previous_bad"));
	p->retries = (unsigned int)json_integer_value(json_object_get(state, "retries"));
	if (p->incumbent.crc != p->configured_crc)
		log_notice("the policy in force is %s (%s), promoted before the restart",
			   p->incumbent.name, entry_kind_name(&p->incumbent));
	return 0;
}

int policies_load(struct policies *p, struct sl_err *e)
{
	char path[PATH_MAX];
	json_t *state, *history;
	json_error_t why;
	int r = 0;

	if (!is_kept(p))
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/policies.json", dir_of(p));
	if (access(path, F_OK))
		return -ENOENT;
	state = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	if (!state)
		return sl_err(e, -EBADMSG, "%s: line %d: %s", path, why.line, why.text);
	if (json_integer_value(json_object_get(state, "version")) != KEEP_VERSION) {
		json_decref(state);
		return sl_err(e, -EPROTO, "%s: of another version", path);
	}
	load_spent(p, json_object_get(state, "spent"));
	p->trials = (uint64_t)json_integer_value(json_object_get(state, "trials"));
	history = json_object_get(state, "history");
	if (json_is_array(history) && json_array_size(history) <= HISTORY_MAX) {
		json_decref(p->history);
		p->history = json_incref(history);
	}
	if (json_integer_value(json_object_get(state, "policy")) == (int)p->settings.ecn_policy &&
	    crc_of(state, "configured") == p->configured_crc)
		r = take_up(p, state, e);
	json_decref(state);
	return r;
}
