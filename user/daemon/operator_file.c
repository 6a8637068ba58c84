// SPDX-License-Identifier: GPL-2.0
/* The file of operator.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/operator.h"
#include "lib/sysfs.h"

#define VERSION		1
#define SIZE_MAX_BYTES	(1 << 20)

static json_t *state_json(const struct operator *o, const struct operator_stand *stands, size_t n)
{
	json_t *paused = json_array(), *stood = json_array();
	uint64_t netns;
	char boot[64];

	for (unsigned int i = 0; i < o->n_pauses; i++)
		json_array_append_new(paused, json_pack("{s:s, s:s}", "dev", o->pause[i].ifname,
							"parent", o->pause[i].parent));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(stood, json_pack(
			"{s:s, s:s, s:i, s:I, s:I}", "dev", stands[i].id.ifname,
			"parent", stands[i].id.parent, "ifindex", stands[i].ifindex,
			"handle", (json_int_t)stands[i].handle,
			"manual_gen", (json_int_t)stands[i].manual_gen));
	sysfs_origin(boot, &netns);
	return json_pack("{s:i, s:s, s:I, s:o, s:o}", "version", VERSION, "boot", boot,
			 "netns", (json_int_t)netns, "paused", paused, "stand_downs", stood);
}

/* A pause must survive the machine, too: it is on disk before it has the file's name. */
static int replace(const char *path, const json_t *doc)
{
	char tmp[512];
	int fd, r = 0;

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.new", path) >= sizeof(tmp))
		return -ENAMETOOLONG;
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	errno = 0;
	if (json_dumpfd(doc, fd, JSON_COMPACT) < 0 || fsync(fd) < 0)
		r = errno ? -errno : -EIO;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(tmp);
	return r;
}

int operator_file_write(const char *path, const struct operator *o,
			const struct operator_stand *stands, size_t n, struct sl_err *e)
{
	json_t *doc;
	int r;

	if (!o->n_pauses && !n) {
		if (unlink(path) < 0 && errno != ENOENT)
			return sl_err(e, -errno, "cannot remove %s: %s", path, strerror(errno));
		return 0;
	}
	doc = state_json(o, stands, n);
	r = doc ? replace(path, doc) : -ENOMEM;
	json_decref(doc);
	if (r < 0)
		return sl_err(e, r, "cannot note in %s what the operator said, so a restart would "
			      "forget it: %s; make its directory, or set operator in [daemon]",
			      path, strerror(-r));
	return 0;
}

static bool id_parse(const char *dev, const char *parent, struct qdisc_id *id)
{
	if (strlen(dev) >= sizeof(id->ifname) || strlen(parent) >= sizeof(id->parent))
		return false;
	strcpy(id->ifname, dev);
	strcpy(id->parent, parent);
	return true;
}

static int pauses_parse(json_t *list, struct operator *o)
{
	const char *dev, *parent;
	json_t *one;
	size_t i;

	if (json_array_size(list) > OPERATOR_PAUSES_MAX)
		return -EBADMSG;
	json_array_foreach(list, i, one)
		if (json_unpack(one, "{s:s, s:s}", "dev", &dev, "parent", &parent) < 0 ||
		    !id_parse(dev, parent, &o->pause[i]))
			return -EBADMSG;
	o->n_pauses = (unsigned int)json_array_size(list);
	return 0;
}

static int stands_parse(json_t *list, struct operator *o)
{
	json_int_t handle, gen;
	const char *dev, *parent;
	json_t *one;
	size_t i;

	o->restored = calloc(json_array_size(list) + 1, sizeof(*o->restored));
	if (!o->restored)
		return -ENOMEM;
	json_array_foreach(list, i, one) {
		struct operator_stand *s = &o->restored[i];

		if (json_unpack(one, "{s:s, s:s, s:i, s:I, s:I}", "dev", &dev, "parent", &parent,
				"ifindex", &s->ifindex, "handle", &handle, "manual_gen", &gen) < 0 ||
		    !id_parse(dev, parent, &s->id))
			return -EBADMSG;
		s->handle = (uint32_t)handle;
		s->manual_gen = (uint32_t)gen;
	}
	o->n_restored = json_array_size(list);
	return 0;
}

static int state_parse(json_t *doc, struct operator *o)
{
	json_t *paused, *stood;
	uint64_t netns_now;
	json_int_t netns;
	char boot_now[64];
	const char *boot;
	int version, r;

	if (json_unpack(doc, "{s:i, s:s, s:I, s:o, s:o}", "version", &version, "boot", &boot,
			"netns", &netns, "paused", &paused, "stand_downs", &stood) < 0 ||
	    version != VERSION || !json_is_array(paused) || !json_is_array(stood))
		return -EBADMSG;
	r = pauses_parse(paused, o);
	sysfs_origin(boot_now, &netns_now);
	if (r < 0 || strcmp(boot, boot_now) || (uint64_t)netns != netns_now)
		return r;	/* the qdiscs of another boot are gone */
	return stands_parse(stood, o);
}

int operator_file_read(const char *path, struct operator *ret, struct sl_err *e)
{
	/* A FIFO in its place must not block the daemon. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), r = -EBADMSG;
	struct operator o = { .n_pauses = 0 };
	json_t *doc = NULL;
	struct stat st;

	if (fd < 0) {
		r = -errno;
		return sl_err(e, r, "cannot read %s: %s", path, strerror(-r));
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= SIZE_MAX_BYTES)
		doc = json_loadfd(fd, 0, NULL);
	close(fd);
	if (doc)
		r = state_parse(doc, &o);
	json_decref(doc);
	if (r < 0) {
		free(o.restored);
		return sl_err(e, r, "%s is damaged, or not what this version writes: what the operator "
			      "paused, and which queues stood down, is not known any more", path);
	}
	*ret = o;
	return 0;
}
