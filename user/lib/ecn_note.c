// SPDX-License-Identifier: GPL-2.0
#include "lib/ecn_note.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/sysfs.h"

#define VERSION		1
#define NOTES_MAX	4096

static json_t *raw_json(const struct ecn_raw *r)
{
	return json_pack("[I, I, I, I, i, i, i, i]", (json_int_t)r->qth_min,
			 (json_int_t)r->qth_max, (json_int_t)r->max_p,
			 (json_int_t)r->ce_threshold_us, r->wlog, r->plog, r->scell_log, r->flags);
}

static int raw_parse(json_t *j, struct ecn_raw *r)
{
	json_int_t min, max, p, ce;
	int wlog, plog, scell, flags;

	if (json_unpack(j, "[I, I, I, I, i, i, i, i!]", &min, &max, &p, &ce, &wlog, &plog, &scell,
			&flags) < 0)
		return -EBADMSG;
	*r = (struct ecn_raw) {
		.qth_min = (__u32)min,
		.qth_max = (__u32)max,
		.max_p = (__u32)p,
		.ce_threshold_us = (__u32)ce,
		.wlog = (__u8)wlog,
		.plog = (__u8)plog,
		.scell_log = (__u8)scell,
		.flags = (__u8)flags,
	};
	return 0;
}

static json_t *notes_json(const struct ecn_note *notes, size_t n)
{
	json_t *list = json_array();
	uint64_t netns;
	char boot[64];
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(list, json_pack(
			"{s:s, s:s, s:i, s:I, s:s, s:o, s:[o, o]}", "dev", notes[i].id.ifname,
			"parent", notes[i].id.parent, "ifindex", notes[i].ifindex,
			"handle", (json_int_t)notes[i].handle,
			"qdisc", ecn_backend(notes[i].backend)->name,
			"original", raw_json(&notes[i].original),
			"wrote", raw_json(&notes[i].wrote[0]), raw_json(&notes[i].wrote[1])));
	sysfs_origin(boot, &netns);
	return json_pack("{s:i, s:s, s:I, s:o}", "version", VERSION, "boot", boot, "netns",
			 (json_int_t)netns, "queues", list);
}

int ecn_notes_write(const char *path, const struct ecn_note *notes, size_t n, struct sl_err *e)
{
	char tmp[512];
	json_t *doc;
	int r = 0;

	if (n == 0) {
		if (unlink(path) < 0 && errno != ENOENT)
			return sl_err(e, -errno, "cannot remove %s: %s", path, strerror(errno));
		return 0;
	}
	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.new", path) >= sizeof(tmp))
		return sl_err(e, -ENAMETOOLONG, "%s is too long", path);
	doc = notes_json(notes, n);
	if (!doc || json_array_size(json_object_get(doc, "queues")) != n) {
		json_decref(doc);
		return sl_err(e, -ENOMEM, "out of memory");
	}
	/*
	 * Not synced: it has to survive this process and not the machine, whose end is that of the
	 * qdiscs, too.
	 */
	errno = 0;
	if (json_dump_file(doc, tmp, JSON_COMPACT) < 0 || rename(tmp, path) < 0)
		r = errno ? -errno : -EIO;
	json_decref(doc);
	if (r < 0) {
		unlink(tmp);
		return sl_err(e, r, "cannot note the operator's values in %s: %s; make its "
			      "directory, or set originals in [ecn]", path, strerror(-r));
	}
	return 0;
}

static int note_parse(json_t *j, struct ecn_note *note)
{
	const char *dev, *parent, *kind;
	json_t *original, *wrote0, *wrote1;
	json_int_t handle;

	memset(note, 0, sizeof(*note));
	if (json_unpack(j, "{s:s, s:s, s:i, s:I, s:s, s:o, s:[o, o]}", "dev", &dev,
			"parent", &parent, "ifindex", &note->ifindex, "handle", &handle,
			"qdisc", &kind, "original", &original, "wrote", &wrote0, &wrote1) < 0 ||
	    strlen(dev) >= sizeof(note->id.ifname) || strlen(parent) >= sizeof(note->id.parent))
		return -EBADMSG;
	strcpy(note->id.ifname, dev);
	strcpy(note->id.parent, parent);
	note->handle = (__u32)handle;
	note->backend = ecn_kind_of(kind);
	if (note->backend == ECN_KINDS || note->backend == ECN_SLUICE ||
	    raw_parse(original, &note->original) < 0 ||
	    raw_parse(wrote0, &note->wrote[0]) < 0 || raw_parse(wrote1, &note->wrote[1]) < 0)
		return -EBADMSG;
	return 0;
}

static int notes_parse(json_t *doc, struct ecn_note **notes, size_t *n)
{
	struct ecn_note *v;
	const char *boot;
	json_t *list, *one;
	uint64_t netns_now;
	json_int_t netns;
	char boot_now[64];
	int version;
	size_t i;

	if (json_unpack(doc, "{s:i, s:s, s:I, s:o}", "version", &version, "boot", &boot, "netns",
			&netns, "queues", &list) < 0 ||
	    version != VERSION || !json_is_array(list) || json_array_size(list) > NOTES_MAX)
		return -EBADMSG;
	sysfs_origin(boot_now, &netns_now);
	if (strcmp(boot, boot_now) || (uint64_t)netns != netns_now)
		return -ESTALE;
	v = calloc(json_array_size(list) + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	json_array_foreach(list, i, one) {
		if (note_parse(one, &v[i]) < 0) {
			free(v);
			return -EBADMSG;
		}
	}
	*notes = v;
	*n = json_array_size(list);
	return 0;
}

int ecn_notes_read(const char *path, struct ecn_note **notes, size_t *n, struct sl_err *e)
{
	json_error_t je;
	json_t *doc;
	int r;

	if (!sysfs_exists(path))
		return sl_err(e, -ENOENT, "there is no %s", path);
	doc = json_load_file(path, 0, &je);
	if (!doc)
		return sl_err(e, -EBADMSG, "%s is damaged (%s): the operator's values of the "
			      "qdiscs in it are lost", path, je.text);
	r = notes_parse(doc, notes, n);
	json_decref(doc);
	if (r == -ESTALE)
		return sl_err(e, r, "%s is of another boot or network namespace", path);
	if (r < 0)
		return sl_err(e, r, "%s cannot be read: %s", path, strerror(-r));
	return 0;
}

enum ecn_note_verdict ecn_note_check(const struct ecn_note *note, const struct qdisc_sample *s)
{
	if (note->ifindex != s->ifindex || note->handle != s->handle ||
	    note->backend != s->backend || strcmp(note->id.ifname, s->id.ifname) ||
	    strcmp(note->id.parent, s->id.parent))
		return ECN_NOTE_OTHER;
	if (ecn_raw_same(&note->wrote[0], &s->raw) || ecn_raw_same(&note->wrote[1], &s->raw))
		return ECN_NOTE_RESTORE;
	return ecn_raw_same(&note->original, &s->raw) ? ECN_NOTE_DONE : ECN_NOTE_FOREIGN;
}
