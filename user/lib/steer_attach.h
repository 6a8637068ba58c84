/* SPDX-License-Identifier: GPL-2.0 */
/* What is attached to an interface, and attaching, for user/lib/steer*.c. */
#ifndef SLUICE_LIB_STEER_ATTACH_H
#define SLUICE_LIB_STEER_ATTACH_H

#include "lib/steer_priv.h"

enum steer_whose { STEER_NOBODYS, STEER_OURS, STEER_OTHER_ABI, STEER_FOREIGN };

struct steer_attached {
	enum steer_whose whose;
	__u32 prog_id;		/* ours, also where a dispatcher calls it; else what is attached */
	bool generic;
	/*
	 * libxdp's dispatcher: a program on the interface that calls several others, which are
	 * attached to it as extensions (freplace). Its id, 0 when there is none. Removing it
	 * would remove the others too, so only libxdp's tools may.
	 */
	__u32 dispatcher_id;
};

int steer_attached(int ifindex, struct steer_attached *ret, struct sl_err *e);
/* Chooses the variant by what the driver takes, and sets s->frags. */
int steer_attach(struct steer *s, enum steer_mode mode, struct sl_err *e);
/* Removes the program of prog_fd, and no other. */
int steer_detach(int ifindex, int prog_fd);

/*
 * Descriptors of the maps a program uses, by our names; -1 for those it does not use.
 * 0, -EMEDIUMTYPE when the program is not ours, -EPROTO when of another ABI, or another errno.
 */
int steer_open_maps_of(int prog_fd, int map[STEER_MAP_MAX]);
void steer_close_maps(int map[STEER_MAP_MAX]);
/* 0 when the map is the ABI map of this version; -EMEDIUMTYPE, -EPROTO as above. */
int steer_abi_of_map(int fd);
__u32 steer_map_id(int fd);	/* 0 when there is none */

#endif
