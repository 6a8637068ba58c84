// SPDX-License-Identifier: GPL-2.0
#include "policy/policy.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ecn_grid.h"
#include "daemon/reward_ecn.h"

static const struct policy_ops *const kinds[] = {
	&policy_static, &policy_bdp, &policy_time, &policy_pi, &policy_rules, &policy_lookup,
	&policy_linear, &policy_tree, &policy_network, &policy_identify, &policy_bandit,
	&policy_ddqn, &policy_ppo, &policy_qtree,
};

int policy_new(const struct model *m, struct policy **ret, struct sl_err *e)
{
	const struct policy_ops *ops = NULL;
	struct policy *p;
	int r;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i]->name, m->kind))
			ops = kinds[i];
	if (!ops)
		return sl_err(e, -EINVAL, "there is no policy '%s'", m->kind);
	p = calloc(1, ops->size);
	if (!p)
		return sl_err(e, -ENOMEM, "out of memory");
	p->ops = ops;
	r = ops->init(p, m);
	if (r) {
		policy_free(p);
		return sl_err(e, r, r == -ENOMEM ? "out of memory" :
			      "the model's content is not that of a '%s'", m->kind);
	}
	*ret = p;
	return 0;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	if (p->ops->fini)
		p->ops->fini(p);
	free(p);
}

struct qdisc_triple policy_start(struct policy *p, const struct ecn_interval *in)
{
	return p->ops->start(p, in);
}

int policy_decide(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t)
{
	const bool takes = p->ops->idle ? ecn_interval_ok(in) : ecn_interval_active(in);

	return takes ? p->ops->decide(p, in, t) : 0;
}

void policy_reset(struct policy *p)
{
	if (p->ops->reset)
		p->ops->reset(p);
}

struct qdisc_triple policy_step(const struct ecn_interval *in, double k_bytes)
{
	const double limit = fmin(in->limit_bytes, INT32_MAX);
	const uint32_t k = fmin(fmax(k_bytes, fmin(2.0 * in->mtu_bytes, limit)), limit);

	return (struct qdisc_triple){ k, k, 1000000 };
}

double policy_bdp_bytes(const struct ecn_interval *in)
{
	return in->capacity_bps * in->rtt_s;
}

double policy_template_bytes(const struct ecn_interval *in, double n)
{
	return fmin(policy_bdp_bytes(in) * exp2(n - POLICY_BELOW), POLICY_K_MAX);
}

bool policy_watch(struct policy_watch *w, const struct ecn_interval *in, double x[FEATURES])
{
	if (w->skip) {
		w->skip = false;
		return false;
	}
	feature_add(&w->sum, in);
	if (w->sum.epochs < POLICY_HOLD)
		return false;
	feature_get(&w->sum, x);
	*w = (struct policy_watch){ .skip = true, .told = w->told + 1 };
	return true;
}

void policy_move(const struct policy_watch *w, const struct ecn_interval *in, double log_ratio,
		 struct qdisc_triple *t)
{
	const double now = log2(fmax(in->setting.qth_min, 1) / policy_bdp_bytes(in));
	const double share = fmax(1.0 / w->told, POLICY_MOVE);

	*t = policy_step(in, fmin(policy_bdp_bytes(in) * exp2(now + share * (log_ratio - now)),
				  POLICY_K_MAX));
}
