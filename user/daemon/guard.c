// SPDX-License-Identifier: GPL-2.0
#include "daemon/guard.h"

#include <string.h>

static const struct {
	const char *name, *text;
	bool go;
} verdicts[] = {
#define X(name, go, text) { #name, text, go },
	GUARD_VERDICTS(X)
#undef X
};

const char *guard_verdict_name(enum guard_verdict v)
{
	return v < GUARD_N ? verdicts[v].name : "?";
}

const char *guard_verdict_text(enum guard_verdict v)
{
	return v < GUARD_N ? verdicts[v].text : "?";
}

bool guard_go(enum guard_verdict v)
{
	return v < GUARD_N && verdicts[v].go;
}

/* Takes a token if there is one. A second's worth may be saved up. */
static bool take_token(const struct guard_config *c, struct guard_object *o, uint64_t now_ns)
{
	double elapsed;

	if (o->tokens_at_ns == 0) {
		o->tokens = c->changes_per_s;
	} else if (now_ns > o->tokens_at_ns) {
		elapsed = (double)(now_ns - o->tokens_at_ns) / 1e9;
		o->tokens += elapsed * c->changes_per_s;
		if (o->tokens > c->changes_per_s)
			o->tokens = c->changes_per_s;
	}
	o->tokens_at_ns = now_ns;
	if (o->tokens < 1)
		return false;
	o->tokens -= 1;
	return true;
}

enum guard_verdict guard_watch(const struct guard_config *c, struct guard_object *o,
			       const struct guard_queue *q)
{
	bool manual = o->known && o->manual_gen != q->manual_gen && !o->just_released &&
		      !q->left_alone;

	o->known = true;
	o->just_released = false;
	o->manual_gen = q->manual_gen;
	if (manual && c->stand_down_ns)
		o->stand_down_until_ns = q->now_ns + c->stand_down_ns;
	else if (manual)
		o->until_released = true;
	if (o->paused)
		return GUARD_paused;
	if (q->hold)
		return GUARD_hold;
	if (manual)
		return GUARD_manual;
	return guard_stands_down(o, q->now_ns) ? GUARD_stand_down : GUARD_allowed;
}

bool guard_stands_down(const struct guard_object *o, uint64_t now_ns)
{
	return o->until_released || now_ns < o->stand_down_until_ns;
}

bool guard_release(struct guard_object *o, uint64_t now_ns)
{
	bool was = guard_stands_down(o, now_ns);

	o->until_released = false;
	o->stand_down_until_ns = 0;
	o->just_released = true;
	return was;
}

void guard_restore(struct guard_object *o, uint32_t manual_gen)
{
	o->known = true;
	o->manual_gen = manual_gen;
	o->until_released = true;
}

static uint32_t clamp(uint32_t v, uint32_t low, uint32_t high)
{
	return v < low ? low : v > high ? high : v;
}

enum guard_verdict guard_triple(const struct guard_config *c, struct guard_object *o,
				const struct guard_queue *q, const struct qdisc_triple *want,
				struct qdisc_triple *out)
{
	/* A threshold beyond the limit would never be reached: tail drop comes first. */
	uint32_t high = c->qth_high < q->limit_bytes ? c->qth_high : q->limit_bytes;
	struct qdisc_triple t;

	if (o->paused)
		return GUARD_paused;
	if (q->hold)
		return GUARD_hold;
	if (guard_stands_down(o, q->now_ns))
		return GUARD_stand_down;
	if (c->qth_low > high || c->max_p_low > c->max_p_high || want->qth_min > want->qth_max)
		return GUARD_infeasible;
	t.qth_min = clamp(want->qth_min, c->qth_low, high);
	t.qth_max = clamp(want->qth_max, c->qth_low, high);
	t.max_p = clamp(want->max_p, c->max_p_low, c->max_p_high);
	if (q->learned && !memcmp(&t, &q->current, sizeof(t)))
		return GUARD_unchanged;
	if (!take_token(c, o, q->now_ns))
		return GUARD_rate_limited;
	*out = t;
	return memcmp(&t, want, sizeof(t)) ? GUARD_clamped : GUARD_allowed;
}

enum guard_verdict guard_move(const struct guard_config *c, struct guard_object *o,
			      uint64_t now_ns, bool hold, unsigned int moves, uint16_t from,
			      uint16_t to)
{
	if (o->paused)
		return GUARD_paused;
	if (hold)
		return GUARD_hold;
	if (to >= SLUICE_MAX_CPUS || !c->cpu_allowed[to])
		return GUARD_cpu_not_allowed;
	if (from == to)
		return GUARD_unchanged;
	if (moves >= c->moves_per_epoch)
		return GUARD_too_many_moves;
	if (!take_token(c, o, now_ns))
		return GUARD_rate_limited;
	return GUARD_allowed;
}
