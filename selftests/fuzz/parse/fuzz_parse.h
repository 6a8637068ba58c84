/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SLUICE_FUZZ_PARSE_H
#define SLUICE_FUZZ_PARSE_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's name. Aborts when something does not hold. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* SLUICE_PARSED or an enum sluice_pass. */
int fuzz_parse_result(const uint8_t *data, size_t size, unsigned int *tunnel);

#endif
