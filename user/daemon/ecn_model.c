// SPDX-License-Identifier: GPL-2.0
#include "daemon/ecn_model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/learned.h"

int ecn_model_read(const struct settings *s, struct model *ret, struct sl_err *e)
{
	struct model m = { 0 };
	struct policy *p;
	struct sl_err why;
	int r;

	if (s->ecn_policy != ECN_POLICY_MODEL)
		return 0;
	r = model_read(s->ecn_model, &m, e);
	if (r)
		return r;
	r = policy_new(&m, &p, &why);
	if (r) {
		model_free(&m);
		return sl_err(e, r, "%s: %s", s->ecn_model, why.text);
	}
	policy_free(p);
	*ret = m;
	return 0;
}

int ecn_model_teach(const struct settings *s, uint32_t *crc, struct ecn_agent *a, struct sl_err *e)
{
	struct model m;
	const void *blob;
	double first;
	size_t size;
	int r;

	if (s->ecn_policy != ECN_POLICY_LEARN || !strcmp(s->ecn_model, MODEL_SHIPPED))
		return 0;
	r = model_read(s->ecn_model, &m, e);
	if (r)
		return r;
	blob = learned_blob(&m, &first, &size);
	if (strcmp(m.kind, policy_ddqn.name))
		r = sl_err(e, -EINVAL, "%s: a model of %s; the agent of [ecn] policy = learn starts "
			   "from one of %s", s->ecn_model, m.kind, policy_ddqn.name);
	else if (*crc != model_crc(&m) && (!blob || ecn_agent_load(a, blob, size)))
		r = sl_err(e, -EBADMSG, "%s: its network is not that of the agent; train it again",
			   s->ecn_model);
	if (!r)
		*crc = model_crc(&m);
	model_free(&m);
	return r;
}
