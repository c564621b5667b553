# SPDX-License-Identifier: GPL-2.0
"""usage: ynl_same.py YNL SHIM6TOOL: the JSON in the two files is the same, apart from its form:
shim6tool's is always a list, and its lists of locators have no names inside."""

import json
import sys

ynl, tool = (json.load(open(name)) for name in sys.argv[1:])
ynl = ynl if isinstance(ynl, list) else [ynl]
for context in ynl:
    for side in "locators-local", "locators-peer":
        if side in context:
            context[side] = context[side]["locator"]
for context in ynl + tool:
    # These go on counting between the two.
    for ticks in "last-sent", "last-heard", "sent-octets", "heard-octets":
        context.pop(ticks, None)


def key(context):
    return json.dumps(context, sort_keys=True)


if not ynl or sorted(ynl, key=key) != sorted(tool, key=key):
    sys.exit(f"ynl: {ynl}\nshim6tool: {tool}")
