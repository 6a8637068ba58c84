// SPDX-License-Identifier: GPL-2.0
#include "daemon/operator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "lib/clock.h"
#include "lib/log.h"

static bool is_kept(const struct daemon *d)
{
	return strcmp(d->settings.operator, "none") != 0;
}

/* Whether an object is what was named: empty names are any. */
static bool names(const struct qdisc_id *named, const char *ifname, const char *parent)
{
	return (!*named->ifname || !strcmp(named->ifname, ifname)) &&
	       (!*named->parent || !strcmp(named->parent, parent));
}

static const char *text(const struct qdisc_id *id, char buf[48])
{
	if (!*id->ifname)
		return "everything";
	snprintf(buf, 48, "%s%s%s", id->ifname, *id->parent ? " " : "", id->parent);
	return buf;
}

bool operator_paused(const struct daemon *d, const char *ifname, const char *parent)
{
	for (unsigned int i = 0; i < d->operator.n_pauses; i++)
		if (names(&d->operator.pause[i], ifname, parent))
			return true;
	return false;
}

/* --- kept across a restart ------------------------------------------------- */

void operator_restore(struct daemon *d)
{
	const char *path = d->settings.operator;
	struct sl_err e;
	char buf[48], bad[SETTINGS_LIST + 8];
	int r;

	if (!is_kept(d))
		return;
	r = operator_file_read(path, &d->operator, &e);
	if (r == -ENOENT)
		return;
	if (r < 0) {
		log_warning("%s", e.text);
		snprintf(bad, sizeof(bad), "%s.bad", path);
		if (r == -EBADMSG && rename(path, bad) == 0)
			log_notice("%s is kept as %s", path, bad);
		return;
	}
	for (unsigned int i = 0; i < d->operator.n_pauses; i++)
		log_notice("%s is paused, as the operator said before the restart",
			   text(&d->operator.pause[i], buf));
}

static void take_stand(const struct queue *q, struct operator_stand *s)
{
	s->id = q->now.id;
	s->ifindex = q->now.ifindex;
	s->handle = q->now.handle;
	s->manual_gen = q->guard.manual_gen;
}

static int write_file(struct daemon *d, struct sl_err *e)
{
	struct operator_stand *stands = calloc(d->n_queues + 1, sizeof(*stands));
	size_t n = 0;
	int r;

	if (!stands)
		return sl_err(e, -ENOMEM, "out of memory");
	for (unsigned int i = 0; i < d->n_queues; i++)
		if (d->queues[i].used && d->queues[i].guard.until_released)
			take_stand(&d->queues[i], &stands[n++]);
	r = operator_file_write(d->settings.operator, &d->operator, stands, n, e);
	free(stands);
	return r;
}

void operator_epoch(struct daemon *d)
{
	struct operator *o = &d->operator;
	struct sl_err e;

	/* Until the qdiscs were seen once, it is not known which stand-downs are left. */
	if (!d->recovered)
		return;
	if (o->n_restored) {
		o->n_restored = 0;
		o->dirty = true;
	}
	if (!o->dirty || !is_kept(d))
		return;
	o->dirty = false;
	if (write_file(d, &e) < 0) {
		if (!o->failed)
			log_error("%s", e.text);
		o->failed = true;
	} else {
		o->failed = false;
	}
}

void operator_free(struct daemon *d)
{
	free(d->operator.restored);
	d->operator.restored = NULL;
	d->operator.n_restored = 0;
}

/* --- queues ---------------------------------------------------------------- */

enum guard_verdict operator_watch(struct daemon *d, struct queue *q, const struct guard_queue *gq)
{
	struct guard_object *o = &q->guard;
	const bool stood = o->until_released;
	const uint32_t gen = o->manual_gen;
	struct guard_queue seen = *gq;
	enum guard_verdict verdict;

