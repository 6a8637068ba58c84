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

/* -errno, or 0 and the socket in *fd. */
static int send_request(const char *line, int *fd, struct sl_err *e)
{
	const size_t n = strlen(line);
	int r;

	*fd = open_socket(e);
	if (*fd < 0)
		return *fd;
	if (send(*fd, line, n, MSG_NOSIGNAL) == (ssize_t)n &&
	    send(*fd, "\n", 1, MSG_NOSIGNAL) == 1)
		return 0;
	r = sl_err(e, -errno, "cannot send to sluiced: %s", strerror(errno));
	close(*fd);
	return r;
}

int client_ask(json_t *request, json_t **reply, struct sl_err *e)
{
	char *line = json_dumps(request, JSON_COMPACT);
	const char *error;
	json_t *answer;
	int fd, r;

	json_decref(request);
	if (!line)
		return sl_err(e, -ENOMEM, "out of memory");
	r = send_request(line, &fd, e);
	free(line);
	if (r < 0)
		return r;
	answer = receive(fd, e);
	close(fd);
	if (!answer)
		return -EBADMSG;
	error = json_string_value(json_object_get(answer, "error"));
	if (error) {
		sl_err(e, -EPROTO, "sluiced: %s", error);
		json_decref(answer);
		return -EPROTO;
	}
	*reply = answer;
	return 0;
}

int client_request(const char *name, json_t **reply, struct sl_err *e)
{
	return client_ask(json_pack("{s:s}", "request", name), reply, e);
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
