/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which addresses are anonymised, and how: Crypto-PAn, with lengths kept apart (cryptopan.h), but
 * special addresses stay special.
 *
 *   IPv4   0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/4 and 255.255.255.255 stay as they are; of groups
 *          made from an AS number or a unicast prefix (233.0.0.0/8, 234.0.0.0/8) only that prefix
 *   IPv6   ::, ::1 and ff00::/8 stay; of fe80::/64 and ::ffff:0:0/96 the prefix, of
 *          solicited-node groups the first 104 bits, of groups made from a unicast prefix
 *          (RFC 3306 and 3956) the first 16
 *   MAC    the bits "group" and "locally administered" stay; other group addresses stay
 *          whole, those of IP groups are made anew from the IP address
 *
 * So that the mapping stays one-to-one and prefix-preserving over all addresses, no bit is flipped
 * on the way to a special prefix: an address keeps those of its leading bits, and one more, that
 * it has in common with one. For IPv4 that is at least its old class.
 *
 * Private, link-local, documentation and directed broadcast addresses are mapped as any other.
 */
#ifndef SLUICE_LIB_ANON_ADDR_H
#define SLUICE_LIB_ANON_ADDR_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cryptopan.h"

struct anon {
	struct cryptopan ip4, ip6, mac;		/* each by a key of its own, made from the one */
};

void anon_init(struct anon *a, const uint8_t key[CRYPTOPAN_KEY_BYTES]);
/* Each in place. */
void anon_ip4(const struct anon *a, uint8_t address[4]);
void anon_ip6(const struct anon *a, uint8_t address[16]);
void anon_mac(const struct anon *a, uint8_t address[6]);
/* Of a sender, where a group address is none and means nothing. */
void anon_mac_source(const struct anon *a, uint8_t address[6]);
/* A group of IP, whose MAC address holds bits of the IP address. */
bool anon_mac_of_group(const uint8_t address[6]);
/* The MAC address of a group, by the IP address (4 or 16 bytes); NULL: not known. */
void anon_mac_from_group(uint8_t address[6], const uint8_t *group, unsigned int group_bytes);

#endif