	/* The write that makes a blocked queue one that can be controlled is none against us. */
	seen.left_alone = d->settings.ecn_policy == ECN_POLICY_FIXED ||
			  !observe_selected(&d->settings, &q->now) ||
			  (q->have_last && q->last.blocked);
	o->paused = operator_paused(d, q->now.id.ifname, q->now.id.parent);
	verdict = guard_watch(&d->guard, o, &seen);
	if (o->until_released && (!stood || o->manual_gen != gen))
		d->operator.dirty = true;
	return verdict;
}

void operator_adopt(struct daemon *d, struct queue *q)
{
	const uint32_t gen = q->now.stats.manual_gen;

	for (size_t i = 0; i < d->operator.n_restored; i++) {
		const struct operator_stand *s = &d->operator.restored[i];

		if (s->ifindex != q->now.ifindex || s->handle != q->now.handle ||
		    strcmp(s->id.ifname, q->now.id.ifname) ||
		    strcmp(s->id.parent, q->now.id.parent))
			continue;
		/* One that has been written less often was made anew; stock ones do not count. */
		if (q->now.backend == ECN_SLUICE && gen < s->manual_gen)
			continue;
		guard_restore(&q->guard, gen);
		return;
	}
}

void operator_gone(struct daemon *d, const struct queue *q)
{
	d->operator.dirty |= q->guard.until_released;
}

/* --- requests -------------------------------------------------------------- */

static int parse(const json_t *request, struct qdisc_id *id, struct sl_err *e)
{
	const json_t *dev_json = json_object_get(request, "dev");
	const json_t *parent_json = json_object_get(request, "parent");
	const char *dev = json_string_value(dev_json), *parent = json_string_value(parent_json);

	memset(id, 0, sizeof(*id));
	/* What is there and cannot be understood must not be taken for "everything". */
	if ((dev_json && !dev) || (parent_json && !parent) || (dev && (!*dev || strlen(dev) >= sizeof(id->ifname))) ||
	    (parent && (!dev || !*parent || strlen(parent) >= sizeof(id->parent))))
		return sl_err(e, -EINVAL, "no interface or parent has such a name");
	if (dev)
		strcpy(id->ifname, dev);
	if (parent)
		strcpy(id->parent, parent);
	return 0;
}

/* Whether there is such a thing here. */
static int check_known(const struct daemon *d, const struct qdisc_id *id, bool links,
		       struct sl_err *e)
{
	unsigned int i;
	char buf[48];

	if (!*id->ifname)
		return 0;
	for (i = 0; i < d->n_queues; i++)
		if (d->queues[i].used && names(id, d->queues[i].now.id.ifname,
					       d->queues[i].now.id.parent))
			return 0;
	for (i = 0; links && i < d->n_links; i++)
		if (!*id->parent && !strcmp(d->links[i]->ifname, id->ifname))
			return 0;
	return sl_err(e, -ENOENT, "the daemon knows no %s %s: see 'sluice status'",
		      *id->parent || !links ? "queue at" : "queue and no steering of",
		      text(id, buf));
}

json_t *operator_pauses_json(const struct daemon *d)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < d->operator.n_pauses; i++) {
		const struct qdisc_id *p = &d->operator.pause[i];
		json_t *one = json_object();

		if (*p->ifname)
			json_object_set_new(one, "dev", json_string(p->ifname));
		if (*p->parent)
			json_object_set_new(one, "parent", json_string(p->parent));
		json_array_append_new(list, one);
	}
	return list;
}

json_t *operator_stands_json(const struct daemon *d)
{
	const uint64_t now = monotonic_ns();
	json_t *list = json_array();

	for (unsigned int i = 0; i < d->n_queues; i++) {
		const struct queue *q = &d->queues[i];
		const struct guard_object *g = &q->guard;

		if (q->used && guard_stands_down(g, now))
			json_array_append_new(list, json_pack(
				"{s:s, s:s, s:I, s:o}", "dev", q->now.id.ifname,
				"parent", q->now.id.parent, "manual_gen", (json_int_t)g->manual_gen,
				"left_s", g->until_released ? json_null() :
				json_real((double)(g->stand_down_until_ns - now) / 1e9)));
	}
	return list;
}

