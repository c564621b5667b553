/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_OFFLOAD_H
#define _SHIM6_OFFLOAD_H

int shim6_offload_init(void);
void shim6_offload_exit(void);

#endif /* _SHIM6_OFFLOAD_H */
