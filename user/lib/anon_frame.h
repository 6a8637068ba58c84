/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One Ethernet frame without its payload and with other addresses. What bpf/parse.bpf.h makes of
 * the frame stays the same but for the addresses: the key's ports and protocol, or the reason why
 * there is none.
 *
 * Kept are the headers that the parser reads, as far as they are whole: Ethernet, VLAN, MPLS and
 * PPPoE headers, IP with its extension headers, the transport header, of a tunnel the packet
 * inside, of an ICMP error the quoted one, and ARP. Mapped (anon_addr.h) are all addresses there,
 * and the gateway of an ICMP redirect. What else could hold an address or payload is overwritten
 * where it is, so that lengths stay: IPv4 options by no-ops, IPv6 options by padding, routing
 * headers, integrity checks of AH, options of Geneve and GTP-U by zeros, and options of TCP
 * except MSS, window scale, SACK and timestamps by no-ops.
 *
 * Checksums are updated by what changed (RFC 1624): one that was right for the packet is right for
 * the packet with new addresses and the old payload, and a wrong one stays wrong. Not so
 * behind a routing header or a home address, which say elsewhere what address counts.
 */
#ifndef SLUICE_LIB_ANON_FRAME_H
#define SLUICE_LIB_ANON_FRAME_H

#include "lib/anon_addr.h"

/* out has room for size bytes; returns how many of them the new frame has. */
uint32_t anon_frame(const struct anon *a, const uint8_t *in, uint32_t size, uint8_t *out);

#endif
