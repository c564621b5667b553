// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU (-t counted): it counts the instructions that a guest executes
 * and its references to memory. A guest that wants to know marks the begin and the
 * end of what it does by instructions that do nothing. For each end, a line is
 * appended to the file out=FILE: the instructions and the references since the begin.
 *
 * Debian has QEMU's plugins, but not their header. So the part of the interface that
 * is used here is declared here.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

static void begins(unsigned int cpu, void *data)
{
	instructions_before = instructions;
	references_before = references;
}

static void ends(unsigned int cpu, void *data)
{
	fprintf(out, "%llu %llu\n", (unsigned long long)(instructions - instructions_before),
		(unsigned long long)(references - references_before));
	fflush(out);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const size_t size = qemu_plugin_insn_size(insn);
		const void *octets = qemu_plugin_insn_data(insn);

		qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD, &instructions, 1);
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
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fprintf(stderr, "references: wanted out=FILE\n");
		return 1;
	}
	out = fopen(argv[0] + 4, "w");
	if (!out) {
		perror(argv[0] + 4);
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
