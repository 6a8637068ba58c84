// SPDX-License-Identifier: GPL-2.0
/*
 * The parser of the XDP program (bpf/parse.bpf.h), compiled for user space, on
 * arbitrary frames. The sanitizers see a byte read outside of the frame; what
 * else must hold of every input is checked here:
 *
 *  - where the plain attempt comes to a result, the full one has the same;
 *  - a frame that is cut has the result of the whole one, or is truncated;
 *  - a key is normalised, and has the bucket of its mirror image.
 *
 * Linked with libFuzzer it searches; with fuzz_main.c it runs files.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../bpf/parse.bpf.h"
#include <sluice/hash.h>

#include "fuzz_parse.h"

static void must(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_parse: %s\n", what);
	abort();
}

static int parse(const uint8_t *data, size_t size, struct sluice_flow_key *key)
{
	struct sluice_flow_key plain = { 0 }, rare = { 0 };
	const int p = sluice_parse_plain(data, data + size, &plain);
	int r;

	*key = plain;
	r = sluice_parse_rare(data, data + size, key);	/* on what plain left, as the program does */
	must(r == SLUICE_PARSED || (r >= 0 && r < SLUICE_PASS_no_target), "a result of neither kind");
	must(sluice_parse_rare(data, data + size, &rare) == r, "the plain attempt changed the result");
	if (r == SLUICE_PARSED)
		must(!memcmp(key, &rare, sizeof(rare)), "the plain attempt left something in the key");
	if (p != SLUICE_PARSE_RARE) {
		must(p == r, "plain and full result differ");
		must(r != SLUICE_PARSED || !memcmp(&plain, &rare, sizeof(rare)),
		     "plain and full key differ");
	}
	return r;
}

static void check_key(const struct sluice_flow_key *k)
{
	static const uint8_t zero[12];
	struct sluice_flow_key mirror = *k;

	must(k->family == 4 || k->family == 6, "a family of neither kind");
	must(!k->pad, "padding is not 0");
	if (k->family == 4)
		must(!memcmp(k->saddr + 4, zero, 12) && !memcmp(k->daddr + 4, zero, 12),
		     "more than four bytes of an IPv4 address");
	memcpy(mirror.saddr, k->daddr, sizeof(mirror.saddr));
	memcpy(mirror.daddr, k->saddr, sizeof(mirror.daddr));
	mirror.sport = k->dport;
	mirror.dport = k->sport;
	must(sluice_bucket_of(&mirror) == sluice_bucket_of(k), "the mirror has another bucket");
}

int fuzz_parse_result(const uint8_t *data, size_t size)
{
	struct sluice_flow_key key;

	return parse(data, size, &key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sluice_flow_key key, cut_key;
	const int r = parse(data, size, &key);
	uint8_t *cut;
	int c;

	if (r == SLUICE_PARSED)
		check_key(&key);
	if (!size)
		return 0;
	/* A copy of its own for every length, so that a read behind the cut is out of bounds. */
	for (size_t n = size > 192 ? size - 192 : 0; n < size; n++) {
		cut = malloc(n ? n : 1);
		must(!!cut, "out of memory");
		memcpy(cut, data, n);
		c = parse(cut, n, &cut_key);
		must(c == SLUICE_PASS_truncated ||
		     (c == r && (r != SLUICE_PARSED || !memcmp(&key, &cut_key, sizeof(key)))),
		     "a cut frame has another result");
		free(cut);
	}
	return 0;
}
