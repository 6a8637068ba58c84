/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Policy "model": each queue's thresholds by what "sluice train" made (policy/policy.h).
 * The agent of policy "learn" can start from what was made there, too.
 */
#ifndef SLUICE_DAEMON_ECN_MODEL_H
#define SLUICE_DAEMON_ECN_MODEL_H

#include "daemon/daemon.h"

/* Reads the model that the settings name, and tries it; nothing where they name another policy. */
int ecn_model_read(const struct settings *s, struct model *ret, struct sl_err *e);
/*
 * Policy "learn": the agent starts from the model that is named, if any, unless *crc says that it
 * did so already. -EINVAL: not a model of the agent.
 */
int ecn_model_teach(const struct settings *s, uint32_t *crc, struct ecn_agent *a, struct sl_err *e);

#endif
