/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How learners are saved: a header with the learner's shape, then its parameter arrays, under one
 * checksum. In the byte order of the machine.
 */
#ifndef SLUICE_RL_BLOB_H
#define SLUICE_RL_BLOB_H

#include <stddef.h>
#include <stdint.h>

struct blob_head {
	uint32_t magic, version;	/* of the learner's kind */
	uint32_t features, outputs, hidden[2];
	uint64_t n_params;		/* these four lines must agree with the learner's own */
	uint64_t updates;
	uint64_t adam_steps;
	uint32_t crc;			/* of the whole blob with this field 0 */
	uint32_t pad;
};
_Static_assert(sizeof(struct blob_head) == 56, "no hidden padding in what is saved");

struct blob_part {
	float *data;
	size_t n;
};

/* *blob is malloc()ed. -ENOMEM. */
int blob_save(const struct blob_head *head, const struct blob_part *part, size_t n, void **blob,
	      size_t *size);
/*
 * *head is the learner's own, and gets the counters. Another shape is -EINVAL; what is
 * damaged or not finite is -EBADMSG. Either writes nothing.
 */
int blob_load(struct blob_head *head, const struct blob_part *part, size_t n, const void *blob,
	      size_t size);

#endif
