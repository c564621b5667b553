# SPDX-License-Identifier: GPL-2.0
#
# make demo	show the main job in a guest		(as root or with sudo)
# make test	all tests, in guests and out of them	(as root or with sudo)
# make		the programs, to build/bin
# make module	shim6.ko for the running kernel, or for KDIR
# make generate	what is made from netlink/shim6.yaml
# make check	the part of the tests that needs no guest
# make conformance	which requirements of the RFCs have a test
# make bench-crypto	how fast addresses are made and verified, beside openssl
# make bench-datapath	what a packet costs, beside plain IPv6 and the alternatives
# make bench-engine	how fast contexts are made, updated and recovered
# make clean	drop what was built here; the cache stays

PATH := $(PATH):/usr/local/go/bin
KDIR ?= /lib/modules/$(shell uname -r)/build
GO ?= go
VERSION := $(shell cat VERSION)
RUN := tests/vm/run

.PHONY: build module generate check test demo conformance bench-crypto bench-datapath bench-engine clean

build:
	CGO_ENABLED=0 $(GO) build -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o build/bin/ ./tools/shim6tool ./daemon/shim6d

module:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

# The kernel's own generator comes with the source of the debug kernel.
generate:
	$(GO) run ./tools/nlgen -kernel-source "$$($(RUN) -k debug -path source)"

check:
	tests/check.sh

test:
	tests/all.sh

conformance:
	$(GO) run ./tools/conformance -v

bench-crypto:
	$(GO) run ./tests/bench/crypto

bench-engine:
	$(GO) run ./tests/bench/engine

demo:
	$(RUN) -k 6.12 -- tests/selftests/demo.sh

# The machine of virtual time, in real time: native speed, one CPU.
bench-datapath:
	$(RUN) -k latest -t real -M 4096 -T 3600 -m tests/bench/datapath -o build/bench -- tests/bench/datapath/run.sh

clean:
	rm -rf build
