# SPDX-License-Identifier: GPL-2.0
"""usage: kept.py LOG ADDRESS SECONDS: after its link had lost ADDRESS, the loopback had it within
SECONDS. LOG is what "ip -ts monitor address" printed meanwhile."""

import datetime
import sys

log, address, limit = sys.argv[1:]
lost = kept = None
for line in open(log):
    if address + "/" not in line or not line.startswith("["):
        continue
    at = datetime.datetime.fromisoformat(line[1:line.index("]")])
    if "Deleted" in line and lost is None:
        lost = at
    elif "/128" in line and "Deleted" not in line and kept is None:
        kept = at
if lost is None or kept is None:
    sys.exit(f"lost: {lost}, kept: {kept}")
took = (kept - lost).total_seconds()
print("kept after", took, "s")
sys.exit(not 0 <= took < float(limit))