static int reply_pauses(const struct daemon *d, json_t **reply)
{
	*reply = json_pack("{s:o, s:i}", "paused", operator_pauses_json(d),
			   "within_ms", d->settings.epoch_ms);
	return *reply ? 0 : -ENOMEM;
}

int operator_pause(struct daemon *d, const json_t *request, json_t **reply, struct sl_err *e)
{
	struct operator *o = &d->operator;
	struct qdisc_id id;
	unsigned int i, kept = 0;
	char buf[48];
	int r = parse(request, &id, e);

	if (r == 0)
		r = check_known(d, &id, true, e);
	if (r < 0)
		return r;
	for (i = 0; i < o->n_pauses; i++)
		if (names(&o->pause[i], id.ifname, id.parent))
			return reply_pauses(d, reply);	/* it is already */
	/* A wider pause takes the place of the narrower ones. */
	for (i = 0; i < o->n_pauses; i++)
		if (!names(&id, o->pause[i].ifname, o->pause[i].parent))
			o->pause[kept++] = o->pause[i];
	o->n_pauses = kept;
	if (kept == OPERATOR_PAUSES_MAX)
		return sl_err(e, -E2BIG, "more than %d pauses: pause interfaces as a whole, or "
			      "everything", OPERATOR_PAUSES_MAX);
	o->pause[o->n_pauses++] = id;
	o->dirty = true;
	log_notice("the operator pauses the agents: %s", text(&id, buf));
	return reply_pauses(d, reply);
}

int operator_resume(struct daemon *d, const json_t *request, json_t **reply, struct sl_err *e)
{
	struct operator *o = &d->operator;
	unsigned int i, kept = 0, before = o->n_pauses;
	struct qdisc_id id;
	char buf[48], wider[48];
	int r = parse(request, &id, e);

	if (r < 0)
		return r;
	for (i = 0; i < o->n_pauses; i++) {
		const struct qdisc_id *p = &o->pause[i];

		if (!names(&id, p->ifname, p->parent) && names(p, id.ifname, id.parent))
			return sl_err(e, -EBUSY, "%s is paused by a pause of %s: resume that, and pause "
				      "the rest", text(&id, buf), text(p, wider));
	}
	for (i = 0; i < o->n_pauses; i++)
		if (!names(&id, o->pause[i].ifname, o->pause[i].parent))
			o->pause[kept++] = o->pause[i];
	o->n_pauses = kept;
	if (kept == before && *id.ifname)
		return sl_err(e, -ENOENT, "%s is not paused", text(&id, buf));
	if (kept != before) {
		o->dirty = true;
		log_notice("the operator lets the agents go on: %s", text(&id, buf));
	}
	return reply_pauses(d, reply);
}

int operator_release(struct daemon *d, const json_t *request, json_t **reply, struct sl_err *e)
{
	const uint64_t now = monotonic_ns();
	json_t *list;
	struct qdisc_id id;
	unsigned int i;
	int r = parse(request, &id, e);

	if (r == 0)
		r = check_known(d, &id, false, e);
	if (r < 0)
		return r;
	list = json_array();
	for (i = 0; i < d->n_queues; i++) {
		struct queue *q = &d->queues[i];
		bool kept = q->guard.until_released;

		if (!q->used || !names(&id, q->now.id.ifname, q->now.id.parent) ||
		    !guard_release(&q->guard, now))
			continue;
		d->operator.dirty |= kept;
		log_notice("%s %s: released by the operator", q->now.id.ifname, q->now.id.parent);
		json_array_append_new(list, json_pack("{s:s, s:s}", "dev", q->now.id.ifname,
						      "parent", q->now.id.parent));
	}
	*reply = json_pack("{s:o}", "released", list);
	return *reply ? 0 : -ENOMEM;
}
