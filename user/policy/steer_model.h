/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A steering agent in a model, kind "steer": which workloads it was trained on, so that nobody
 * judges it by them, and the agent's own blob, with the optimiser's state: learning can go on.
 */
#ifndef SLUICE_POLICY_STEER_MODEL_H
#define SLUICE_POLICY_STEER_MODEL_H

#include "policy/model.h"
#include "policy/steer_lab.h"

#define STEER_MODEL_KIND	"steer"

/* *m, zeroed before or a model, is the caller's. l: trained on its training half; may be NULL. */
int steer_model_set(struct model *m, const struct steer_lab *l, const struct steer_agent *a);
/* The agent knows what the model does. -EINVAL: of another kind; -EBADMSG: not what set() made. */
int steer_model_load(const struct model *m, struct steer_agent *a, struct sl_err *e);
/* Reads a file, and tries it: errors name the file. */
int steer_model_read(const char *path, struct model *ret, struct sl_err *e);
bool steer_model_trained_on(const struct model *m, const struct steer_workload *w);
/* A policy "agent" that acts as the model does, and learns nothing. */
int steer_model_policy(const struct model *m, struct steer_policy **ret, struct sl_err *e);

#endif
