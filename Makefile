# SPDX-License-Identifier: GPL-2.0
#
# sluice: "make help" says what there is. Everything built lands in build/.

.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

VERSION	:= 0.1.0
PREFIX	?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR	?= /lib/systemd/system
DESTDIR	?=
B	:= build

# The headers of the running kernel if they are here, else the newest installed.
KDIR	?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	   $(shell ls -dv /usr/src/linux-headers-*-$(DEBARCH) 2>/dev/null | grep -v common | tail -n 1))
DEBARCH	:= $(shell dpkg --print-architecture 2>/dev/null || echo amd64)
# What uname -r says there; include/config/kernel.release is something else on Debian.
KREL	 = $(shell awk -F '"' '{ print $$2 }' $(KDIR)/include/generated/utsrelease.h 2>/dev/null)

CC	:= gcc
CLANG	?= clang
BPFTOOL	?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
STRIP	?= llvm-strip
PKGS	:= libbpf libelf zlib libnl-3.0 libnl-route-3.0 libsystemd jansson inih libpcap nettle
LAB_PKGS := sqlite3 gsl

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s\n' "$(1)" "$(2)"
endif

# A sanitizer build has its own tree, so that objects never mix.
ifeq ($(SAN),1)
B	:= build/san
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif

OPT	?= -O2
CFLAGS	:= $(OPT) -g -std=gnu11 -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes \
	   -Wshadow -fstack-protector-strong -D_GNU_SOURCE -DSLUICE_VERSION='"$(VERSION)"' \
	   -DSLUICE_SYSCONFDIR='"$(SYSCONFDIR)"' -Iinclude -Iinclude/uapi -Iuser -I$(B)/include \
	   $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(SANFLAGS) $(EXTRA_CFLAGS)
# The learning core is float32 loops: let the compiler vectorise its reductions.
NUMFLAGS := -O3 -fno-math-errno -fno-trapping-math -fassociative-math -fno-signed-zeros
LDLIBS	:= $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm
# What campaigns need, and nobody else who is linked with the rest.
LAB_LIBS := $(shell pkg-config --libs $(LAB_PKGS) 2>/dev/null)
LDFLAGS	:= $(SANFLAGS)
BPF_ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/;s/ppc64le/powerpc/')
BPF_CFLAGS := -O2 -g -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Wextra -Werror -Wno-unused-parameter \
	   -Iinclude -Iinclude/uapi -isystem /usr/include/$(shell $(CC) -print-multiarch)

