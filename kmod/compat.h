/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels we build for. Force-included in front of
 * every source, and the only place that knows a kernel version.
 */
#ifndef _SLUICE_COMPAT_H
#define _SLUICE_COMPAT_H

#include <linux/module.h>
#include <linux/version.h>

/* 6.2 made the kobject of kobj_type.get_ownership const. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define SLUICE_OWNERSHIP_CONST
#else
#define SLUICE_OWNERSHIP_CONST const
#endif

/* 6.16 made the attribute of bin_attribute.read and .write const. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define SLUICE_BIN_CONST
#else
#define SLUICE_BIN_CONST const
#endif

/*
 * 6.9 lets tc load qdiscs by this alias instead of the module's name. Its
 * header is not read yet here, so asking for the macro's name tells nothing.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
#define MODULE_ALIAS_NET_SCH(id) MODULE_ALIAS("net-sch-" id)
#endif

#endif /* _SLUICE_COMPAT_H */
