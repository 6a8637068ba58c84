// SPDX-License-Identifier: GPL-2.0
/*
 * The tree of [steer] tree, which places newly admitted flows in the XDP program: read and verified
 * once, published to each interface, and given up again. Loads are published with every reading
 * of the CPUs. It decides under the lease of the tables, so that without the daemon it ends as all
 * that is learned does.
 *
 * Its rules: a CPU that is busier, or has more waiting, never keeps a flow that it would have given
 * away. A tree that breaks them, or is none, is refused, and flows are admitted without.
 */
#include <errno.h>
#include <string.h>

#include "daemon/act.h"
#include "daemon/daemon.h"
#include "daemon/steer_publish.h"
#include "distill/place_tree.h"
#include "lib/log.h"

static bool wants_tree(const struct settings *s)
{
	return strcmp(s->steer_tree, "none") && settings_steer_admits(s);
}

void link_trees_configure(struct daemon *d)
{
	const char *name = d->settings.steer_tree;
	struct place_tree *p = &d->place;
	struct sluice_tree fresh = { .h = { .size = 0 } };
	struct sl_err e = { "" };
	bool wanted = wants_tree(&d->settings);

	if (wanted && place_read(name, &fresh, &e) < 0) {
		log_warning("the tree %s is refused, flows are admitted without: %s", name, e.text);
		wanted = false;
	}
	p->problem = e;
	if (wanted) {	/* the same as before, whatever it calls itself, stays */
		fresh.h.generation = 1;
		sluice_tree_seal(&fresh);
		if (p->version && !memcmp(&fresh, &p->tree, sizeof(fresh)))
			return;
		log_notice("the tree %s places newly admitted flows: %u comparisons, %u bytes",
			   name, fresh.h.n_nodes, fresh.h.size);
	}
	p->tree = fresh;
	p->version = wanted ? ++p->versions : 0;
}

/* The targets as they are known at the beginning, of whose load nothing is. */
static int publish_targets(const struct daemon *d, struct link *l, struct sl_err *e)
{
	struct steer_cpu_load load[SLUICE_MAX_CPUS];
	size_t n = 0;

	for (unsigned int cpu = 0; cpu < SLUICE_MAX_CPUS; cpu++)
		if (l->now->target[cpu] && d->guard.cpu_allowed[cpu])
			load[n++] = (struct steer_cpu_load){ .cpu = (uint16_t)cpu };
	return act_link_loads(l, load, n, STEER_PUBLISH_FLOW_PPM, e);
}

void link_tree_follow(struct daemon *d, struct link *l)
{
	const struct place_tree *p = &d->place;
	struct sl_err e = { "" };
	int r;

	if (l->tree_known && l->tree_version == p->version)
		return;
	/* A former daemon's tree must not come back to life with a new lease. */
	if (!p->version) {
		r = act_link_tree(d, l, NULL, &e);
		r = r == -EOPNOTSUPP ? 0 : r;
	} else {
		r = publish_targets(d, l, &e);
		if (r == 0)
			r = act_link_tree(d, l, &p->tree, &e);
	}
	if (r == -EBUSY)
		return;
	if (r < 0)
		log_warning("%s: no tree places flows: %s", l->ifname, e.text);
	l->tree_known = true;
	l->tree_version = p->version;
}

void link_tree_loads(struct daemon *d, struct link *l, const struct steer_cpu_obs *cpus, size_t n)
{
	struct steer_cpu_load load[SLUICE_MAX_CPUS];
	uint64_t sum = 0;
	size_t kept = 0;
	struct sl_err e;

	if (!d->place.version || !l->tree_generation)
		return;
	for (size_t i = 0; i < n; i++) {
		if (l->target[cpus[i].cpu] != TARGET_IN_USE)
			continue;
		load[kept] = (struct steer_cpu_load){
			.cpu = cpus[i].cpu, .ppm = steer_publish_ppm(cpus[i].util),
		};
		sum += load[kept++].ppm;
	}
	if (act_link_loads(l, load, kept, steer_publish_flow_ppm(l->before, l->now, sum), &e) < 0)
		log_debug("%s: loads: %s", l->ifname, e.text);
}
