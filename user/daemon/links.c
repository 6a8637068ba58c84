// SPDX-License-Identifier: GPL-2.0
/* Interfaces with the XDP program: their coming and going, and their leases. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/act.h"
#include "daemon/daemon.h"
#include "daemon/steer_view.h"
#include "lib/coexist.h"
#include "lib/log.h"

#define RETRY_FIRST_NS	1000000000ULL
#define RETRY_LAST_NS	60000000000ULL

static void link_free(struct link *l)
{
	if (!l)
		return;
	act_link_release(l);
	link_flows_forget(l);
	free(l->now);
	free(l->before);
	free(l->flows);
	free(l);
}

static struct link *link_new(const char *ifname, unsigned int max_flows)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	snprintf(l->ifname, sizeof(l->ifname), "%s", ifname);
	l->max_flows = max_flows;
	l->now = calloc(1, sizeof(*l->now));
	l->before = calloc(1, sizeof(*l->before));
	l->flows = calloc(max_flows ? max_flows : 1, sizeof(*l->flows));
	if (!l->now || !l->before || !l->flows) {
		link_free(l);
		return NULL;
	}
	return l;
}

static int configure_one(const char *ifname, void *data)
{
	struct daemon *d = data;
	unsigned int i;

	for (i = 0; i < d->n_links; i++)
		if (!strcmp(d->links[i]->ifname, ifname))
			return 0;
	if (d->n_links == LINKS_MAX)
		return -E2BIG;	/* the settings have no more */
	d->links[d->n_links] = link_new(ifname, d->settings.steer_max_flows);
	if (!d->links[d->n_links])
		return -ENOMEM;
	d->n_links++;
	return 0;
}

int links_configure(struct daemon *d, struct sl_err *e)
{
	unsigned int i, kept = 0;
	int r;

	link_trees_configure(d);
	for (i = 0; i < d->n_links; i++) {
		struct link *l = d->links[i];

		if (settings_list_has(d->settings.steer_interfaces, l->ifname) &&
		    l->max_flows == d->settings.steer_max_flows) {
			d->links[kept++] = l;
			l->retry_ns = 0;	/* what failed may work now */
			if (l->steer && act_link_config(d, l, e) < 0)
				log_warning("%s: %s", l->ifname, e->text);
			continue;
		}
		log_notice("%s: no longer steered by the daemon; the program stays and follows "
			   "the baseline", l->ifname);
		link_free(l);
	}
	d->n_links = kept;
	r = settings_list_each(d->settings.steer_interfaces, configure_one, d);
	return r < 0 ? sl_err(e, r, "out of memory") : 0;
}

/* Logs a problem once, and waits longer before each new try. */
void link_failed(struct link *l, uint64_t now, const struct sl_err *e)
{
	uint64_t wait = RETRY_FIRST_NS << (l->failures < 6 ? l->failures : 6);

	if (strcmp(e->text, l->problem.text))
		log_warning("%s: cannot steer: %s", l->ifname, e->text);
	l->problem = *e;
	l->failures++;
	l->retry_ns = now + (wait < RETRY_LAST_NS ? wait : RETRY_LAST_NS);
	steer_close(l->steer);
	l->steer = NULL;
	l->leased = false;
}

/* Learned slots that a former daemon left must not come back to life with a new lease. */
static void clear_stale(struct daemon *d, struct link *l)
{
	bool lease_runs = l->now->control.expires_jiffies > l->now->jiffies;
	unsigned int b;

	if (l->now->control.generation > d->generation)
		d->generation = l->now->control.generation;
	for (b = 0; b < SLUICE_BUCKETS && !lease_runs; b++)
		if (l->now->bucket_target[b].flags & SLUICE_BUCKET_F_LEARNED)
			act_bucket(d, l, b, -1);
	link_flows_adopt(l, lease_runs);
}

/* Who else places packets here, and what comes of that. */
static void warn_of_conflicts(const struct link *l)
{
	struct coexist_warning w[3];
	size_t n = coexist_check(l->ifname, w, 3);

	for (size_t i = 0; i < n; i++)
		log_warning("%s: %s", l->ifname, w[i].text);
}

static bool link_open(struct daemon *d, struct link *l, uint64_t now)
{
	struct sl_err e = { "" };

	if (now < l->retry_ns)
		return false;
	if (act_link_open(d, l, &e) < 0) {
		link_failed(l, now, &e);
		return false;
	}
	if (l->guard.paused)
		act_link_lapse(l);
	else if (d->settings.steer_policy != STEER_POLICY_STATIC)
		clear_stale(d, l);
	log_notice("%s: steering with the XDP program %s (%s%s)", l->ifname,
		   l->adopted ? "that was there" : "loaded now",
		   !l->now->attached ? "pinned, not attached" :
		   l->now->generic ? "generic mode" : "native mode",
		   l->now->dispatcher_id ? ", called by a libxdp dispatcher" : "");
	warn_of_conflicts(l);
	l->read_once = l->have_before = l->tree_known = false;
	l->tree_generation = 0;
	link_flows_forget(l);
	link_cpus_forget(l);
	return true;
}

static int resume(struct daemon *d, struct link *l, struct sl_err *e)
{
	int r = steer_read(l->steer, l->now, e);

	if (r < 0)
		return r;
	/* What was learned before lapsed long ago. */
	if (d->settings.steer_policy != STEER_POLICY_STATIC)
		clear_stale(d, l);
	l->read_once = l->have_before = false;
	link_flows_forget(l);
	steer_agent_restart(d->steer_agent);
	return 0;
}

/* The operator's pauses begin and end here, and so they do for an interface that comes later. */
static void follow_pause(struct daemon *d, struct link *l, uint64_t now)
{
	bool paused = operator_paused(d, l->ifname, "");
	struct sl_err e;
	int r = 0;

	if (paused == l->guard.paused)
		return;
	l->guard.paused = paused;
	log_notice("%s: %s", l->ifname, paused ?
		   "the operator paused the agents: packets follow the baseline" :
		   "the operator lets the agents decide again");
	if (!l->steer)
		return;
	if (paused)
		act_link_lapse(l);
	else
		r = resume(d, l, &e);
	if (r == 0)
		r = act_link_config(d, l, &e);
	if (r < 0)
		link_failed(l, now, &e);
}

int link_bucket_cpu(const struct link *l, unsigned int bucket)
{
	return steer_view_bucket_cpu(l->now, bucket);
}

void links_epoch(struct daemon *d, uint64_t now)
{
	bool moves = d->settings.steer_policy != STEER_POLICY_STATIC;
	struct sl_err e = { "" };
	unsigned int i;

	for (i = 0; i < d->n_links; i++) {
		struct link *l = d->links[i];

		follow_pause(d, l, now);
		if ((!l->steer && !link_open(d, l, now)) || l->guard.paused)
			continue;
		if (moves)
			link_flows_admit(d, l, now);
		if (moves || l->tree_generation)	/* one of ours goes when nothing moves any more */
			link_tree_follow(d, l);
	}
	if (epoch_due(d, now, d->next_steering_ns)) {
		d->next_steering_ns = now + d->settings.steer_interval_ms * 1000000ULL;
		steering_decide(d, now);
	}
	for (i = 0; i < d->n_links && moves; i++)
		if (d->links[i]->steer && !d->links[i]->guard.paused &&
		    act_link_lease(d, d->links[i], now, &e) < 0)
			link_failed(d->links[i], now, &e);
}

void links_release(struct daemon *d)
{
	while (d->n_links)
		link_free(d->links[--d->n_links]);
}
