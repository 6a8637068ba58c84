// SPDX-License-Identifier: GPL-2.0
/* Configuration, the lease, and time as the programs count it. */
#include "lib/steer.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/steer_priv.h"

#define GAP_MS	100	/* that no ring takes longer to drain, unless the caller knows better */

/*
 * User space cannot see HZ, but both clocks through steer_ctl. 120 ms are 30
 * ticks at 250 and 36 at 300, so that a tick more or less does not deceive.
 */
static int measure_hz(struct steer *s)
{
	static const unsigned int known[] = { 100, 250, 300, 1000 };
	const __u64 span_ns = 120 * 1000 * 1000;
	struct sluice_ctl now = { .op = SLUICE_CTL_CLOCK };
	double hz, best = 1e9;
	int r;

	r = steer_ctl_run(s, &now);
	if (r)
		return r;
	if (now.time_ns - s->clock.time_ns < span_ns) {
		struct timespec rest = { .tv_nsec = span_ns - (now.time_ns - s->clock.time_ns) };

		nanosleep(&rest, NULL);
		r = steer_ctl_run(s, &now);
		if (r)
			return r;
	}
	hz = (now.jiffies - s->clock.jiffies) * 1e9 / (now.time_ns - s->clock.time_ns);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		double off = hz > known[i] ? hz / known[i] : known[i] / hz;

		if (off < best) {
			best = off;
			s->hz = known[i];
		}
	}
	return 0;
}

int steer_ticks(struct steer *s, unsigned int ms, __u32 *ticks)
{
	int r = s->hz ? 0 : measure_hz(s);

	if (!r)
		*ticks = ((__u64)ms * s->hz + 999) / 1000;
	return r;
}

static bool is_mask(__u32 m)
{
	return !(m & (m + 1));
}

static const __u32 known_flags = SLUICE_STEER_F_SAMPLE | SLUICE_STEER_F_ANNOUNCE |
	SLUICE_STEER_F_ADMIT | SLUICE_STEER_F_ORDER | SLUICE_STEER_F_SLOW_TICK |
	SLUICE_STEER_F_NO_HOLD | SLUICE_STEER_F_NO_CACHE;

int steer_set_config(struct steer *s, const struct sluice_steer_config *c, struct sl_err *e)
{
	struct sluice_steer_config full = *c;
	__u32 zero = 0, ticks = 0;
	int r = 0;

	if (c->flags & ~known_flags || !is_mask(c->sample_mask) || !is_mask(c->announce_mask) ||
	    !is_mask(c->order_mask))
		return sl_err(e, -EINVAL, "flags %#x, sample_mask %#x, announce_mask %#x, order_mask "
			      "%#x: a mask must be a power of two less one", c->flags,
			      c->sample_mask, c->announce_mask, c->order_mask);
	if (c->inside & ~(__u32)SLUICE_INSIDE_ALL)
		return sl_err(e, -EINVAL, "inside %#x: there are no such tunnels", c->inside);
	if (!full.gap_ticks || !(full.flags & SLUICE_STEER_F_SLOW_TICK))
		r = steer_ticks(s, GAP_MS, &ticks);
	if (!full.gap_ticks)
		full.gap_ticks = ticks + 1;
	if (s->hz < 1000)
		full.flags |= SLUICE_STEER_F_SLOW_TICK;
	if (!r)
		r = bpf_map_update_elem(s->map[STEER_MAP_config], &zero, &full, BPF_ANY);
	if (r)
		return sl_err(e, r, "cannot write the configuration of %s: %s", s->dev.ifname,
			      strerror(-r));
	return 0;
}

int steer_get_config(struct steer *s, struct sluice_steer_config *c, struct sl_err *e)
{
	struct sluice_steer_config now;
	__u32 zero = 0;
	int r;

	r = bpf_map_lookup_elem(s->map[STEER_MAP_config], &zero, &now);
	if (r)
		return sl_err(e, r, "cannot read the configuration of %s: %s", s->dev.ifname,
			      strerror(-r));
	*c = now;
	return 0;
}

int steer_lease_renew(struct steer *s, unsigned int ms, __u32 generation, struct sl_err *e)
{
	struct sluice_ctl ctl = { .op = SLUICE_CTL_LEASE, .generation = generation };
	__u32 ticks = 0;
	int r = 0;

	if (ms && (ms < SLUICE_LEASE_MS_MIN || ms > SLUICE_LEASE_MS_MAX))
		return sl_err(e, -EINVAL, "a lease is %u to %u ms, not %u", SLUICE_LEASE_MS_MIN,
			      SLUICE_LEASE_MS_MAX, ms);
	if (ms)
		r = steer_ticks(s, ms, &ticks);
	if (!r) {
		ctl.lease_jiffies = ticks;
		r = steer_ctl_run(s, &ctl);
	}
	if (r)
		return sl_err(e, r, "cannot renew the lease on %s: %s", s->dev.ifname,
			      strerror(-r));
	return 0;
}
