#!/usr/bin/env python3
"""doors_test.py BUILD: who may ask at which door, in which words others are refused, what the rows of both say, and that
long texts of one tenant hold up nobody else's. Prints TAP."""
import concurrent.futures
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

build = os.path.abspath(sys.argv[1])
witan = build + "/bin/witan"
count = failed = 0
address = metrics = admin = None
MB = 1000000


def check(good, name, why=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}{'' if good else ': ' + str(why)}", flush=True)


def ask(method, path, key=None, body=None, at=None):
    """Status, headers (lower case), body as JSON where it is JSON."""
    c = http.client.HTTPConnection(at or address, timeout=240)
    h = {"Authorization": "Bearer " + key} if key else {}
    if body is not None:
        h["Content-Type"] = "application/json"
        body = body if isinstance(body, str) else json.dumps(body)
    c.request(method, path, body, h)
    r = c.getresponse()
    text = r.read().decode()
    head = {k.lower(): v for k, v in r.getheaders()}
    c.close()
    return r.status, head, json.loads(text) if head.get("content-type", "") == "application/json" else text


def must(method, path, body=None):
    status, _, out = ask(method, path, admin, body)
    if status != 200:
        raise SystemExit(f"{method} {path} {body}: {status} {out}")
    return out


def until(what, good, seconds=120):
    """Polls until good(what()); the last answer."""
    end = time.monotonic() + seconds
    while True:
        out = what()
        if good(out) or time.monotonic() > end:
            return out
        time.sleep(0.02)


def new_key(want=200, **more):
    k = must("POST", "/v1/admin/keys", {"tenant": "bank", **more})
    until(lambda: ask("GET", "/v1/models", k["key"]), lambda a: a[0] == want)
    return k


def metric(name):
    _, _, text = ask("GET", "/metrics", at=metrics)
    return float(next(x.split()[-1] for x in text.splitlines() if x.startswith(name + " ")))


def rows(query, n=1, **are):
    """Rows of the log whose fields are these, once there are n; newest first."""
    def look():
        return [r for r in must("GET", "/v1/admin/audit?limit=500&" + query)["data"] if all(r[f] == v for f, v in are.items())]
    return until(look, lambda d: len(d) >= n, 30)


# ---- roles ----

DOORS = [("/v1/chat/completions", {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}),
         ("/v1/completions", {"model": "tiny", "prompt": "Once", "max_tokens": 1}),
         ("/v1/generate", {"prompt": "Once", "max_tokens": 1}),
         ("/v1/tokenize", {"text": "Once"}), ("/v1/detokenize", {"ids": [300]})]


def roles():
    wrong = []
    for role in ("user", "operator", "auditor", "admin"):
        key = new_key(name="at-" + role, role=role)["key"]
        for path, body in DOORS:
            status, _, out = ask("POST", path, key, body)
            want = 403 if role == "auditor" else 200
            if status != want or (want == 403 and out["error"]["code"] != "role_not_allowed"):
                wrong.append((role, path, status, out))
        for path, want in (("/v1/models", 200), ("/v1/models/tiny", 200), ("/v1/models/big", 404)):
            status, _, out = ask("GET", path, key)
            if status != want:
                wrong.append((role, path, status, out))
    check(not wrong, "every role at every door", wrong)
    row = (rows("actor=at-auditor", status=403) or [{}])[0]
    check(row.get("code") == "role_not_allowed" and not row["model"], "what an auditor was refused has no model", row)


# ---- rows ----

def models_of_rows():
    k = new_key(name="modeller")
    ask("POST", "/v1/completions", k["key"], {"model": "tinny \u2603" + "x" * 400, "prompt": "Once"})
    ask("POST", "/v1/completions", k["key"], {"model": "tiny", "prompt": "Once", "max_tokens": 1})
    ask("POST", "/v1/generate", k["key"], {"prompt": "Once", "max_tokens": 1})
    ask("GET", "/v1/models", k["key"])
    ask("GET", "/v1/models/tiny", k["key"])
    ask("GET", "/v1/models/none", k["key"])
    ask("POST", "/v1/completions", k["key"], "{")
    mine = "key=" + k["id"]
    all_of_it = rows(mine, 3, action="completions") + rows(mine, action="generate") + rows(mine, 4, action="models")
    seen = {}
    for r in all_of_it:
        if r["action"] == "models" and not r["model"]:
            continue                             # the list, which polls for the key as well
        seen.setdefault((r["action"], r["status"], (r["model"] or "")[:7]), r)
    check({k: bool(r["revision"]) for k, r in seen.items()} ==
          {("completions", 404, "tinny \u2603"): False, ("completions", 200, "tiny"): True, ("completions", 400, ""): False,
           ("generate", 200, "tiny"): True, ("models", 200, "tiny"): True, ("models", 404, "none"): False},
          "rows name the model that was asked for, and a revision where it was had", seen)
    long = seen.get(("completions", 404, "tinny \u2603"), {}).get("model", "")
    check(len(long.encode()) == 256, "and no more than 256 bytes of it", long)
    admins = rows("", action="admin.key.create") + rows("", action="admin.audit.query")
    check(all(not r["model"] and not r["revision"] for r in admins), "calls of admins name none", admins[:1])
    ask("POST", "/v1/completions", "wt-nobody", {"model": "tiny", "prompt": "Once"})
    row = rows("", status=401, action="completions")[0]
    check(not row["model"] and not row["revision"] and not row["tenant"], "nor does what nobody asked", row)
    used = rows("model=tiny&" + mine, 3)
    check({r["action"] for r in used} == {"completions", "generate", "models"} and all(r["status"] == 200 for r in used),
          "a query by model says who had it", used)


