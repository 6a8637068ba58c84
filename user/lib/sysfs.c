// SPDX-License-Identifier: GPL-2.0
#include "lib/sysfs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sysfs_read(const char *path, char *buf, size_t size)
{
	ssize_t n;
	int fd, r;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	r = n < 0 ? -errno : 0;
	close(fd);
	if (r < 0)
		return r;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return (int)n;
}

int sysfs_read_u32(const char *path, uint32_t *value)
{
	unsigned long v;
	char buf[32], *end;
	int r;

	r = sysfs_read(path, buf, sizeof(buf));
	if (r < 0)
		return r;
	errno = 0;
	v = strtoul(buf, &end, 10);
	if (end == buf || *end || errno || !isdigit((unsigned char)buf[0]) || v > UINT32_MAX)
		return -EINVAL;
	*value = (uint32_t)v;
	return 0;
}

/* Each write at the file's beginning, in one piece. */
static int put(int fd, const void *block, size_t size)
{
	ssize_t n = pwrite(fd, block, size, 0);

	return n < 0 ? -errno : n < (ssize_t)size ? -EIO : 0;
}

int sysfs_write_block(const char *path, const void *block, size_t size)
{
	int fd, r;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = put(fd, block, size);
	close(fd);
	return r;
}

int sysfs_write(const char *path, const char *text)
{
	return sysfs_write_block(path, text, strlen(text));
}

int sysfs_write_kept(const char *path, int *kept, const char *text)
{
	int fd, r;

	if (*kept) {
		r = put(*kept - 1, text, strlen(text));
		if (r != -ENODEV)
			return r;
		sysfs_close_kept(kept);
	}
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*kept = fd + 1;
	return put(fd, text, strlen(text));
}

void sysfs_close_kept(int *kept)
{
	if (*kept)
		close(*kept - 1);
	*kept = 0;
}

bool sysfs_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

void sysfs_origin(char boot[64], uint64_t *netns)
{
	struct stat st;

	if (sysfs_read("/proc/sys/kernel/random/boot_id", boot, 64) < 0)
		strcpy(boot, "unknown");
	*netns = stat("/proc/self/ns/net", &st) == 0 ? (uint64_t)st.st_ino : 0;
}
