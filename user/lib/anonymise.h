/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Capture files without payload and with other addresses (anon_frame.h). Records keep their order,
 * time stamps and original lengths; the file is a pcap file of the same link type, whatever the
 * format it was, so that names and comments of pcapng are gone.
 */
#ifndef SLUICE_LIB_ANONYMISE_H
#define SLUICE_LIB_ANONYMISE_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/sluice.h>

#include "lib/cryptopan.h"
#include "lib/err.h"

struct anonymise_stats {
	uint64_t packets;
	uint64_t bytes_in, bytes_out;	/* captured ones */
	uint64_t whole;			/* with all the headers that the parser reads */
	uint64_t cut[SLUICE_PASS_MAX];	/* by the parser's reason to stop before */
};

/*
 * The key in a file: 64 hexadecimal digits. A file that is not there is made, with a random
 * key and mode 0600 (*made); one that others may read is refused, as its key is known.
 */
int anonymise_key(const char *path, uint8_t key[CRYPTOPAN_KEY_BYTES], bool *made,
		  struct sl_err *e);
int anonymise_random_key(uint8_t key[CRYPTOPAN_KEY_BYTES], struct sl_err *e);
/* out appears when it is complete, or not at all; then stats is untouched. */
int anonymise_file(const char *in, const char *out, const uint8_t key[CRYPTOPAN_KEY_BYTES],
		   struct anonymise_stats *stats, struct sl_err *e);

#endif
