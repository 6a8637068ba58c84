/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the parts of the parser have in common: where it reads, within which bounds. */
#ifndef SLUICE_PARSE_CURSOR_BPF_H
#define SLUICE_PARSE_CURSOR_BPF_H

#include <linux/types.h>
#include <linux/sluice.h>

#define PARSE_INLINE	static inline __attribute__((always_inline))
/*
 * Linux 6.1 takes bounded loops, but not every layout of one ("back-edge"): it
 * refuses the edge back when the instruction before the loop's head is no jump.
 */
#ifdef __clang__
#define PARSE_UNROLL	_Pragma("unroll")
#else
#define PARSE_UNROLL
#endif

/* Beside the enum sluice_pass, the reasons to pass: */
#define SLUICE_PARSED	(-1)	/* the key is complete */
#define SLUICE_PARSE_INSIDE (-2) /* complete, but sluice_parse_inner() may know a better one */
#define PARSE_GO_ON	(-3)	/* the next header comes */
#define PARSE_QUOTE	(-4)	/* an ICMP error: the packet it quotes comes */

/* Above what all headers together can be: 2 KB to a tunnel's, 4 KB of GTP-U's, 24 of IPv6's. */
#define PARSE_OFFSET_MASK	0x7fff
#define PARSE_BYTES_MASK	0xffff	/* all that an IP header can say */

struct parse_cursor {
	const void *data;	/* the frame */
	const void *end;
	const void *pos;	/* what is read next */
	__u32 bytes;		/* that the IP header says are left */
	__u32 inside;		/* SLUICE_INSIDE_* */
	__u32 tunnel;		/* enum sluice_tunnel that begins at pos */
	struct sluice_features *features;	/* or NULL, and nothing is done for them */
};

/* Whether the IP packet and the frame have as many bytes more. */
PARSE_INLINE int parse_holds(const struct parse_cursor *c, __u32 bytes)
{
	if (c->bytes < bytes)
		return SLUICE_PASS_bad_ip;
	if (c->pos + bytes > c->end)
		return SLUICE_PASS_truncated;
	return PARSE_GO_ON;
}

/* Goes over as many bytes, if they are there. */
PARSE_INLINE int parse_skip(struct parse_cursor *c, __u32 bytes)
{
	const int r = parse_holds(c, bytes);

	if (r == PARSE_GO_ON) {
		c->pos += bytes;
		c->bytes -= bytes;
	}
	return r;
}

/*
 * Changes nothing but what the verifier knows. It would follow all ways to get
 * here apart, since pos and bytes differ, and they multiply with those ahead. A
 * difference of pointers is an unknown number to it, so that all become one.
 */
PARSE_INLINE void parse_settle(struct parse_cursor *c)
{
	const void *pos = c->pos, *ip_end = c->data + (c->bytes & PARSE_BYTES_MASK);

	__asm__ volatile("" : "+r"(pos), "+r"(ip_end));	/* or the compiler sees through it */
	c->pos = c->data + ((pos - c->data) & PARSE_OFFSET_MASK);
	c->bytes = ip_end - c->data;
}

#endif
