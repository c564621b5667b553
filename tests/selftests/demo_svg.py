# SPDX-License-Identifier: GPL-2.0
"""usage: demo_svg.py SVG EVENTS: the demo's picture has its labels: the flows, what was done to
the network, and the pairs that were in use, where there is room for a name."""

import csv
import sys
import xml.etree.ElementTree

LABELS = ["Mbit/s", "TCP with Shim6", "UDP with Shim6", "plain TCP, by provider 1", "plain TCP, by provider 2",
          "seconds since the demo began"]

svg, events = sys.argv[1:]
texts = [t.text for t in xml.etree.ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")]
events = sorted((float(at), kind, text) for at, kind, text in csv.reader(open(events)))
begin, end = ([at for at, kind, _ in events if kind == wanted][0] for wanted in ("begin", "end"))
pairs = [(at, text) for at, kind, text in events if kind == "pair"] + [(end, "")]
long = [text for (at, text), (until, _) in zip(pairs, pairs[1:]) if until - at > (end - begin) / 6]
assert len(long) >= 2, events
changes = [text for _, kind, text in events if kind in ("failure", "repair")]
assert len(changes) == 4, events
for wanted in LABELS + changes + long:
    assert wanted in texts, (wanted, texts)
