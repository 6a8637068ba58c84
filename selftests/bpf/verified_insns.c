// SPDX-License-Identifier: GPL-2.0
/*
 * verified_insns OBJECT: loads each program of the object, alone and without the daemon's library,
 * and prints "NAME COUNT", where COUNT is how many instructions the verifier walked. A program
 * that does not load has "-", with libbpf's and the verifier's words on standard error.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 0)))
static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level > LIBBPF_WARN)
		return 0;
	fputs("# ", stderr);
	return vfprintf(stderr, format, args);
}

/* Loads the index-th program. 0 with its name and count, 1: there is none, or an error. */
static int load_one(const char *path, int index, char *name, size_t name_bytes, __u32 *count)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog, *chosen = NULL;
	struct bpf_prog_info info = {};
	__u32 bytes = sizeof(info);
	struct bpf_map *map;
	int i = 0, r;

	if (!obj)
		return -errno;
	bpf_object__for_each_program(prog, obj) {
		bpf_program__set_autoload(prog, i == index);
		if (i++ == index)
			chosen = prog;
	}
	r = 1;
	if (!chosen)
		goto out;
	snprintf(name, name_bytes, "%s", bpf_program__name(chosen));
	/* Sizes do not matter to the verifier: spare the memory, and the pins of others. */
	bpf_object__for_each_map(map, obj)
		bpf_map__set_pin_path(map, NULL);
	r = bpf_object__load(obj);
	if (r)
		goto out;
	r = bpf_obj_get_info_by_fd(bpf_program__fd(chosen), &info, &bytes);
	if (!r)
		*count = info.verified_insns;
out:
	bpf_object__close(obj);
	return r;
}

int main(int argc, char **argv)
{
	char name[128];
	__u32 count = 0;
	int r = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: verified_insns OBJECT\n");
		return 2;
	}
	libbpf_set_print(print);
	for (int i = 0; ; i++) {
		name[0] = '\0';
		r = load_one(argv[1], i, name, sizeof(name), &count);
		if (r && !name[0])
			break;
		if (r) {
			fprintf(stderr, "# %s does not load: %s\n", name, strerror(-r));
			printf("%s -\n", name);
		} else {
			printf("%s %u\n", name, count);
		}
	}
	if (r == 1)
		return 0;
	fprintf(stderr, "# cannot open %s: %s\n", argv[1], strerror(-r));
	return 1;
}
