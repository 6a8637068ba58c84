// SPDX-License-Identifier: GPL-2.0
/*
 * "flip_model MODEL SEED OUT": a forged model. Bits of its payload are flipped, more and more, until the
 * policy that it makes is accepted and is another one; the checksum is right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rng.h"
#include "policy/model.h"
#include "policy/policy.h"

#define ATTEMPTS	100000
#define FLIPS		8

static void fail(const char *what)
{
	fprintf(stderr, "flip_model: %s\n", what);
	exit(1);
}

int main(int argc, char **argv)
{
	struct model m = { 0 }, forged = { 0 };
	struct policy *p;
	struct sl_err e = { "" };
	struct rng r;

	if (argc != 4)
		fail("needs a model, a seed and the file to write");
	if (model_read(argv[1], &m, &e) < 0)
		fail(e.text);
	rng_seed(&r, strtoull(argv[2], NULL, 10));
	for (int i = 0; i < ATTEMPTS; i++) {
		uint8_t *byte;

		model_free(&forged);
		if (model_copy(&m, &forged))
			fail("out of memory");
		byte = forged.data;
		for (int k = 0; k < FLIPS; k++)
			byte[rng_below(&r, (uint32_t)forged.size)] ^= 1u << rng_below(&r, 8);
		if (policy_new(&forged, &p, &e))
			continue;
		policy_free(p);
		if (model_write(&forged, argv[3], &e) < 0)
			fail(e.text);
		printf("accepted at attempt %d, %d bits of %zu bytes flipped\n", i + 1, FLIPS, forged.size);
		model_free(&forged);
		model_free(&m);
		return 0;
	}
	fail("no forgery was accepted");
}
