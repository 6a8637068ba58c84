// SPDX-License-Identifier: GPL-2.0
#include "rl/team.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY	UINT32_MAX

enum pending {
	PENDING_NONE,
	PENDING_DECIDED,
	PENDING_APPLIED,
};

struct group;

struct agent {
	enum pending pending;
	unsigned int output;
	bool quiet;		/* nobody else of the group had the turn when it decided */
	uint64_t seen;		/* how often the turn had been used then */

	struct group *group;	/* NULL: not coupled */
	uint32_t next;		/* of the group, in a ring */
	bool asleep;		/* the turn passes it over until it asks */
	uint64_t round;		/* of the group, of which ... */
	unsigned int refused;	/* ... it was refused so often */
};

struct group {
	unsigned int id, members;
	uint32_t holder;	/* of the turn, or NOBODY; then it is ... */
	uint32_t offered;	/* ... offered to this member */
	uint64_t round;		/* how often either has changed */
	uint64_t used;		/* how often somebody decided to hold it */
	struct group *next;
};

struct team {
	struct ddqn *ddqn;
	unsigned int features;
	struct agent *agent;	/* (n) */
	float *row_x;		/* (n, features) */
	unsigned int n;
	struct group *groups;
};

int team_new(struct ddqn *d, unsigned int features, struct team **ret)
{
	struct team *t;

	if (!features)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->ddqn = d;
	t->features = features;
	*ret = t;
	return 0;
}

void team_free(struct team *t)
{
	if (!t)
		return;
	while (t->groups) {
		struct group *g = t->groups;

		t->groups = g->next;
		free(g);
	}
	free(t->agent);
	free(t->row_x);
	free(t);
}

int team_add(struct team *t, unsigned int agent)
{
	const size_t n = (size_t)agent + 1;
	struct agent *a;
	float *x;

	if (agent >= TEAM_MAX)
		return -EINVAL;
	if (agent < t->n)
		return 0;
	a = realloc(t->agent, n * sizeof(*a));
	if (!a)
		return -ENOMEM;
	t->agent = a;
	x = realloc(t->row_x, n * t->features * sizeof(*x));
	if (!x)
		return -ENOMEM;
	t->row_x = x;
	memset(a + t->n, 0, (n - t->n) * sizeof(*a));
	t->n = n;
	return 0;
}

/* --- the turn ---------------------------------------------------------------------- */

/* Offers the turn to who comes after this member; if all sleep, to the next all the same. */
static void offer_after(struct team *t, struct group *g, uint32_t member)
{
	uint32_t to = t->agent[member].next;

	for (unsigned int i = 0; i < g->members && t->agent[to].asleep; i++)
		to = t->agent[to].next;
	g->holder = NOBODY;
	g->offered = to;
	g->round++;
}

static void give_back(struct team *t, uint32_t agent)
{
	struct group *g = t->agent[agent].group;

	if (g && g->holder == agent)
		offer_after(t, g, agent);
}

/* Who has the turn, or is offered it, is passed over. */
static void pass_over(struct team *t, struct group *g)
{
	const uint32_t late = g->holder != NOBODY ? g->holder : g->offered;

	/* Others change from now on: what it did can no longer be told from what they do. */
	if (g->holder != NOBODY)
		t->agent[late].pending = PENDING_NONE;
	t->agent[late].asleep = true;
	offer_after(t, g, late);
}

bool team_may_change(struct team *t, unsigned int agent)
{
	struct agent *a = &t->agent[agent];
	struct group *g = a->group;

	a->asleep = false;
	if (!g || g->holder == agent)
		return true;
	if (g->holder != NOBODY || g->offered != agent) {
		if (a->round != g->round)
			a->refused = 0;
		a->round = g->round;
		if (++a->refused <= TEAM_PATIENCE)
			return false;
		pass_over(t, g);
	}
	if (g->offered != agent)
		return false;
	g->holder = agent;
	g->round++;
	return true;
}

