/* SPDX-License-Identifier: GPL-2.0 */
/* A place below a device where sluice qdiscs are, and its directory; see sysfs.c. */
#ifndef _SLUICE_SLOT_H
#define _SLUICE_SLOT_H

#include <linux/kobject.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "sluice.h"

struct sluice_devdir;

struct sluice_slot {
	struct kobject kobj;
	struct hlist_node node;
	struct sluice_devdir *devdir;
	struct net_device *dev;
	u32 parent;
	struct mutex lock;		/* of the list, and of writers of settings */
	struct list_head qdiscs;	/* newest first */
	struct kernfs_node *source;	/* the file, for who polls it */
	struct delayed_work leases;	/* looks when a lease may have run out */
};

/* attrs.c: the files of the directory. */
extern const struct sysfs_ops sluice_sysfs_ops;
extern const struct attribute_group *sluice_slot_groups[];
extern const struct bin_attribute sluice_tree_attr;

#endif /* _SLUICE_SLOT_H */
