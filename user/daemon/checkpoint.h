/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The checkpoint file: what the agents have learned, as named sections that
 * the container does not look into.
 *
 *   magic     8 bytes   "SLUICECK"
 *   version   u32       CHECKPOINT_VERSION
 *   count     u32       number of sections
 *   head_crc  u32       CRC-32 of the bytes before it
 *   then per section
 *     name    16 bytes  NUL-padded
 *     size    u64       bytes of data
 *     crc     u32       CRC-32 of name, size and data
 *     data
 *
 * Integers are in the order of the machine that wrote them; a file from a
 * machine of the other order is refused as one of another version. It is
 * replaced as a whole (temporary file, fsync, rename, fsync of the directory):
 * a reader sees the old one or the new one.
 */
#ifndef SLUICE_DAEMON_CHECKPOINT_H
#define SLUICE_DAEMON_CHECKPOINT_H

#include <stddef.h>

#include "lib/err.h"

#define CHECKPOINT_VERSION	1
#define CHECKPOINT_NAME_SIZE	16
#define CHECKPOINT_MAX_SECTIONS	16

/* One section to write; name shorter than CHECKPOINT_NAME_SIZE. */
struct checkpoint_part {
	const char *name;
	const void *data;
	size_t size;
};

int checkpoint_write(const char *path, const struct checkpoint_part *parts, size_t n,
		     struct sl_err *e);

struct checkpoint;

/*
 * Reads and verifies the whole file. -ENOENT: there is none; -EBADMSG: it is torn, damaged or
 * no checkpoint; -EPROTO: it has another version.
 */
int checkpoint_read(const char *path, struct checkpoint **ret, struct sl_err *e);
/* The data of a section, which live as long as c; NULL when there is no such section. */
const void *checkpoint_section(const struct checkpoint *c, const char *name, size_t *size);
void checkpoint_free(struct checkpoint *c);	/* accepts NULL */

#endif
