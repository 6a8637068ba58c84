// SPDX-License-Identifier: GPL-2.0
/* The two learning agents and the model: making them, training in a time budget, the checkpoint. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/checkpoint.h"
#include "daemon/daemon.h"
#include "daemon/ecn_model.h"
#include "daemon/policies.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "policy/steer_model.h"

#define STEER_MODEL_PART	"steer_model"

static int new_agents(const struct settings *s, struct ecn_agent **ecn, struct steer_agent **steer,
		      struct sl_err *e)
{
	struct ecn_agent_config ec;
	struct steer_agent_config sc;
	int r;

	settings_ecn_agent(s, &ec);
	settings_steer_agent(s, &sc);
	r = ecn_agent_new(&ec, ecn);
	if (r < 0)
		return sl_err(e, r, "cannot make the ECN agent: %s", strerror(-r));
	r = steer_agent_new(&sc, steer);
	if (r < 0) {
		ecn_agent_free(*ecn);
		*ecn = NULL;
		*steer = NULL;
		return sl_err(e, r, "cannot make the steering agent: %s", strerror(-r));
	}
	return 0;
}

/* Of its average of loads the latest interval has a fifth, as was best on simulated CPUs. */
#define GREEDY_EWMA	0.2

/* NULL where no rule is asked for. */
static int new_greedy(const struct settings *s, struct steer_policy **ret, struct sl_err *e)
{
	const struct steer_policy_ops *ops = &steer_policy_ewma;
	struct steer_policy_config c;

	*ret = NULL;
	if (s->steer_policy == STEER_POLICY_LEARN || s->steer_policy == STEER_POLICY_STATIC)
		return 0;
	if (s->steer_policy == STEER_POLICY_RSSPP)
		ops = &steer_policy_rsspp;
	else if (s->steer_policy == STEER_POLICY_P2C)
		ops = steer_policy_find("p2c", e);
	if (!ops)
		return -ENOENT;
	steer_policy_config_default(&c);
	c.seed = s->seed;
	c.tuning.ewma = GREEDY_EWMA;
	c.tuning.max_moves = s->steer_max_moves;
	return steer_policy_new(ops, &c, ret, e);
}

static bool names_steer_model(const struct settings *s)
{
	return strcmp(s->steer_model, "none") != 0;
}

int agents_new(struct daemon *d, struct sl_err *e)
{
	struct model m = { 0 };
	int r = policies_new(&d->settings, &d->policies, e);

	if (r >= 0)
		r = new_agents(&d->settings, &d->ecn, &d->steer_agent, e);
	if (r >= 0)
		r = ecn_model_teach(&d->settings, &d->ecn_start_crc, d->ecn, e);
	if (r >= 0)
		r = new_greedy(&d->settings, &d->greedy, e);
	if (r < 0 || !names_steer_model(&d->settings))
		return r;
	r = steer_model_read(d->settings.steer_model, &m, e);
	if (r == 0)
		r = steer_model_load(&m, d->steer_agent, e);
	if (r == 0)
		d->steer_model_crc = model_crc(&m);
	model_free(&m);
	return r;
}

static void keep_ecn(const struct daemon *d, struct ecn_agent *ecn)
{
	void *blob;
	size_t size;

	if (ecn_agent_save(d->ecn, &blob, &size) < 0)
		return;
	if (ecn_agent_load(ecn, blob, size) < 0)
		log_notice("the ECN agent starts anew: its network has another shape now");
	free(blob);
}

static void keep_steer(const struct daemon *d, struct steer_agent *steer)
{
	void *blob;
	size_t size;

	if (steer_agent_save(d->steer_agent, &blob, &size) < 0)
		return;
	if (steer_agent_load(steer, blob, size) < 0)
		log_notice("the steering agent starts anew: its network has another shape now");
	free(blob);
}

static void free_agents(struct daemon *d)
{
	ecn_agent_free(d->ecn);
	steer_agent_free(d->steer_agent);
	steer_policy_free(d->greedy);
	d->ecn = NULL;
	d->greedy = NULL;
	d->steer_agent = NULL;
}

/* New agents for new settings that know what the old ones knew, or a model named since then. */
int agents_reconfigure(struct daemon *d, struct sl_err *e)
{
	const int others = policies_differ(d->policies, &d->settings, e);
	struct policies *policies = NULL;
	struct model start = { 0 };
	struct steer_policy *greedy = NULL;
	uint32_t crc = d->steer_model_crc, ecn_crc = d->ecn_start_crc;
	struct ecn_agent *ecn = NULL;
	struct steer_agent *steer = NULL;
	int r;

	r = others > 0 ? policies_new(&d->settings, &policies, e) : others;
	if (r == 0 && names_steer_model(&d->settings))
		r = steer_model_read(d->settings.steer_model, &start, e);
	if (r == 0)
		r = new_greedy(&d->settings, &greedy, e);
	if (r == 0)
		r = new_agents(&d->settings, &ecn, &steer, e);
	if (r == 0) {
		keep_ecn(d, ecn);
		r = ecn_model_teach(&d->settings, &ecn_crc, ecn, e);
	}
	if (r < 0) {
		ecn_agent_free(ecn);
		steer_agent_free(steer);
		steer_policy_free(greedy);
		policies_free(policies);
		model_free(&start);
		return r;
	}
	if (start.data && model_crc(&start) != crc && steer_model_load(&start, steer, NULL) == 0) {
		crc = model_crc(&start);
		log_notice("the steering agent starts from %s", d->settings.steer_model);
	} else {
		keep_steer(d, steer);
	}
	model_free(&start);
	free_agents(d);
	if (others) {
		policies_leave(d);
		policies_free(d->policies);
		d->policies = policies;
	}
	d->ecn = ecn;
	d->steer_agent = steer;
	d->greedy = greedy;
	d->steer_model_crc = crc;
	d->ecn_start_crc = ecn_crc;
	return 0;
}

