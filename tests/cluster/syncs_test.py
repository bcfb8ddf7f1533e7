#!/usr/bin/env python3
"""syncs_test.py BUILD: what the kernel is asked for. A gateway under strace, and clients that ask many things at one time:
before an answer's first byte its intent, and before its last byte its outcome, was written to the spool and an fdatasync of
that file was begun behind it and ended well; there are no more syncs than answers, and not none. The same on a disk that only
says that it syncs (unsynced.so) must be found out, answer by answer. Prints TAP; exit code 77: no strace here, or it may not."""
import concurrent.futures
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid

build = os.path.abspath(sys.argv[1])
witan = build + "/bin/witan"
CLIENTS, EACH = 24, 10
CALLS = "trace=write,pwrite64,writev,sendto,sendmsg,fdatasync,fsync"
count = failed = 0


def check(good, name, why=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}{'' if good else ': ' + str(why)[:2000]}", flush=True)


# ---- what strace wrote ----

BEGUN = re.compile(r"^(\d+) +(\w+)\((\d+)(?:<((?:[^>\\]|\\.)*)>)?")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
RETURNED = re.compile(r"= (-?\d+)(?: \w+ \([^)]*\))?$")


def read_trace(path):
    """Calls in the order in which they were begun: what, fd, path, data, begin and end (places in the trace), returned."""
    calls, open_ = [], {}
    with open(path) as f:
        for at, line in enumerate(f):
            line = line.rstrip("\n")
            m = RESUMED.match(line)
            if m:
                c = open_.pop(m[1], None)
            else:
                m = BEGUN.match(line)
                if not m:
                    continue                     # a signal, or a thread that ended
                file = re.sub(r"\\x([0-9a-f]{2})", lambda x: chr(int(x[1], 16)), m[4] or "")
                data = b"".join(bytes.fromhex(s.replace("\\x", "")) for s in STRING.findall(line[m.end():]))
                c = {"what": m[2], "fd": int(m[3]), "path": file, "data": data, "begin": at, "end": None}
                calls.append(c)
                if line.endswith("<unfinished ...>"):
                    open_[m[1]] = c
                    continue
            r = RETURNED.search(line)
            if c is not None and r:
                c["end"], c["returned"] = at, int(r[1])
    return [c for c in calls if c["end"] is not None and c["returned"] >= 0]


HEAD = re.compile(rb"HTTP/1\.1 \d+ .*?x-request-id: ([0-9a-f-]{36})\r\n", re.S | re.I)


def answers(calls):
    """id -> (place of its first byte, place of its last). A connection carries one answer after the other."""
    on, out = {}, {}
    for c in calls:
        if c["what"] != "sendto":
            continue
        m = HEAD.match(c["data"])
        if m:
            on[c["fd"]] = m[1].decode()
            out[on[c["fd"]]] = (c["begin"], c["begin"])
        elif c["fd"] in on and not c["data"].startswith(b"HTTP/1.1"):
            out[on[c["fd"]]] = (out[on[c["fd"]]][0], c["begin"])
    return out


def unsafe(ids, calls):
    """Answers that left before what they rest on was synced: {id: why}."""
    spool = [c for c in calls if "/spool/" in c["path"]]
    syncs = [c for c in spool if c["what"] in ("fdatasync", "fsync")]
    writes = [c for c in spool if c["what"] not in ("fdatasync", "fsync")]
    sent, wrong = answers(calls), {}

    def synced(write, before):
        return any(s["fd"] == write["fd"] and s["begin"] > write["end"] and s["end"] < before for s in syncs)

    for name, n_events in ids.items():
        raw = uuid.UUID(name).bytes
        if name not in sent:
            wrong[name] = "its answer is not in the trace"
            continue
        first, last = sent[name]
        mine = [c for c in writes if raw in c["data"] and c["end"] < last]
        if sum(c["data"].count(raw) for c in mine) < n_events:
            wrong[name] = "its outcome is not written before its last byte"
        elif mine[0]["end"] > first or not synced(mine[0], first):
            wrong[name] = "its intent is not synced before its first byte"
        elif not synced(mine[-1], last):
            wrong[name] = "its outcome is not synced before its last byte"
    return wrong


# ---- a gateway under strace ----

