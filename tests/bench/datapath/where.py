# SPDX-License-Identifier: GPL-2.0
"""usage: where.py FOLDER

Prints the kernel functions that ways of the bench spend their instructions in. FOLDER has
what run.sh has left there, in a guest with tests/vm/run -where: in `where`, how often each
instruction was executed, by address, in each marked part; in a line of `marked`, the
number of a part, how many packets or pieces it was, what they were, and by which way they
went; in `symbols`, the guest's /proc/kallsyms."""

import bisect
import collections
import sys

def symbols(file):
    """The functions of the kernel and of its modules: their addresses, and their names."""
    found = {}
    with open(file) as f:
        for line in f:
            addr, kind, name = line.split()[:3]
            if kind in "tTwW":
                found.setdefault(int(addr, 16), name)
    addrs = sorted(found)
    return addrs, [found[a] for a in addrs]

def parts(file, known):
    """The counts of each marked part by function, in the order of the file."""
    addrs, names = known
    part = None
    with open(file) as f:
        for line in f:
            if line == "end\n":
                if part is not None:
                    yield part
                part = collections.Counter()
                continue
            addr, count = line.split()
            i = bisect.bisect(addrs, int(addr, 16)) - 1
            part[names[i] if i >= 0 else "?"] += int(count)
    if part is not None:
        yield part

def table(title, ways):
    """One line a function, those first whose counts differ most from the first way's."""
    order = list(ways)
    base = ways[order[0]]
    functions = set().union(*ways.values())
    far = lambda f: max(abs(ways[w][f] - base[f]) for w in order)
    print(f"# {title}: instructions by function\n")
    print(f"{'':40}" + "".join(f"{w:>10}" for w in order))
    print(f"{'all':40}" + "".join(f"{sum(ways[w].values()):10.0f}" for w in order))
    for f in sorted(functions, key=lambda f: (-far(f), f)):
        if max(ways[w][f] for w in order) >= 1:
            print(f"{f:40}" + "".join(f"{ways[w][f]:10.0f}" for w in order))
    print()

def main():
    folder = sys.argv[1]
    wanted = {}
    with open(f"{folder}/marked") as f:
        for line in f:
            number, units, title, way = line.split()
            wanted[int(number)] = int(units), title, way
    tables = collections.defaultdict(dict)
    for number, part in enumerate(parts(f"{folder}/where", symbols(f"{folder}/symbols")), 1):
        if number in wanted:
            units, title, way = wanted[number]
            tables[title][way] = collections.Counter({f: n / units for f, n in part.items()})
    for title, ways in tables.items():
        table(title, ways)

main()
