// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU (-t counted): it counts the instructions that a guest executes
 * and its references to memory. A guest that wants to know marks the begin and the
 * end of what it does by instructions that do nothing. For each end, a line is
 * appended to the file out=FILE: the instructions and the references since the begin.
 * With where=FILE, that file has for each end a line "end", and behind it a line for
 * each instruction that was executed since the begin: its address and how often.
 *
 * Debian has QEMU's plugins, but not their header. So the part of the interface that
 * is used here is declared here.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

enum { NO_REGISTERS = 0 };	/* the callback reads no registers */
enum { LOADS_AND_STORES = 3 };
enum { ADD = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*cb)(unsigned int, void *), int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *to,
						uint64_t n);
void qemu_plugin_register_vcpu_mem_inline(struct qemu_plugin_insn *insn, int which, int op,
					  void *to, uint64_t n);

/* The version of the interface. */
__attribute__((visibility("default"))) int qemu_plugin_version = 1;

/* nopl 0x73360001(%rax) and nopl 0x73360002(%rax): tests/bench/datapath/s6_bench.c. */
static const uint8_t begin[] = { 0x0f, 0x1f, 0x80, 0x01, 0x00, 0x36, 0x73 };
static const uint8_t end[] = { 0x0f, 0x1f, 0x80, 0x02, 0x00, 0x36, 0x73 };

/* The guest has one processor, so one thread writes these. */
static uint64_t instructions, references, instructions_before, references_before;
static FILE *out;

/* The instructions that were translated, by address: a table with open addressing. */
#define PLACES	(1 << 20)
struct place {
	uint64_t addr;
	uint64_t count;
};
static struct place *places;	/* NULL without where=FILE */
static FILE *where;

/* The counter of an instruction. Once the table is nearly full, one counts all others. */
static uint64_t *place_of(uint64_t addr)
{
	static uint64_t others;
	static unsigned int used;
	unsigned int i = (addr * 0x9e3779b97f4a7c15) >> 44;

	while (places[i].addr && places[i].addr != addr)
		i = (i + 1) % PLACES;
	if (!places[i].addr) {
		if (used == PLACES / 8 * 7)
			return &others;
		used++;
		places[i].addr = addr;
	}
	return &places[i].count;
}

static void begins(unsigned int cpu, void *data)
{
	for (size_t i = 0; places && i < PLACES; i++)
		places[i].count = 0;
	instructions_before = instructions;
	references_before = references;
}

static void ends(unsigned int cpu, void *data)
{
	fprintf(out, "%llu %llu\n", (unsigned long long)(instructions - instructions_before),
		(unsigned long long)(references - references_before));
	fflush(out);
	if (!places)
		return;
	fprintf(where, "end\n");
	for (size_t i = 0; i < PLACES; i++)
		if (places[i].count)
			fprintf(where, "%llx %llu\n", (unsigned long long)places[i].addr,
				(unsigned long long)places[i].count);
	fflush(where);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const size_t size = qemu_plugin_insn_size(insn);
		const void *octets = qemu_plugin_insn_data(insn);

		qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD, &instructions, 1);
		if (places)
			qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD,
					place_of(qemu_plugin_insn_vaddr(insn)), 1);
		qemu_plugin_register_vcpu_mem_inline(insn, LOADS_AND_STORES, ADD, &references, 1);
		if (size == sizeof(begin) && !memcmp(octets, begin, size))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, begins, NO_REGISTERS, NULL);
		if (size == sizeof(end) && !memcmp(octets, end, size))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, ends, NO_REGISTERS, NULL);
	}
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
							       const void *info, int argc,
							       char **argv)
{
	if (argc < 1 || argc > 2 || strncmp(argv[0], "out=", 4) ||
	    (argc == 2 && strncmp(argv[1], "where=", 6))) {
		fprintf(stderr, "references: wanted out=FILE[,where=FILE]\n");
		return 1;
	}
	out = fopen(argv[0] + 4, "w");
	if (!out) {
		perror(argv[0] + 4);
		return 1;
	}
	if (argc == 2) {
		where = fopen(argv[1] + 6, "w");
		places = calloc(PLACES, sizeof(*places));
		if (!where || !places) {
			perror(argv[1] + 6);
			return 1;
		}
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
