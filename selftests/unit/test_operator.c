// SPDX-License-Identifier: GPL-2.0
/* The file of what operators said: what was written is read; what is forged is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/operator.h"
#include "lib/sysfs.h"

static char dir[] = "/tmp/sluice-operator-XXXXXX", path[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void put(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_round_trip(void **state)
{
	const struct operator_stand stands[] = {
		{ { "eth0", "1:a" }, 3, 0x100000, 7 },
		{ { "eth1", "root" }, 4294967, 0xffff0000, 4294967295U },
	};
	struct operator o = {
		.pause = { { "", "" }, { "eth0", "" }, { "eth0", "1:1" } }, .n_pauses = 3,
	}, got;
	struct sl_err e;

	(void)state;
	assert_int_equal(operator_file_write(path, &o, stands, 2, &e), 0);
	assert_int_equal(operator_file_read(path, &got, &e), 0);
	assert_int_equal(got.n_pauses, 3);
	assert_memory_equal(got.pause, o.pause, sizeof(o.pause));
	assert_int_equal(got.n_restored, 2);
	assert_memory_equal(got.restored, stands, sizeof(stands));
	free(got.restored);

	/* Nothing to keep, no file. */
	assert_int_equal(operator_file_write(path, &(struct operator){ 0 }, NULL, 0, &e), 0);
	assert_int_equal(operator_file_read(path, &got, &e), -ENOENT);
	assert_int_equal(operator_file_write(path, &(struct operator){ 0 }, NULL, 0, &e), 0);
	assert_int_equal(operator_file_write("/nonexistent/x", &o, NULL, 0, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/x"));
}

/* Of another boot only the pauses are left: the qdiscs are gone. */
static void test_other_boot(void **state)
{
	struct operator got;
	struct sl_err e;

	(void)state;
	put("{\"version\":1,\"boot\":\"another\",\"netns\":1,\"paused\":[{\"dev\":\"eth0\","
	    "\"parent\":\"\"}],\"stand_downs\":[{\"dev\":\"eth0\",\"parent\":\"root\","
	    "\"ifindex\":1,\"handle\":1,\"manual_gen\":1}]}");
	assert_int_equal(operator_file_read(path, &got, &e), 0);
	assert_int_equal(got.n_pauses, 1);
	assert_string_equal(got.pause[0].ifname, "eth0");
	assert_int_equal(got.n_restored, 0);
	free(got.restored);
}

static void refused(const char *text)
{
	struct operator got = { .n_pauses = 77 };
	struct sl_err e;

	put(text);
	assert_int_equal(operator_file_read(path, &got, &e), -EBADMSG);
	assert_int_equal(got.n_pauses, 77);
	assert_non_null(strstr(e.text, path));
}

static void test_forged(void **state)
{
	char text[16384], boot[64];
	uint64_t netns;
	int n;

	(void)state;
	sysfs_origin(boot, &netns);
	refused("");
	refused("{");
	refused("[]");
	refused("{\"version\":2,\"boot\":\"x\",\"netns\":1,\"paused\":[],\"stand_downs\":[]}");
	refused("{\"version\":1,\"boot\":\"x\",\"netns\":1,\"paused\":{},\"stand_downs\":[]}");
	refused("{\"version\":1,\"boot\":\"x\",\"netns\":1,\"paused\":[5],\"stand_downs\":[]}");
	refused("{\"version\":1,\"boot\":\"x\",\"netns\":1,\"paused\":[{\"dev\":"
		"\"a-name-that-is-too-long\",\"parent\":\"\"}],\"stand_downs\":[]}");
	snprintf(text, sizeof(text), "{\"version\":1,\"boot\":\"%s\",\"netns\":%llu,\"paused\":[],"
		 "\"stand_downs\":[{\"dev\":\"eth0\"}]}", boot, (unsigned long long)netns);
	refused(text);
	/* One pause more than there is room for. */
	n = snprintf(text, sizeof(text), "{\"version\":1,\"boot\":\"x\",\"netns\":1,\"paused\":[");
	for (int i = 0; i <= OPERATOR_PAUSES_MAX; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "%s{\"dev\":\"eth%d\",\"parent\":\"\"}", i ? "," : "", i);
	snprintf(text + n, sizeof(text) - (size_t)n, "],\"stand_downs\":[]}");
	refused(text);

	/* A FIFO does not block. */
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(operator_file_read(path, &(struct operator){ 0 }, &(struct sl_err){ "" }),
			 -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_other_boot),
		cmocka_unit_test(test_forged),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