/* --- coupling ------------------------------------------------------------------------ */

static void uncouple(struct team *t, uint32_t agent)
{
	struct agent *a = &t->agent[agent];
	struct group *g = a->group, **at = &t->groups;
	uint32_t before = agent;

	if (!g)
		return;
	if (g->holder == agent || g->offered == agent)
		offer_after(t, g, agent);
	while (t->agent[before].next != agent)
		before = t->agent[before].next;
	t->agent[before].next = a->next;
	a->group = NULL;
	if (--g->members) {
		if (g->offered == agent)
			g->offered = a->next;
		return;
	}
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	free(g);
}

static struct group *group_get(struct team *t, unsigned int id)
{
	struct group *g;

	for (g = t->groups; g; g = g->next)
		if (g->id == id)
			return g;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	*g = (struct group){ .id = id, .holder = NOBODY, .next = t->groups };
	t->groups = g;
	return g;
}

int team_couple(struct team *t, unsigned int agent, unsigned int group)
{
	uint32_t first, last;
	struct agent *a;
	struct group *g;
	int r;

	r = team_add(t, agent);
	if (r < 0)
		return r;
	a = &t->agent[agent];
	if (a->group ? a->group->id == group : !group)
		return 0;
	g = group ? group_get(t, group) : NULL;
	if (group && !g)
		return -ENOMEM;
	uncouple(t, agent);
	a->pending = PENDING_NONE;
	if (!g)
		return 0;
	a->group = g;
	a->asleep = false;
	if (!g->members++) {
		a->next = agent;
		g->offered = agent;
		return 0;
	}
	/* Behind the one whose turn it is: the last of the ring as seen from there. */
	first = last = g->holder != NOBODY ? g->holder : g->offered;
	while (t->agent[last].next != first)
		last = t->agent[last].next;
	a->next = first;
	t->agent[last].next = agent;
	return 0;
}

/* --- intervals -------------------------------------------------------------------------- */

bool team_settle(struct team *t, unsigned int agent, float reward, const struct ddqn_obs *next,
		 bool learn)
{
	struct agent *a = &t->agent[agent];
	const bool quiet = !a->group || (a->quiet && a->group->used == a->seen);
	const bool own = a->pending == PENDING_APPLIED && quiet;

	if (own && learn)
		ddqn_remember(t->ddqn, t->row_x + (size_t)agent * t->features, a->output, reward,
			      next);
	a->pending = PENDING_NONE;
	give_back(t, agent);
	return own;
}

void team_rest(struct team *t, unsigned int agent)
{
	struct agent *a = &t->agent[agent];

	a->pending = PENDING_NONE;
	a->asleep = true;
	give_back(t, agent);
	if (a->group && a->group->holder == NOBODY && a->group->offered == agent)
		offer_after(t, a->group, agent);
}

void team_decided(struct team *t, unsigned int agent, const float *row_x, unsigned int output,
		  bool hold)
{
	struct agent *a = &t->agent[agent];
	struct group *g = a->group;

	a->pending = PENDING_DECIDED;
	a->output = output;
	memcpy(t->row_x + (size_t)agent * t->features, row_x, t->features * sizeof(*row_x));
	if (!g)
		return;
	if (!hold)
		give_back(t, agent);
	a->quiet = g->holder == NOBODY || g->holder == agent;
	g->used += g->holder == agent;
	a->seen = g->used;
}

void team_applied(struct team *t, unsigned int agent, bool applied)
{
	struct agent *a = agent < t->n ? &t->agent[agent] : NULL;

	if (!a || a->pending != PENDING_DECIDED)
		return;
	a->pending = applied ? PENDING_APPLIED : PENDING_NONE;
	if (!applied)
		give_back(t, agent);
}

void team_forget(struct team *t, unsigned int agent)
{
	if (agent >= t->n)
		return;
	uncouple(t, agent);
	t->agent[agent] = (struct agent){ 0 };
}