def one_client(address, key, n, who):
    """{id: events it has before its last byte} of the answers that it saw whole."""
    c = http.client.HTTPConnection(address, timeout=300)
    seen = {}
    for i in range(n):
        stream = (who + i) % 3 == 0
        body = {"model": "tiny", "prompt": "Once upon a time", "max_tokens": 1 + (who * 7 + i * 5) % 20,
                "temperature": 0, "ignore_eos": True, "stream": stream}
        c.request("POST", "/v1/completions", json.dumps(body), {"Authorization": "Bearer " + key,
                                                                "Content-Type": "application/json"})
        r = c.getresponse()
        text = r.read()
        if r.status == 200 and (not stream or text.endswith(b"data: [DONE]\n\n")):
            seen[r.getheader("x-request-id")] = 2
        c.request("GET", "/v1/models", None, {"Authorization": "Bearer " + (key if i % 2 else "wt-none")})
        r = c.getresponse()
        r.read()
        seen[r.getheader("x-request-id")] = 1
    return seen, c                               # the connection stays open: its descriptor is its own


def traced(tmp, name, env):
    """Answers that clients saw, and the calls of the gateway meanwhile. Each refusal has a row of its own here: of a flood
    most would be counted in a note, which comes later."""
    state, trace = f"{tmp}/{name}", f"{tmp}/{name}.trace"
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    done = subprocess.run([witan, "up", "--detach", "--state", state, "--http", "127.0.0.1:0", "--bus", "tcp://127.0.0.1:0",
                           "--rpc", f"tcp://127.0.0.1:{port}", "--experts", "1", "--audit-refusals", "1000000"],
                          capture_output=True, env=env)
    if done.returncode != 0:
        raise SystemExit(f"witan up: {done.stdout} {done.stderr}")
    try:
        with open(state + "/witan.json") as f:
            j = json.load(f)
        pid = [p["pid"] for p in j["processes"] if p["role"] == "gateway"][0]
        spy = subprocess.Popen(["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", CALLS, "-o", trace, "-p", str(pid)],
                               stderr=subprocess.PIPE, text=True)
        line = spy.stderr.readline()
        if "attached" not in line:
            spy.wait()
            print(f"1..0 # skipped: strace may not look at a process here: {line.strip()}")
            sys.exit(77)
        address = urllib.parse.urlparse(j["http"]).netloc
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            got = list(pool.map(lambda who: one_client(address, j["admin_key"], EACH, who), range(CLIENTS)))
        time.sleep(0.2)                          # the trace of the last answer; it has left already
        spy.terminate()
        spy.wait()
    finally:
        subprocess.run([witan, "down", "--state", state], capture_output=True)
    return {k: v for seen, _ in got for k, v in seen.items()}, read_trace(trace)


def preloads():
    linked = subprocess.run(["ldd", build + "/bin/witan-gateway"], capture_output=True, text=True).stdout
    return os.path.exists(build + "/tests/unsynced.so") and "libasan" not in linked and "libtsan" not in linked


def honest(tmp):
    ids, calls = traced(tmp, "honest", dict(os.environ))
    syncs = [c for c in calls if c["what"] == "fdatasync" and "/spool/" in c["path"]]
    wrong = unsafe(ids, calls)
    check(len(ids) == CLIENTS * EACH * 2, "every client saw all of its answers", (len(ids), CLIENTS * EACH * 2))
    check(not wrong, "each byte of an answer left behind the sync that it rests on", list(wrong.items())[:5])
    check(0 < len(syncs) <= len(ids), "syncs are shared, and are done", (len(syncs), len(ids)))
    print(f"# {len(ids)} answers, {len(syncs)} fdatasyncs of the spool, "
          f"{sum(c['what'] == 'fdatasync' for c in calls)} fdatasyncs in all")
    without = [c for c in calls if c not in syncs]
    check(len(unsafe(ids, without)) == len(ids), "without the syncs each of them would be found out",
          (len(unsafe(ids, without)), len(ids)))
    late = {id(c) for c in syncs[::2]}
    check(unsafe(ids, [c for c in calls if id(c) not in late]), "without every second one some would")


def lying(tmp):
    if not preloads():
        print("# no run on a disk that lies: this build takes no preloaded library")
        return
    env = dict(os.environ, LD_PRELOAD=build + "/tests/unsynced.so", UNSYNCED_LIE="1")
    ids, calls = traced(tmp, "lying", env)
    wrong = unsafe(ids, calls)
    check(len(ids) == CLIENTS * EACH * 2 and len(wrong) > len(ids) / 2, "on a disk that lies they are found out",
          (len(ids), len(wrong)))
    print(f"# on a disk that lies {len(wrong)} of {len(ids)} answers are found to rest on nothing")


def main():
    if shutil.which("strace") is None:
        print("1..0 # skipped: strace is not installed")
        return 77
    tmp = tempfile.mkdtemp(prefix="witan-syncs-")
    try:
        honest(tmp)
        lying(tmp)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    print(f"1..{count}")
    return 1 if failed else 0


sys.exit(main())
