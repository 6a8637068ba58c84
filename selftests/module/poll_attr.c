// SPDX-License-Identifier: GPL-2.0
/*
 * Waits until a file in sysfs notifies of a change.
 *
 *	poll_attr FILE MILLISECONDS
 *
 * Prints "ready" when it waits, and then "changed" or "timeout".
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct pollfd p = { .events = POLLPRI | POLLERR };
	char text[4096];
	int n;

	if (argc != 3) {
		fprintf(stderr, "usage: poll_attr FILE MILLISECONDS\n");
		return 2;
	}
	p.fd = open(argv[1], O_RDONLY);
	if (p.fd < 0 || read(p.fd, text, sizeof(text)) < 0) {
		perror(argv[1]);
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	n = poll(&p, 1, atoi(argv[2]));
	if (n < 0) {
		perror("poll");
		return 1;
	}
	printf("%s\n", n && p.revents & POLLPRI ? "changed" : "timeout");
	return 0;
}
