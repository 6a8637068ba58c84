/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A policy that was trained or tuned, in a file:
 *
 *	sluice-model 2
 *	kind tree
 *	command sluice train ecn ...
 *	bytes 1234
 *	crc32 89abcdef
 *	(an empty line, then so many bytes of payload in the byte order of the machine)
 *
 * The checksum is of kind, command and payload. A model that comes from outside is not trusted:
 * every policy looks at its payload before it uses it.
 *
 * A model may have a calibration, which says what the states were like that it was made from
 * (novelty.h). Then its version is 3, the line "calibration BYTES" follows "bytes", that many bytes
 * follow the payload, and the checksum is of them, too. Whoever reads version 2 alone says so.
 */
#ifndef SLUICE_POLICY_MODEL_H
#define SLUICE_POLICY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

/* Others for other features or payloads. */
#define MODEL_VERSION		"2"
#define MODEL_VERSION_CALIBRATED "3"
#define MODEL_KIND_MAX		16
#define MODEL_COMMAND_MAX	1024
#define MODEL_BYTES_MAX		(64 << 20)

struct model {
	char kind[MODEL_KIND_MAX];
	char command[MODEL_COMMAND_MAX];
	void *data;
	size_t size;
	void *calibration;	/* of calibration_size bytes; NULL: none */
	size_t calibration_size;
};

/* Copies the payload, or n numbers as the payload. The rest of the model stays. -ENOMEM. */
int model_set(struct model *m, const char *kind, const void *data, size_t size);
int model_set_numbers(struct model *m, const char *kind, const double *number, size_t n);
/* The payload as numbers, all finite; else NULL. */
const double *model_numbers(const struct model *m, size_t *n);
void model_free(struct model *m);	/* leaves it empty */
/* *ret is the caller's. -ENOMEM. */
int model_copy(const struct model *m, struct model *ret);

/*
 * The names of the models that are built in: user/policy/ecn.model, the best of the ladder, and
 * ecn_tree.model, a tree that was distilled from it.
 */
#define MODEL_SHIPPED		"shipped"
#define MODEL_SHIPPED_TREE	"shipped-tree"
bool model_is_builtin(const char *name);

/* Replaces the file at once, or leaves it. */
int model_write(const struct model *m, const char *path, struct sl_err *e);
/* Of a file, or built in. */
int model_read(const char *path, struct model *ret, struct sl_err *e);
/* Of kind, command, payload and calibration. */
uint32_t model_crc(const struct model *m);

#endif
