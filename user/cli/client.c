// SPDX-License-Identifier: GPL-2.0
#include "cli/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_SOCKET	"/run/sluice/sluiced.sock"
#define REPLY_MAX	(4 << 20)
#define TIMEOUT_S	5

const char *client_socket(void)
{
	const char *s = getenv("SLUICE_SOCKET");

	return s && *s ? s : DEFAULT_SOCKET;
}

static int open_socket(struct sl_err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = TIMEOUT_S };
	const char *path = client_socket();
	int fd, r;

	if (strlen(path) >= sizeof(a.sun_path))
		return sl_err(e, -ENAMETOOLONG, "the socket path %s is too long", path);
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return sl_err(e, -errno, "cannot open a socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	r = -errno;
	close(fd);
	if (r == -EACCES)
		return sl_err(e, r, "no permission to ask sluiced at %s: run as root", path);
	return sl_err(e, -ENOTCONN,
		      "sluiced does not run (nothing answers at %s): 'systemctl start sluiced', or "
		      "set SLUICE_SOCKET to its socket", path);
}

static json_t *receive(int fd, struct sl_err *e)
{
	json_t *reply = NULL;
	json_error_t why;
	char *buf = malloc(REPLY_MAX);
	size_t used = 0;
	ssize_t n = 0;

	if (!buf) {
		sl_err(e, -ENOMEM, "out of memory");
		return NULL;
	}
	while (used < REPLY_MAX && !memchr(buf + (used ? used - 1 : 0), '\n', used ? 1 : 0)) {
		n = recv(fd, buf + used, REPLY_MAX - used, 0);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	if (n < 0)
		sl_err(e, -errno, "sluiced did not answer within %d s", TIMEOUT_S);
	else if (!(reply = json_loadb(buf, used, 0, &why)))
		sl_err(e, -EBADMSG, "the answer of sluiced is no JSON: %s", why.text);
	free(buf);
	return reply;
}

/* One line of JSON; the newline takes the place of the terminating NUL. */
static int send_request(int fd, const json_t *request, struct sl_err *e)
{
	char *line = request ? json_dumps(request, JSON_COMPACT) : NULL;
	size_t n;
	int r = 0;

	if (!line)
		return sl_err(e, -ENOMEM, "out of memory");
	n = strlen(line) + 1;
	line[n - 1] = '\n';
	if (send(fd, line, n, MSG_NOSIGNAL) != (ssize_t)n)
		r = sl_err(e, errno ? -errno : -EIO, "cannot send to sluiced: %s", strerror(errno));
	free(line);
	return r;
}

int client_request(const char *name, json_t **reply, struct sl_err *e)
{
	return client_ask(json_pack("{s:s}", "request", name), reply, e);
}

int client_ask(json_t *request, json_t **reply, struct sl_err *e)
{
	const char *error;
	json_t *r;
	int fd, n;

	fd = open_socket(e);
	n = fd < 0 ? fd : send_request(fd, request, e);
	json_decref(request);
	if (n < 0) {
		if (fd >= 0)
			close(fd);
		return n;
	}
	r = receive(fd, e);
	close(fd);
	if (!r)
		return -EBADMSG;
	error = json_string_value(json_object_get(r, "error"));
	if (error) {
		sl_err(e, -EPROTO, "sluiced: %s", error);
		json_decref(r);
		return -EPROTO;
	}
	*reply = r;
	return 0;
}

double get_num(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

const char *get_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

bool get_flag(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}
