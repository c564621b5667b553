# SPDX-License-Identifier: GPL-2.0
#
# make demo		show the main job in a guest, with pictures in build/demo, and
#			then the pages of its hosts (as root or with sudo)
# make test		run all tests, in guests and without (as root or with sudo)
# make test ONLY=NAME [K=KERNEL] [REPEAT=COUNT]
#			run one test or case (make test-help says more)
# make lint		static checks (needs neither root nor a kernel)
# make unit		the Go tests (needs neither root nor a kernel)
# make			build the programs, in build/bin
# make module		build shim6.ko for the running kernel, or for KDIR
# make install		install the built programs, their manual and the unit, below
#			DESTDIR and prefix
# make module-install	install the built shim6.ko, for its kernel
# make lib		build the library libshim6, for programs that use the socket API
# make lib-install	install it with its headers, below DESTDIR and prefix
# make deb		build the Debian packages shim6-dkms and shim6, in build/deb
# make generate		generate the files that are made from netlink/shim6.yaml
# make check		all tests that need no guest: lint, unit, and checks with the
#			sources of kernels
# make soak		simulate a million worlds, or SHIM6_SIM_WORLDS, from seed
#			SHIM6_SOAK_FROM on
# make soak-streams	try steady streams for a day each, or SHIM6_TRIAL_MINUTES, on
#			paths that are bad but deliver: no session may leave its path
# make conformance	list the requirements of the RFCs that have a test, and the
#			reasons why others have none
# make failover		compare the effects of failures on applications: Shim6, plain
#			IPv6 and MPTCP
# make failover-default	what hosts as by default see of failures, at several round
#			trips and numbers of addresses
# make bench-crypto	measure how fast addresses are made and verified, and compare
#			with openssl
# make bench-datapath	measure the cost of a packet, and compare with plain IPv6 and
#			the alternatives
# make bench-instructions	count the instructions and references to memory of a packet:
#			the same figures on any machine, however loaded
# make bench-engine	measure how fast contexts are made, updated and recovered
# make clean		remove everything that was built here; the cache stays

PATH := $(PATH):/usr/local/go/bin
KDIR ?= /lib/modules/$(shell uname -r)/build
GO ?= go
VERSION := $(shell cat VERSION)
RUN := tests/vm/run

prefix ?= /usr/local
sysconfdir ?= /etc
bashdir ?= $(prefix)/share/bash-completion/completions
zshdir ?= $(prefix)/share/zsh/site-functions
fishdir ?= $(prefix)/share/fish/vendor_completions.d
firewalldir ?= $(prefix)/lib/firewalld/services
datadir ?= $(prefix)/share
mandir ?= $(prefix)/share/man
unitdir ?= $(prefix)/lib/systemd/system
catalogdir ?= $(prefix)/lib/systemd/catalog
sysusersdir ?= $(prefix)/lib/sysusers.d
INSTALL := install -D -m

.PHONY: lib lib-install test-help lint unit build test-programs module install module-install deb generate check test soak soak-streams demo conformance failover failover-default bench-crypto bench-datapath bench-instructions bench-where bench-engine clean

build:
	CGO_ENABLED=0 $(GO) build -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o build/bin/ ./tools/shim6tool ./tools/shim6web ./daemon/shim6d
	@GO=$(GO) packaging/licenses.sh build/licenses build/bin/shim6tool build/bin/shim6web build/bin/shim6d

# The tests in guests also need these.
test-programs: build
	CGO_ENABLED=0 $(GO) build -buildvcs=false -o build/bin/ ./tests/selftests/plot ./tests/selftests/quic_flow ./tests/selftests/look
	CGO_ENABLED=0 $(GO) build -buildvcs=false -tags answers -o build/bin/answers ./tools/shim6tool

module:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

module-install:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install