# ---- whose key it was ----

def refused_keys():
    def refused(k, status, code, words, name):
        got, _, out = until(lambda: ask("POST", "/v1/tokenize", k["key"], {"text": "x"}),
                            lambda a: a[0] == status and words in a[2]["error"]["message"])
        e = out["error"] if got == status else {"code": "", "message": ""}
        check(got == status and e["code"] == code and words in e["message"] and "127.0.0.1:" not in e["message"], name,
              (got, out))
        r = rows("key=" + k["id"], status=status, code=code)
        check(bool(r) and r[0]["tenant"] == k["tenant"] and r[0]["actor"] == k["name"], name + ": its row says whose it is",
              r[:1])

    k = new_key(403, name="elsewhere", sources="10.0.0.0/8")
    refused(k, 403, "source_not_allowed", "may not be used from 127.0.0.1;", "a key of other addresses")
    k = new_key(name="revoked")
    must("DELETE", "/v1/admin/keys/" + k["id"])
    refused(k, 401, "invalid_api_key", "was revoked", "a revoked key")
    k = must("POST", "/v1/admin/keys", {"tenant": "bank", "name": "brief", "expires_at": int(time.time()) + 2})
    refused(k, 401, "invalid_api_key", "has expired", "an expired key")
    must("POST", "/v1/admin/tenants", {"id": "closed"})
    k = new_key(name="sleeper", tenant="closed")
    must("PATCH", "/v1/admin/tenants/closed", {"disabled": True})
    refused(k, 401, "invalid_api_key", "tenant is disabled", "a key of a disabled tenant")
    wrong = k["key"][:-1] + ("x" if k["key"][-1] != "x" else "y")
    status, _, out = ask("GET", "/v1/models", wrong)
    check(status == 401 and "is unknown" in out["error"]["message"] and "disabled" not in out["error"]["message"],
          "a wrong secret is told nothing of that", out)


# ---- limits ----

def minute_left():
    """Tests of a minute begin where enough of one is left."""
    while time.time() % 60 > 45:
        time.sleep(0.5)


def limits():
    k = new_key(name="slow", limits={"requests_per_minute": 3})
    got = []
    for _ in range(3):
        minute_left()
        got = [ask("POST", p, k["key"], b) for p, b in (DOORS[3], DOORS[4], DOORS[3], DOORS[3])]
        if [g[0] for g in got] == [200, 200, 200, 429]:
            break
        time.sleep(61 - time.time() % 60)
    check([g[0] for g in got] == [200, 200, 200, 429], "the tokenizer counts as requests", [g[0] for g in got])
    e = got[3][2].get("error", {"message": ""})["message"]
    check("all 3 of this minute are used up" in e and "max_tokens" not in e and int(got[3][1]["retry-after"]) <= 60,
          "a 429 of requests speaks of requests", got[3])
    line = until(lambda: [q for q in must("GET", "/v1/admin/quota")["data"] if q["scope"] == "key:" + k["id"]],
                 lambda q: q and q[0]["used"] == 3)
    check(line and line[0]["used"] == 3, "and the store books them", line)
    k = new_key(name="none", limits={"requests_per_minute": 0})
    status, head, out = ask("POST", "/v1/completions", k["key"], DOORS[1][1])
    check(status == 429 and "nothing may be asked" in out["error"]["message"] and "retry-after" not in head,
          "a limit of 0 says that it is one", (status, head, out))
    k = new_key(name="daily", limits={"tokens_per_day": 50})
    _, head, out = ask("POST", "/v1/completions", k["key"], {"model": "tiny", "prompt": "Once", "max_tokens": 2})
    check(head.get("x-ratelimit-limit-tokens") == "50" and int(head.get("x-ratelimit-remaining-tokens", "99")) < 50 and
          int(head.get("x-ratelimit-reset-tokens", "0s")[:-1]) > 0, "a budget stands in the headers", (head, out))


# ---- long texts ----

