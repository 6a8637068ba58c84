/* SPDX-License-Identifier: GPL-2.0 */
/* The pin directory of an attachment, for user/lib/steer*.c. */
#ifndef SLUICE_LIB_STEER_PINS_H
#define SLUICE_LIB_STEER_PINS_H

#include "lib/steer_priv.h"

#define STEER_PIN_SIZE	(STEER_DIR_SIZE + 32)

/* -ENOSYS with the remedy when bpffs is not mounted. */
int steer_bpffs_check(struct sl_err *e);
bool steer_pinned(const char *dir);
/* Pins what is not pinned yet; on failure what it pinned is gone again. */
int steer_pin(struct steer *s, struct sl_err *e);
/* Removes the pins by our names and the directory; nothing else. */
void steer_unpin(const char *dir);
/* A descriptor or a negative errno. */
int steer_open_pinned_map(const char *dir, enum steer_map map);
int steer_open_pinned_prog(const char *dir, enum steer_prog prog);

#endif