src	= $(filter-out %.bpf.c,$(sort $(wildcard $(1)/*.c)))
obj	= $(patsubst %.c,$(B)/%.o,$(call src,$(1)))

# Dependency order of user space: lib <- guard, nn <- rl <- sim, the agents <- policy <- distill, lab <- cli, daemon.
# The agents' logic is the daemon's, but they decide in the simulators, too.
AGENT_OBJS  := $(patsubst %,$(B)/user/daemon/%.o,agent_net ecn_agent ecn_grid reward_ecn steer_agent \
	       steer_loads steer_publish steer_view reward_steer guard capacity learner_core)
CORE_OBJS   := $(foreach d,user/lib user/guard user/nn user/rl user/sim user/policy \
	       user/distill,$(call obj,$(d))) $(AGENT_OBJS)
DAEMON_OBJS := $(call obj,user/daemon)
CLI_OBJS    := $(call obj,user/cli)
UNIT_BINS   := $(patsubst %.c,$(B)/%,$(sort $(wildcard selftests/unit/test_*.c)))
BPFT_OBJS   := $(patsubst %.bpf.c,$(B)/%.bpf.o,$(sort $(wildcard selftests/bpf/*.bpf.c)))
BPFT_BINS   := $(patsubst %.c,$(B)/%,$(sort $(wildcard selftests/bpf/test_*.c) $(wildcard selftests/bpf/verified_insns.c)))
FUZZ_BINS   := $(patsubst %.c,$(B)/%,$(sort $(wildcard selftests/fuzz/fuzz_*.c)))
MODT_BINS   := $(patsubst %.c,$(B)/%,$(sort $(wildcard selftests/module/*.c)))
LAB_BINS    := $(patsubst %.c,$(B)/%,$(call src,selftests/lab))
RL_ENV_OBJS := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard selftests/rl/env_*.c)))
RL_BINS     := $(patsubst %.c,$(B)/%,$(wildcard selftests/rl/known_results.c))
FUZZ_CORPUS := $(B)/selftests/fuzz/parse/fuzz_corpus
BENCH_BINS  := $(patsubst %.c,$(B)/%,$(sort $(wildcard selftests/bench/bench_*.c)))
BENCH_PARTS := $(filter-out $(BENCH_BINS:%=%.o) %.bpf.o,$(call obj,selftests/bench))
BENCH_BPF   := $(patsubst %.bpf.c,$(B)/%.bpf.o,$(sort $(wildcard selftests/bench/*.bpf.c)))
BPF_PARTS   := $(patsubst %.bpf.c,$(B)/%.part.o,$(sort $(wildcard bpf/*.bpf.c)))
BPF_OBJ	    := $(B)/xdp_steer.bpf.o
SKEL	    := $(B)/include/xdp_steer.skel.h $(B)/include/probe.skel.h

.PHONY: all kmod kmod-tests bpf user tests check static fuzz bench install dkms clean help
all: user kmod		## build everything
user: $(B)/sluiced $(B)/sluice	## build the daemon and the command line tool
bpf: $(BPF_OBJ)		## build the XDP object

# The module is built in a directory per kernel release that links to the
# sources, so that flavours never mix.
KOUT	= $(B)/kmod/$(KREL)
KMOD_FLAGS ?= W=1 KCFLAGS=-Werror
kmod:			## build the module for KDIR, else the newest installed headers
	@test -n "$(KREL)" || { echo "no kernel headers at KDIR='$(KDIR)': run scripts/install_deps.sh, or set KDIR=" >&2; exit 1; }
	$(Q)mkdir -p $(KOUT)
	$(Q)ln -sfn $(CURDIR)/Kbuild $(KOUT)/Kbuild
	$(Q)ln -sfn $(CURDIR)/include $(KOUT)/include
	$(Q)for f in $(CURDIR)/kmod/*.[ch]; do ln -sfn $$f $(KOUT)/$$(basename $$f); done
	$(call say,KBUILD,$(KOUT))
	$(Q)$(MAKE) --no-print-directory -C $(KDIR) M=$(CURDIR)/$(KOUT) $(KMOD_FLAGS) \
		$(if $(Q),-s,V=1) modules
# Modules that test our code inside a kernel; scripts/vm_kmod.sh asks for them.
kmod-tests: kmod
	$(Q)mkdir -p $(KOUT)/tests
	$(Q)ln -sfn $(CURDIR)/include $(KOUT)/tests/include
	$(Q)ln -sfn $(CURDIR)/selftests $(KOUT)/tests/selftests
	$(Q)for f in $(CURDIR)/selftests/kunit/Kbuild $(CURDIR)/selftests/kunit/*.[ch]; do \
		ln -sfn $$f $(KOUT)/tests/$$(basename $$f); done
	$(call say,KBUILD,$(KOUT)/tests)
	$(Q)$(MAKE) --no-print-directory -C $(KDIR) M=$(CURDIR)/$(KOUT)/tests $(KMOD_FLAGS) \
		$(if $(Q),-s,V=1) modules

tests: $(UNIT_BINS) $(BPFT_BINS) $(MODT_BINS) $(FUZZ_BINS) $(FUZZ_CORPUS) $(LAB_BINS) $(RL_BINS) $(BENCH_BINS)	## build the test programs
check: all tests	## run every test (scripts/selftest.sh)
	$(Q)scripts/selftest.sh
static:			## run sparse, cppcheck, clang-tidy over the module (scripts/static_checks.sh)
	$(Q)scripts/static_checks.sh
fuzz: $(B)/selftests/fuzz/parse/fuzz_parse	## build the fuzzer of the parser (clang's libFuzzer)
bench: user bpf $(BENCH_BINS)	## run the benchmarks (selftests/bench)
	$(Q)selftests/bench/run.sh

install: user		## install below DESTDIR with PREFIX
	install -D -m 0755 $(B)/sluiced $(DESTDIR)$(PREFIX)/sbin/sluiced
	install -D -m 0755 $(B)/sluice $(DESTDIR)$(PREFIX)/sbin/sluice
	install -D -m 0644 $(BPF_OBJ) $(DESTDIR)$(PREFIX)/lib/sluice/xdp_steer.bpf.o
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/include/linux include/uapi/linux/sluice*.h
	install -D -m 0644 user/daemon/sluice.conf $(DESTDIR)$(SYSCONFDIR)/sluice/sluice.conf
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|@PREFIX@|$(PREFIX)|;s|@SYSCONFDIR@|$(SYSCONFDIR)|' user/daemon/sluiced.service.in \
		> $(DESTDIR)$(UNITDIR)/sluiced.service
	for m in Documentation/man/*.8 Documentation/man/*.5; do \
		install -D -m 0644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; done
	ko=$(KOUT)/sch_sluice.ko; if [ -n "$(KREL)" ] && [ -e "$$ko" ]; then \
		install -D -m 0644 $$ko $(DESTDIR)/lib/modules/$(KREL)/updates/sch_sluice.ko; fi

# What "make kmod" needs, where "dkms install sluice/VERSION" looks for it.
DKMS_SRC = $(DESTDIR)/usr/src/sluice-$(VERSION)
dkms:			## install the module's sources for DKMS below DESTDIR
	install -d $(DKMS_SRC)
	for f in Makefile Kbuild LICENSE kmod/*.[ch] include/sluice/*.h include/uapi/linux/sluice*.h; do \
		install -D -m 0644 $$f $(DKMS_SRC)/$$f || exit 1; done
	sed 's|@VERSION@|$(VERSION)|' packaging/dkms/dkms.conf.in > $(DKMS_SRC)/dkms.conf

clean:			## remove build/
	$(Q)rm -rf build

help:			## this list
	@awk -F '[:#]+' '/^[a-z]+:.*##/ { printf "  make %-9s%s\n", $$1, $$NF }' $(MAKEFILE_LIST)
	@echo '  V=1 shows commands, SAN=1 builds with sanitizers (build/san), KDIR= chooses kernel headers,'
	@echo '  DESTDIR= and PREFIX= place an installation.'

# --- user space ---------------------------------------------------------

$(B)/sluiced: $(DAEMON_OBJS) $(B)/libsluice.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/sluice: $(CLI_OBJS) $(B)/liblab.a $(B)/libsluice.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LAB_LIBS) $(LDLIBS)
$(B)/liblab.a: $(call obj,user/lab)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/libsluice.a: $(CORE_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^
# What the daemon consists of, less main(): for tests.
$(B)/libsluiced.a: $(filter-out %/main.o,$(DAEMON_OBJS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/user/nn/%.o $(B)/user/rl/%.o $(B)/user/sim/%.o $(B)/user/policy/fitted.o $(B)/user/policy/novelty.o: CFLAGS += $(NUMFLAGS)
# The parser reads headers where they are, at even offsets, as the kernel does on this machine.
$(B)/user/lib/frame_key.o $(B)/user/lib/anon_frame.o: CFLAGS += -fno-sanitize=alignment
$(B)/user/policy/model.o: user/policy/ecn.model user/policy/ecn_tree.model	# which it has built in
$(B)/user/lab/store_create.o: user/lab/schema.sql
$(B)/%.o: %.c | $(SKEL)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# --- tests: one program per file, linked with everything -----------------

# Environments with known solutions.
$(B)/libenvs.a: $(RL_ENV_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/selftests/%: CFLAGS += -Iselftests
$(B)/selftests/unit/%: $(B)/selftests/unit/%.o $(B)/libenvs.a $(B)/liblab.a $(B)/libsluiced.a $(B)/libsluice.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $^ -lcmocka $(LAB_LIBS) $(LDLIBS)
$(B)/selftests/bpf/%: $(B)/selftests/bpf/%.o $(B)/libsluice.a | $(BPFT_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)
$(RL_BINS): $(B)/%: $(B)/%.o $(B)/libenvs.a $(B)/libsluice.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(MODT_BINS): $(B)/%: $(B)/%.o
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LDLIBS)
$(FUZZ_BINS): $(B)/%: $(B)/%.o $(B)/libsluice.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LDLIBS)
$(LAB_BINS): $(B)/%: $(B)/%.o $(B)/liblab.a $(B)/libsluiced.a $(B)/libsluice.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LAB_LIBS) $(LDLIBS)
$(BENCH_BINS): $(B)/%: $(B)/%.o $(BENCH_PARTS) $(B)/libsluiced.a $(B)/libsluice.a | $(BENCH_BPF)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# --- fuzzing: the parser for user space, always with sanitizers. Headers in a
# frame are aligned to two bytes only, as the kernel has them on this machine.

FUZZ_CFLAGS := -O1 -g -std=gnu11 -Wall -Wextra -Werror -Iinclude -Iinclude/uapi \
	   -fno-omit-frame-pointer -fno-sanitize-recover=all
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize=alignment
FUZZ_DEPS := $(wildcard selftests/fuzz/parse/*.h bpf/parse*.bpf.h include/uapi/linux/sluice*.h) include/sluice/hash.h
$(FUZZ_CORPUS): selftests/fuzz/parse/fuzz_parse.c selftests/fuzz/parse/fuzz_main.c $(FUZZ_DEPS)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(FUZZ_CFLAGS) $(FUZZ_SAN) -o $@ $(filter %.c,$^)
$(B)/selftests/fuzz/parse/fuzz_parse: selftests/fuzz/parse/fuzz_parse.c $(FUZZ_DEPS)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) $(FUZZ_SAN) -fsanitize=fuzzer -o $@ $<

# --- BPF: every bpf/*.bpf.c is a part of the one object ------------------

$(B)/bpf/%.part.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<
	$(Q)$(STRIP) -g $@
$(BPFT_OBJS) $(BENCH_BPF): $(B)/%.bpf.o: %.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<
$(BPF_OBJ): $(BPF_PARTS)
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^
$(B)/include/xdp_steer.skel.h: $(BPF_OBJ)
	@mkdir -p $(@D)
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name xdp_steer > $@
# What "sluice probe" runs is no part of the data plane: an object of its own.
$(B)/user/lib/probe.bpf.o: user/lib/probe.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -Iuser -MMD -MP -c -o $@ $<
$(B)/include/probe.skel.h: $(B)/user/lib/probe.bpf.o
	@mkdir -p $(@D)
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name probe > $@

-include $(shell find $(B) \( -path $(B)/vm -o -path $(B)/kmod \) -prune -o -name '*.d' -print 2>/dev/null)