class Long:
    """A text of n bytes on its way to /v1/tokenize. It is made once: texts must come faster than they are read."""
    text = "".join(f"word{i * 2654435761 % 2**32} " for i in range(2 * MB // 13))

    def __init__(self, key, n):
        body = b'{"text": "' + self.text[:n].encode() + b'"}'
        host, port = address.rsplit(":", 1)
        self.s = socket.create_connection((host, int(port)), timeout=240)
        self.s.sendall(f"POST /v1/tokenize HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n"
                       f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def answered(self):
        self.s.setblocking(False)
        try:
            return len(self.s.recv(1, socket.MSG_PEEK)) > 0
        except BlockingIOError:
            return False
        finally:
            self.s.settimeout(240)

    def answer(self):
        """As ask gives it."""
        r = http.client.HTTPResponse(self.s)
        r.begin()
        out = r.status, {k.lower(): v for k, v in r.getheaders()}, json.loads(r.read())
        self.s.close()
        return out

    def close(self):
        self.s.close()


def long_texts():
    a, b = new_key(name="flood")["key"], new_key(name="other", tenant="shop")["key"]
    dropped = metric("witan_gateway_long_texts_dropped_total")
    texts = [Long(a, 400000) for _ in range(20)]
    status, _, out = ask("POST", "/v1/tokenize", b, {"text": "a bear " * 3000})
    waiting = sum(not t.answered() for t in texts)
    check(status == 200 and waiting >= 10, "21 KB of another tenant are tokens while texts of the first wait", (status, waiting))
    for t in texts:
        t.close()
    bytes_left = until(lambda: metric("witan_gateway_long_text_bytes"), lambda n: n == 0)
    gone = metric("witan_gateway_long_texts_dropped_total") - dropped
    check(bytes_left == 0 and gone >= 8, "texts of clients that left are dropped", (bytes_left, gone))

    c = new_key(name="third", tenant="house")["key"]
    got = [t.answer() for t in [Long((a, b, c)[i % 3], 1900000) for i in range(36)]]
    refused = {s: [g for g in got if g[0] == s] for s in (429, 503)}
    check({g[0] for g in got} <= {200, 429, 503} and any(g[0] == 200 for g in got), "texts have a bound", [g[0] for g in got])
    said = [g for g in refused[429] + refused[503] if "texts_waiting" in g[2]["error"]["message"] and
            int(g[1].get("retry-after", 0)) > 0]
    check(refused[503] and len(said) == len(refused[429]) + len(refused[503]), "beyond it is a 503 in words",
          (refused[503][:1], refused[429][:1]))
    status, _, out = ask("POST", "/v1/tokenize", b, {"text": "a bear " * 3000})
    check(status == 200 and out["count"] > 3000, "and then it is free again", status)
    status, _, out = ask("POST", "/v1/tokenize", b, {"text": "x" * 2000001})
    check(status == 400 and out["error"]["param"] == "text" and "2000000 at most" in out["error"]["message"],
          "a text beyond tokenize_bytes", out)
    status, _, out = ask("POST", "/v1/detokenize", b, {"ids": [5] * 262145})
    check(status == 400 and out["error"]["param"] == "ids" and "262144 at most" in out["error"]["message"],
          "more ids than are taken", out)


# ---- an export for who reads slowly ----

def exports():
    """What lies unsent for a connection is bounded: an export beyond that waits for its reader, and is not cut."""
    key = new_key()["key"]

    def many(n):
        c = http.client.HTTPConnection(address, timeout=240)
        for _ in range(n):
            c.request("POST", "/v1/tokenize", '{"text": "Once"}', {"Authorization": "Bearer " + key})
            c.getresponse().read()
        c.close()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(many, [2000] * 4))
    host, port = address.rsplit(":", 1)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.connect((host, int(port)))
    c = http.client.HTTPConnection(address, timeout=240)
    c.sock = s
    c.request("GET", "/v1/admin/audit/export", None, {"Authorization": "Bearer " + admin})
    r = c.getresponse()
    time.sleep(2)
    try:
        size, lines = 0, 0
        while piece := r.read(1 << 20):
            size, lines = size + len(piece), lines + piece.count(b"\n")
        check(lines > 8000 and size > 8 * MB, "an export of many megabytes reaches who reads slowly", (size, lines))
    except (http.client.IncompleteRead, ConnectionError) as e:
        check(False, "an export of many megabytes reaches who reads slowly", (size, e))
    c.close()


def run(state):
    global address, admin, metrics
    done = subprocess.run([witan, "up", "--detach", "--state", state, "--http", "127.0.0.1:0", "--bus", "tcp://127.0.0.1:0",
                           "--experts", "1", "--rpc", "", "--texts-waiting", "16M", "--tokenize-bytes", "2000000"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit("witan up: " + done.stdout + done.stderr)
    try:
        with open(state + "/witan.json") as f:
            j = json.load(f)
        address, admin = urllib.parse.urlparse(j["http"]).netloc, j["admin_key"]
        metrics = next(p["metrics"] for p in j["processes"] if p["role"] == "gateway").removeprefix("http://").split("/")[0]
        for t in ("bank", "shop", "house"):
            must("POST", "/v1/admin/tenants", {"id": t})
        for test in (roles, models_of_rows, refused_keys, limits, long_texts, exports):
            test()
    finally:
        subprocess.run([witan, "down", "--state", state], capture_output=True)


def main():
    tmp = tempfile.mkdtemp(prefix="witan-doors-")
    try:
        run(tmp + "/state")
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    print(f"1..{count}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
