// SPDX-License-Identifier: GPL-2.0
#include "policy/steer_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The payload: this, the workloads, the agent's blob. */
struct head {
	uint32_t version, workloads;
};

struct trained {
	char family[16];
	double load;
};

#define VERSION	1

int steer_model_set(struct model *m, const struct steer_lab *l, const struct steer_agent *a)
{
	struct head head = { VERSION, 0 };
	void *blob;
	size_t size, at = sizeof(head);
	char *data;
	int r = steer_agent_save(a, &blob, &size);

	if (r)
		return r;
	head.workloads = l ? (uint32_t)(l->n - l->tests) : 0;
	data = calloc(1, sizeof(head) + head.workloads * sizeof(struct trained) + size);
	if (!data) {
		free(blob);
		return -ENOMEM;
	}
	memcpy(data, &head, sizeof(head));
	for (size_t w = 0; l && w < l->n; w++) {
		struct trained t = { .load = l->workload[w].load };

		if (l->test[w])
			continue;
		snprintf(t.family, sizeof(t.family), "%s", l->workload[w].family);
		memcpy(data + at, &t, sizeof(t));
		at += sizeof(t);
	}
	memcpy(data + at, blob, size);
	free(blob);
	free(m->data);
	m->data = data;
	m->size = at + size;
	snprintf(m->kind, sizeof(m->kind), "%s", STEER_MODEL_KIND);
	return 0;
}

/* Where the blob begins; 0: not of that form. */
static size_t blob_at(const struct model *m, struct head *head)
{
	if (strcmp(m->kind, STEER_MODEL_KIND) || m->size < sizeof(*head))
		return 0;
	memcpy(head, m->data, sizeof(*head));
	if (head->version != VERSION || head->workloads > STEER_LAB_WORKLOADS)
		return 0;
	return sizeof(*head) + head->workloads * sizeof(struct trained);
}

int steer_model_load(const struct model *m, struct steer_agent *a, struct sl_err *e)
{
	struct head head;
	const size_t at = blob_at(m, &head);
	int r = -EBADMSG;

	if (strcmp(m->kind, STEER_MODEL_KIND))
		return sl_err(e, -EINVAL, "a model of kind '%s' is not for steering", m->kind);
	if (at && m->size > at)
		r = steer_agent_load(a, (const char *)m->data + at, m->size - at);
	if (r == -EINVAL)
		return sl_err(e, -EBADMSG, "the model's network has another shape than this "
			      "version's; train it again");
	return r ? sl_err(e, r, "the model's content is not that of a '%s'", m->kind) : 0;
}

bool steer_model_trained_on(const struct model *m, const struct steer_workload *w)
{
	struct head head;

	if (blob_at(m, &head) > m->size || !blob_at(m, &head))
		return false;
	for (uint32_t i = 0; i < head.workloads; i++) {
		struct trained t;

		memcpy(&t, (const char *)m->data + sizeof(head) + i * sizeof(t), sizeof(t));
		if (!strncmp(t.family, w->family, sizeof(t.family)) && t.load == w->load)
			return true;
	}
	return false;
}

int steer_model_policy(const struct model *m, struct steer_policy **ret, struct sl_err *e)
{
	struct steer_policy_config c;
	struct steer_policy *p;
	int r;

	steer_policy_config_default(&c);
	c.agent.explore = c.agent.learn = false;
	r = steer_policy_new(steer_policy_find("agent", NULL), &c, &p, e);
	if (r)
		return r;
	r = steer_model_load(m, steer_policy_agent(p), e);
	if (r)
		steer_policy_free(p);
	else
		*ret = p;
	return r;
}

int steer_model_read(const char *path, struct model *ret, struct sl_err *e)
{
	struct model m = { 0 };
	struct steer_policy *p;
	struct sl_err why;
	int r = model_read(path, &m, e);

	if (r)
		return r;
	r = steer_model_policy(&m, &p, &why);
	if (r) {
		model_free(&m);
		return sl_err(e, r, "%s: %s", path, why.text);
	}
	steer_policy_free(p);
	*ret = m;
	return 0;
}
