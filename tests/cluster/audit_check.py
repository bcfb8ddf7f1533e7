#!/usr/bin/env python3
"""audit_check.py LOG ROWS [KILLS] - what clients saw against what the audit log holds, by neither's code.
LOG: a line "finished UUID" for each answer that a client read to its end.
ROWS: witan.db, or a file of lines "REQUEST-HEX|KIND|OUTCOME" (psql -At).
KILLS: a line "killed MILLISECONDS-SINCE-1970" for each kill, written behind it; only counted.
Every finished request has exactly one row, an intent and an end that says ok; no event is there
twice; and in a log that was drained every begun request has an end. Exit 0: so it is; 1: what is
not is printed."""
import bisect
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


def open_kills(path, requests):
    """How many kills hit a begun request: an id begins with the milliseconds at which it came."""
    at = sorted(int(line.split()[1]) for line in open(path))
    return len(at), len({bisect.bisect_left(at, int(r[:12], 16)) for r in requests})


def main():
    seen = [line.split()[1].replace("-", "") for line in open(sys.argv[1])
            if line.startswith("finished ")]
    events, wrong, lost, doubled = collections.defaultdict(list), [], 0, 0
    for request, kind, outcome in rows(sys.argv[2]):
        events[request].append((kind, outcome))
    for request, list_ in events.items():
        kinds = [k for k, _ in list_]
        if len(set(kinds)) != len(kinds):
            wrong.append("%s has an event twice: %s" % (request, kinds))
            doubled += 1
        if (INTENT, "") in list_ and OUTCOME not in kinds and INTERRUPTED not in kinds:
            wrong.append("%s began and has no end" % request)
    for request in seen:
        ends = [o for k, o in events.get(request, []) if k == OUTCOME or (k == INTENT and o)]
        if ends != ["ok"] or INTENT not in [k for k, _ in events[request]]:
            wrong.append("%s was finished, its events are %s" % (request, events.get(request)))
            lost += 1
    if len(set(seen)) != len(seen):
        wrong.append("clients saw a request twice")
    for line in wrong[:20]:
        print(line)
    interrupted = [r for r, v in events.items() if INTERRUPTED in [k for k, _ in v]]
    print("# %d finished, %d requests in the log (%d rows), %d interrupted, %d lost, %d doubled, %d wrong" %
          (len(seen), len(events), sum(map(len, events.values())), len(interrupted), lost, doubled, len(wrong)))
    if len(sys.argv) > 3:
        print("# %d kills, %d of them hit a begun request" % open_kills(sys.argv[3], interrupted))
    return 1 if wrong else 0


sys.exit(main())
