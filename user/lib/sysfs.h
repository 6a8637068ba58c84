/* SPDX-License-Identifier: GPL-2.0 */
/* Small files of sysfs and procfs: one value each. */
#ifndef SLUICE_LIB_SYSFS_H
#define SLUICE_LIB_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a file into buf without the newline at its end; its length or -errno. */
int sysfs_read(const char *path, char *buf, size_t size);
int sysfs_read_u32(const char *path, uint32_t *value);
/* One write() of text. 0 or -errno, as the kernel's store function answered. */
int sysfs_write(const char *path, const char *text);
/* The same of bytes. */
int sysfs_write_block(const char *path, const void *block, size_t size);
/*
 * The same for a file that is written often: *kept is its descriptor + 1, which stays open, or 0.
 * Of a file that was removed meanwhile, the one that is at path now is opened and written.
 */
int sysfs_write_kept(const char *path, int *kept, const char *text);
void sysfs_close_kept(int *kept);
bool sysfs_exists(const char *path);
/* What the kernel's objects belong to: its boot, and the network namespace that we are in. */
void sysfs_origin(char boot[64], uint64_t *netns);

#endif
