#!/usr/bin/env python3
"""audit_check.py LOG ROWS - what clients saw against what the audit log holds, by neither's code.
LOG: a line "finished UUID" for each answer that a client read to its end.
ROWS: witan.db, or a file of lines "REQUEST-HEX|KIND|OUTCOME" (psql -At).
Every finished request has exactly one row, an intent and an end that says ok; no event is there
twice; and in a log that was drained every begun request has an end. Exit 0: so it is; 1: what is
not is printed."""
import collections
import sqlite3
import sys

INTENT, OUTCOME, INTERRUPTED = 1, 2, 3


def rows(path):
    with open(path, "rb") as f:
        if f.read(15) == b"SQLite format 3":
            db = sqlite3.connect(path)
            return [(r.hex(), k, o or "") for r, k, o in
                    db.execute("SELECT request, kind, outcome FROM audit_events")]
    with open(path) as f:
        return [(r, int(k), o) for r, k, o in (line.rstrip("\n").split("|") for line in f)]


def main():
    seen = [line.split()[1].replace("-", "") for line in open(sys.argv[1])
            if line.startswith("finished ")]
    events, wrong = collections.defaultdict(list), []
    for request, kind, outcome in rows(sys.argv[2]):
        events[request].append((kind, outcome))
    for request, list_ in events.items():
        kinds = [k for k, _ in list_]
        if len(set(kinds)) != len(kinds):
            wrong.append("%s has an event twice: %s" % (request, kinds))
        if (INTENT, "") in list_ and OUTCOME not in kinds and INTERRUPTED not in kinds:
            wrong.append("%s began and has no end" % request)
    for request in seen:
        ends = [o for k, o in events.get(request, []) if k == OUTCOME or (k == INTENT and o)]
        if ends != ["ok"] or INTENT not in [k for k, _ in events[request]]:
            wrong.append("%s was finished, its events are %s" % (request, events.get(request)))
    if len(set(seen)) != len(seen):
        wrong.append("clients saw a request twice")
    for line in wrong[:20]:
        print(line)
    interrupted = sum((INTERRUPTED in [k for k, _ in v]) for v in events.values())
    print("# %d finished, %d requests in the log, %d interrupted, %d wrong" %
          (len(seen), len(events), interrupted, len(wrong)))
    return 1 if wrong else 0


sys.exit(main())