# This builds nothing, since root calls it. An existing configuration stays.
install:
	$(INSTALL) 755 build/bin/shim6d $(DESTDIR)$(prefix)/sbin/shim6d
	$(INSTALL) 755 build/bin/shim6tool $(DESTDIR)$(prefix)/bin/shim6tool
	$(INSTALL) 755 build/bin/shim6web $(DESTDIR)$(prefix)/sbin/shim6web
	[ -e $(DESTDIR)$(sysconfdir)/shim6d.conf ] || \
		$(INSTALL) 644 daemon/shim6d/shim6d.conf $(DESTDIR)$(sysconfdir)/shim6d.conf
	$(INSTALL) 644 daemon/shim6d/shim6d.service $(DESTDIR)$(unitdir)/shim6d.service
	sed -i 's|/usr/sbin/|$(prefix)/sbin/|' $(DESTDIR)$(unitdir)/shim6d.service
	$(INSTALL) 644 daemon/shim6d/shim6-hook.socket $(DESTDIR)$(unitdir)/shim6-hook.socket
	$(INSTALL) 644 daemon/shim6d/shim6-hook@.service $(DESTDIR)$(unitdir)/shim6-hook@.service
	sed -i 's|/usr/bin/|$(prefix)/bin/|' $(DESTDIR)$(unitdir)/shim6-hook@.service
	install -d -m 755 $(DESTDIR)$(sysconfdir)/shim6/hooks
	$(INSTALL) 644 daemon/shim6d/shim6d.catalog $(DESTDIR)$(catalogdir)/shim6d.catalog
	$(INSTALL) 644 tools/shim6web/shim6web.socket $(DESTDIR)$(unitdir)/shim6web.socket
	$(INSTALL) 644 tools/shim6web/shim6web.service $(DESTDIR)$(unitdir)/shim6web.service
	sed -i 's|/usr/sbin/|$(prefix)/sbin/|' $(DESTDIR)$(unitdir)/shim6web.service
	$(INSTALL) 644 tools/shim6web/prometheus/shim6.rules.yml $(DESTDIR)$(datadir)/shim6/prometheus/shim6.rules.yml
	$(INSTALL) 644 tools/shim6web/grafana/shim6.json $(DESTDIR)$(datadir)/shim6/grafana/shim6.json
	$(INSTALL) 644 daemon/shim6d/shim6d.sysusers $(DESTDIR)$(sysusersdir)/shim6d.conf
	for f in docs/man/*.[578]; do \
		$(INSTALL) 644 $$f $(DESTDIR)$(mandir)/man$${f##*.}/$${f##*/} && \
		gzip -9nf $(DESTDIR)$(mandir)/man$${f##*.}/$${f##*/} || exit; \
	done
	$(INSTALL) 644 examples/firewall/shim6.xml $(DESTDIR)$(firewalldir)/shim6.xml
	$(INSTALL) 644 tools/shim6tool/completion/shim6tool.bash $(DESTDIR)$(bashdir)/shim6tool
	$(INSTALL) 644 tools/shim6tool/completion/_shim6tool $(DESTDIR)$(zshdir)/_shim6tool
	$(INSTALL) 644 tools/shim6tool/completion/shim6tool.fish $(DESTDIR)$(fishdir)/shim6tool.fish

lib:
	mkdir -p build/lib
	$(CC) -O2 -g -Wall -Wextra -Werror -fPIC -shared -Ikernel/uapi -Wl,-soname,libshim6.so.0 -o build/lib/libshim6.so.0 lib/shim6.c

lib-install:
	$(INSTALL) 755 build/lib/libshim6.so.0 $(DESTDIR)$(prefix)/lib/libshim6.so.0
	ln -sf libshim6.so.0 $(DESTDIR)$(prefix)/lib/libshim6.so
	$(INSTALL) 644 lib/shim6.h $(DESTDIR)$(prefix)/include/shim6.h
	$(INSTALL) 644 kernel/uapi/linux/shim6_socket.h $(DESTDIR)$(prefix)/include/linux/shim6_socket.h
	$(INSTALL) 644 docs/man/libshim6.3 $(DESTDIR)$(mandir)/man3/libshim6.3
	install -d $(DESTDIR)$(prefix)/lib/pkgconfig
	sed -e 's|@prefix@|$(prefix)|' -e 's|@version@|$(VERSION)|' lib/libshim6.pc.in >$(DESTDIR)$(prefix)/lib/pkgconfig/libshim6.pc

deb: build
	packaging/deb.sh

# The kernel's own generator is in the source of the debug kernel.
generate:
	$(GO) run ./tools/nlgen -kernel-source "$$($(RUN) -k debug -path source)"

# The suite reads ONLY, K and REPEAT from its environment.
test:
	@$(GO) build -buildvcs=false -o build/bin/ ./tests/suite && build/bin/suite

test-help:
	@$(GO) run ./tests/suite -help

lint unit:
	tests/check.sh $@

check:
	tests/check.sh

# Ctrl-C stops it. The last line of output says how to continue.
soak:
	SHIM6_SIM_PROGRESS=1 SHIM6_SIM_WORLDS=$${SHIM6_SIM_WORLDS:-1000000} SHIM6_SIM_SEED=$${SHIM6_SOAK_FROM:-1} \
		nice $(GO) test -v -count=1 -timeout=0 -run '^TestWorlds$$' ./daemon/internal/sim

soak-streams:
	SHIM6_TRIAL_MINUTES=$${SHIM6_TRIAL_MINUTES:-1440} \
		nice $(GO) test -v -count=1 -timeout=0 -run '^TestSteadyStreams$$' ./daemon/internal/sim

conformance:
	$(GO) run ./tools/conformance -v

bench-crypto:
	$(GO) run ./tests/bench/crypto

bench-engine:
	$(GO) run ./daemon/internal/enginebench

# In virtual time, so the load of this machine does not matter. The first takes some minutes. The
# second takes an hour: default hosts, at four round trips, twenty runs of each failure.
failover:
	$(RUN) -k latest -o build/failover -- tests/selftests/run.sh test_failover.sh
	@cat build/failover/failover.txt

failover-default:
	$(RUN) -k latest -T 14400 -o build/failover-default -e SHIM6_ROUND_TRIPS="5 20 100 200" -e SHIM6_RUNS=20 \
		-- tests/selftests/run.sh test_outages.sh
	@cat build/failover-default/outages.txt

demo:
	tests/demo.sh

# A User Mode kernel in real time: native speed, one processor.
bench-datapath:
	$(RUN) -k latest -t real -M 4096 -T 3600 -m tests/bench/datapath -m tests/bench/alternatives -o build/bench -- tests/bench/datapath/run.sh

bench-instructions:
	$(RUN) -k 6.12 -t counted -T 1500 -m tests/bench/datapath -o build/bench-instructions -- tests/bench/datapath/run.sh

# Which kernel functions they are spent in.
bench-where:
	$(RUN) -k 6.12 -t counted -where -T 3000 -m tests/bench/datapath -e SHIM6_BENCH_WHERE=yes -o build/bench-where -- tests/bench/datapath/run.sh
	python3 tests/bench/datapath/where.py build/bench-where >build/bench-where/where.txt
	@cat build/bench-where/where.txt

clean:
	rm -rf build
