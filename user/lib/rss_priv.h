/* SPDX-License-Identifier: GPL-2.0 */
/* The one door from rss.c to the kernel, so that tests can put a NIC of their own behind it. */
#ifndef SLUICE_LIB_RSS_PRIV_H
#define SLUICE_LIB_RSS_PRIV_H

/* SIOCETHTOOL with a command structure; 0 or a negative errno. */
extern int (*rss_ethtool)(const char *ifname, void *command);

#endif
