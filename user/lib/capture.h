/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Capture files as Ethernet frames. Link types that carry IP behind a simple
 * header (raw IP, BSD loopback, Linux "cooked") get an Ethernet header in its
 * place; others are refused.
 */
#ifndef SLUICE_LIB_CAPTURE_H
#define SLUICE_LIB_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct capture;
struct pcap_pkthdr;

struct capture_frame {
	const uint8_t *data;	/* NULL: shorter than its link header */
	uint32_t bytes;		/* of data */
	uint32_t captured;	/* bytes in the file, link header included */
	uint32_t wire;		/* that the packet had, link header included */
	uint64_t time_ns;	/* since the epoch */
	const uint8_t *record;	/* as it is in the file: "captured" bytes */
	const struct pcap_pkthdr *header;
};

int capture_open(const char *path, struct capture **ret, struct sl_err *e);
void capture_close(struct capture *c);	/* accepts NULL */
/* 1 and a frame (until the next call), 0 at the end, or a negative errno for a damaged file. */
int capture_next(struct capture *c, struct capture_frame *ret, struct sl_err *e);
int capture_link_type(const struct capture *c);	/* DLT_* */
/* The bytes of the link header in the file, for which frames have an Ethernet header's. */
uint32_t capture_link_bytes(const struct capture *c);
/* For pcap_open_dead_with_tstamp_precision(): PCAP_TSTAMP_PRECISION_*. */
unsigned int capture_precision(const struct capture *c);
/* How much longer a frame is in the file than in capture_frame.data; may be negative. */
int capture_link_delta(const struct capture *c);

#endif
