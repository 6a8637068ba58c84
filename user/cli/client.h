/* SPDX-License-Identifier: GPL-2.0 */
/* Asking sluiced over its socket. */
#ifndef SLUICE_CLI_CLIENT_H
#define SLUICE_CLI_CLIENT_H

#include <stdbool.h>

#include <jansson.h>

#include "lib/err.h"

/*
 * The daemon's answer to {"request": name}; the caller's reference. The socket is that of the
 * environment variable SLUICE_SOCKET, by default /run/sluice/sluiced.sock. -ENOTCONN: no daemon
 * answers there.
 */
int client_request(const char *name, json_t **reply, struct sl_err *e);
/* The same for a request with more to it, the reference to which is given up. */
int client_ask(json_t *request, json_t **reply, struct sl_err *e);
/* Where the daemon is asked. */
const char *client_socket(void);

/* A member of an object in the answer; 0, "" and false when it is not there. */
double get_num(const json_t *o, const char *key);
const char *get_text(const json_t *o, const char *key);
bool get_flag(const json_t *o, const char *key);

#endif
