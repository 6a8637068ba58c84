// SPDX-License-Identifier: GPL-2.0
/* Captures as traffic of the multi-core simulator. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim/cpus_traffic.h"

#define S	1000000000ULL

/*
 * Three UDP packets of two flows and one that is not IP, cut to 60 bytes; with times 1 s, 2 s, 2
 * s, 4 s.
 */
static void write_capture(const char *path)
{
	static const uint8_t frame[60] = {
		[12] = 8, [14] = 0x45, [16] = 3, [17] = 0xe8 - 14, [22] = 64, [23] = 17,
		[26] = 10, [29] = 1, [30] = 10, [33] = 2, [35] = 5, [37] = 6, [38] = 3, [39] = 0xc6,
	};
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
	pcap_dumper_t *out = pcap_dump_open(pcap, path);

	assert_non_null(out);
	for (int i = 0; i < 4; i++) {
		struct pcap_pkthdr h = { .caplen = sizeof(frame), .len = 1000 };
		uint8_t f[sizeof(frame)];

		memcpy(f, frame, sizeof(f));
		h.ts.tv_sec = i ? i == 3 ? 4 : 2 : 1;
		f[35] = i == 3 ? 9 : 5;
		if (i == 1)
			f[13] = 6;
		pcap_dump((u_char *)out, &h, f);
	}
	pcap_dump_close(out);
	pcap_close(pcap);
}

static void test_capture(void **state)
{
	char path[] = "/tmp/test_cpus.XXXXXX";
	struct cpus_traffic_params t;
	struct cpus_traffic *made;
	struct cpus_capture cap;
	struct cpus_arrival a;
	uint32_t bucket = 0;
	struct sl_err e;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	write_capture(path);
	assert_int_equal(cpus_capture_read(path, &cap, &e), 0);
	assert_true(cap.n_packets == 3 && cap.n_flows == 2 && cap.not_steered == 1);
	assert_true(cap.packet[1].time_ns == S && cap.packet[2].time_ns == 3 * S);
	assert_true(cap.packet[2].bytes == 1000 && cap.duration_ns == 3 * S);
	assert_true(cap.key[1].sport == 9 << 8 && cap.key[1].dport == 6 << 8);
	cpus_traffic_params_default(&t);
	t.rate_pps = 1000;
	t.zipf_share = 0;
	t.capture_share = 1;
	t.capture = &cap;
	/* 4 s of a gap more stand for 3 packets, which are to take 3 ms. */
	assert_int_equal(cpus_traffic_new(&t, 1, &made, &e), 0);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(cpus_traffic_next(made, &a), 0);
		if (i == 2)
			bucket = a.bucket;
		assert_true(i % 3 != 2 || a.bucket == bucket);
		assert_true(fabs((double)a.time_ns -
				 (i / 3 * 4 + (i % 3) * (i % 3 + 1) / 2) * 0.75e6) < 2000);
	}
	cpus_traffic_free(made);
	cpus_capture_free(&cap);
	assert_int_equal(ftruncate(fd, 10), 0);
	assert_int_equal(cpus_capture_read(path, &cap, &e), -EINVAL);
	assert_non_null(strstr(e.text, path));
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capture),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