static bool wants_checkpoint(const struct daemon *d)
{
	return strcmp(d->settings.checkpoint, "none") != 0;
}

/* Puts a refused file aside, so that nothing that might be of use is overwritten. */
static void put_aside(const char *path)
{
	char bad[PATH_MAX];

	snprintf(bad, sizeof(bad), "%s.bad", path);
	if (rename(path, bad) < 0)
		log_warning("cannot rename %s to %s: %s", path, bad, strerror(errno));
	else
		log_notice("%s is kept as %s", path, bad);
}

static int load_section(const struct checkpoint *c, const char *name,
			int (*load)(void *agent, const void *blob, size_t size), void *agent)
{
	const void *data;
	size_t size;
	int r;

	data = checkpoint_section(c, name, &size);
	if (!data)
		return 0;
	r = load(agent, data, size);
	if (r < 0)
		log_warning("the part '%s' of the checkpoint does not fit: %s", name, strerror(-r));
	return r;
}

static int load_ecn(void *agent, const void *blob, size_t size)
{
	return ecn_agent_load(agent, blob, size);
}

static int load_steer(void *agent, const void *blob, size_t size)
{
	return steer_agent_load(agent, blob, size);
}

/* Whether the checkpoint's steering agent is the one to go on with; notes what it began with. */
static bool goes_before_model(struct daemon *d, const struct checkpoint *c)
{
	uint32_t crc = 0;
	size_t size;
	const void *data = checkpoint_section(c, STEER_MODEL_PART, &size);

	if (data && size == sizeof(crc))
		memcpy(&crc, data, sizeof(crc));
	if (!names_steer_model(&d->settings))
		d->steer_model_crc = crc;
	return crc == d->steer_model_crc;
}

void agents_restore(struct daemon *d)
{
	const char *path = d->settings.checkpoint;
	struct checkpoint *c;
	struct sl_err e;
	bool fits;
	int r;

	if (!wants_checkpoint(d))
		return;
	r = checkpoint_read(path, &c, &e);
	if (r == -ENOENT) {
		log_info("no checkpoint at %s yet: learning starts fresh", path);
		return;
	}
	if (r < 0) {
		log_warning("%s", e.text);
		if (r == -EBADMSG || r == -EPROTO)
			put_aside(path);
		return;
	}
	fits = load_section(c, "ecn", load_ecn, d->ecn) == 0;
	if (goes_before_model(d, c))
		fits &= load_section(c, "steer", load_steer, d->steer_agent) == 0;
	else
		log_notice("the steering agent starts from %s; the checkpoint began without it",
			   d->settings.steer_model);
	checkpoint_free(c);
	if (fits)
		log_info("learned values restored from %s", path);
	else
		put_aside(path);
}

void agents_checkpoint(struct daemon *d)
{
	struct checkpoint_part parts[3] = {
		{ .name = "ecn" }, { .name = "steer" },
		{ STEER_MODEL_PART, &d->steer_model_crc, sizeof(d->steer_model_crc) },
	};
	void *ecn = NULL, *steer = NULL;
	struct sl_err e;
	int r;

	if (!wants_checkpoint(d))
		return;
	r = ecn_agent_save(d->ecn, &ecn, &parts[0].size);
	if (r == 0)
		r = steer_agent_save(d->steer_agent, &steer, &parts[1].size);
	if (r < 0) {
		sl_err(&e, r, "cannot prepare the checkpoint: %s", strerror(-r));
	} else {
		parts[0].data = ecn;
		parts[1].data = steer;
		r = checkpoint_write(d->settings.checkpoint, parts,
				     d->steer_model_crc ? 3 : 2, &e);
	}
	free(ecn);
	free(steer);
	if (r == 0)
		d->checkpoint_ns = monotonic_ns();
	else if (!d->checkpoint_failed)
		log_error("%s", e.text);
	d->checkpoint_failed = r < 0;
}

/*
 * A step cannot be cut short, so on a slow machine one may take longer than the
 * budget of an epoch. What it took too much, later epochs go without.
 */
void agents_train(struct daemon *d)
{
	const uint64_t budget = d->settings.learn_budget_us * 1000ULL, start = monotonic_ns();
	bool ecn = d->settings.ecn_policy == ECN_POLICY_LEARN && d->n_queues;
	bool steer = d->settings.steer_policy == STEER_POLICY_LEARN && d->n_links;
	uint64_t spent = d->train_debt_ns;
	unsigned int i;

	if (!d->settings.learn)
		return;
	for (i = 0; i < d->settings.learn_steps && (ecn || steer) && spent < budget; i++) {
		if (ecn)
			ecn = ecn_agent_train(d->ecn, 1) >= 0;
		if (steer)
			steer = steer_agent_train(d->steer_agent, 1) >= 0;
		spent = d->train_debt_ns + (monotonic_ns() - start);
	}
	d->train_debt_ns = spent > budget ? spent - budget : 0;
}

void agents_free(struct daemon *d)
{
	policies_leave(d);
	policies_free(d->policies);
	d->policies = NULL;
	free_agents(d);
}
