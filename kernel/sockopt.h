/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM6_SOCKOPT_H
#define _SHIM6_SOCKOPT_H

int shim6_sockopt_init(void);
void shim6_sockopt_exit(void);

#endif /* _SHIM6_SOCKOPT_H */
