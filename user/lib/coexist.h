/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What else on this host places packets, interrupts or XDP programs, and so
 * works with or against steering. "root" is as in probe_host.h.
 */
#ifndef SLUICE_LIB_COEXIST_H
#define SLUICE_LIB_COEXIST_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/probe_host.h"

#define COEXIST_IFS_MAX	8

struct coexist {
	int irqbalance_pid;		/* 0: not running */
	bool irqbalance_spares;		/* its arguments ban all interrupts of the device */
	unsigned int n_rps;		/* RX queues of the interface with an RPS mask */
	unsigned int n_rfs;		/* with a flow table (RFS) */
	bool forwards;			/* IP forwarding is on, or the interface is in a bridge */
	/* Other interfaces whose TX queue depends on the CPU (XPS). */
	unsigned int n_xps;
	char xps[COEXIST_IFS_MAX][IFNAMSIZ];	/* the first of them */
};

int coexist_read(const char *root, const char *ifname, const struct probe_queues *q,
		 struct coexist *out, struct sl_err *e);

/*
 * Whether this host forwards and moving a forwarded flow to another CPU can reorder it at
 * egress. A packet without a socket gets its TX queue packet by packet, from the CPU under XPS:
 * the first packets after a move overtake those that wait in the old queue. Nothing on the
 * receiving side can prevent that. Without XPS the queue comes from the flow's hash and stays.
 */
bool coexist_reorders(const struct coexist *c);

/* The XDP program on an interface, whoever's it is. */
struct coexist_xdp {
	uint32_t prog_id;		/* 0: none */
	char name[16];
	bool generic;
	bool dispatcher;		/* libxdp's: it calls other programs */
};
int coexist_xdp(int ifindex, struct coexist_xdp *out, struct sl_err *e);

/* Sentences for a log or a person: one per conflict, at most n; how many. */
struct coexist_warning {
	const char *name;		/* irqbalance, rps, xps: stable */
	char text[320];
};
size_t coexist_warnings(const struct coexist *c, const char *ifname,
			struct coexist_warning *out, size_t n);
/* All of the above for this machine; 0 when it cannot be found out. */
size_t coexist_check(const char *ifname, struct coexist_warning *out, size_t n);

#endif
