# SPDX-License-Identifier: GPL-2.0
"""usage: iperf_silence.py FILE: for how many milliseconds in a row nothing arrived, at most. FILE
is the JSON of an iperf3 server, which was stopped by a signal. Fails if it ended otherwise, or
if nothing arrived at all."""

import json
import sys

report = json.load(open(sys.argv[1]))
intervals = [i["sum"] for i in report["intervals"]]
longest = silence = 0
for i in intervals:
    silence = silence + i["seconds"] * 1000 if i["bytes"] == 0 else 0
    longest = max(longest, silence)
print(round(longest))
error = str(report.get("error"))
if "server has terminated" not in error or not any(i["bytes"] for i in intervals):
    sys.exit(f"{error}, after {len(intervals)} tenths of a second")
