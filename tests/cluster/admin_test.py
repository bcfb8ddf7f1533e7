#!/usr/bin/env python3
"""admin_test.py BUILD [postgres]: a cluster with tenants, keys, limits and prices made over HTTP. Prints TAP.

With "postgres" the store is a real PostgreSQL (BUILD/tests/postgres_run); where that is not installed the test is
skipped (exit code 77)."""
import concurrent.futures
import csv
import http.client
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

build, on_postgres = os.path.abspath(sys.argv[1]), sys.argv[2:] == ["postgres"]
witan = build + "/bin/witan"
count = failed = 0
address = admin = None


def check(good, name, why=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}{'' if good else ': ' + str(why)}", flush=True)


def ask(method, path, key=None, body=None, headers=None):
    """Status, headers (lower case), body as JSON where it is JSON."""
    c = http.client.HTTPConnection(address, timeout=120)
    h = dict(headers or {})
    if key:
        h["Authorization"] = "Bearer " + key
    if body is not None:
        h["Content-Type"] = "application/json"
        body = body if isinstance(body, str) else json.dumps(body)
    c.request(method, path, body, h)
    r = c.getresponse()
    text = r.read().decode()
    head = {k.lower(): v for k, v in r.getheaders()}
    c.close()
    return r.status, head, json.loads(text) if head.get("content-type", "") == "application/json" else text


def ask_many(path, n):
    """The statuses of n questions at one time."""
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return list(pool.map(lambda _: ask("GET", path, admin)[0], range(n)))


def must(method, path, body=None):
    status, _, out = ask(method, path, admin, body)
    if status != 200:
        raise SystemExit(f"{method} {path} {body}: {status} {out}")
    return out


def until(what, good, seconds=120):
    """Polls until good(what()); the last answer, and how long it took."""
    begun = time.monotonic()
    while True:
        out = what()
        took = time.monotonic() - begun
        if good(out) or took > seconds:
            return out, took
        time.sleep(0.02)


def opens(key, want=200):
    return until(lambda: ask("GET", "/v1/models", key), lambda a: a[0] == want)


def refusal_time(close, reopen=lambda k: None):
    """How soon a key is refused after close(key): the median of seven, since one may meet a busy machine."""
    took, out = [], None
    for i in range(7):
        k = new_key(name=f"refused-{i}")
        begun = time.monotonic()
        close(k)
        out, _ = opens(k["key"], 401)
        took.append(time.monotonic() - begun)
        reopen(k)
        if out[0] != 401:
            return None, out
    return sorted(took)[3], took


def chat(key, max_tokens=4, prompt="Once upon a time", **more):
    return ask("POST", "/v1/completions", key,
               {"model": "tiny", "prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True,
                **more})


def new_key(**more):
    k = must("POST", "/v1/admin/keys", {"tenant": "bank", **more})
    opens(k["key"])
    return k


# ---- the tests ----

def tenants_and_teams():
    t = must("POST", "/v1/admin/tenants", {"id": "bank", "name": "The Bank", "weight": 2,
                                           "limits": {"tokens_per_day": 100000}})
    check(t["id"] == "bank" and t["weight"] == 2 and t["limits"] == {"tokens_per_day": 100000} and
          t["disabled_at"] is None, "a tenant is made", t)
    status, _, out = ask("POST", "/v1/admin/tenants", admin, {"id": "bank"})
    check(status == 409 and "exists already" in out["error"]["message"], "and not twice", out)
    team = must("POST", "/v1/admin/teams", {"tenant": "bank", "id": "risk", "limits": {"concurrency": 3}})
    check(team["limits"] == {"concurrency": 3}, "a team is made", team)
    status, _, out = ask("POST", "/v1/admin/teams", admin, {"tenant": "nobody", "id": "x"})
    check(status == 404, "of a tenant that there is", out)
    t = must("PATCH", "/v1/admin/tenants/bank", {"limits": {"tokens_per_minute": 50000}})
    check(t["limits"] == {"tokens_per_day": 100000, "tokens_per_minute": 50000} and t["name"] == "The Bank",
          "PATCH changes what it names", t)
    t = must("PATCH", "/v1/admin/tenants/bank", {"limits": {"tokens_per_minute": None}})
    check(t["limits"] == {"tokens_per_day": 100000}, "null takes a limit off", t)
    status, _, out = ask("PATCH", "/v1/admin/tenants/none", admin, {"weight": 2})
    check(status == 404, "PATCH of none", out)
    ids = [t["id"] for t in must("GET", "/v1/admin/tenants")["data"]]
    check("bank" in ids and "default" in ids, "tenants are listed", ids)
    ids = [t["id"] for t in must("GET", "/v1/admin/teams")["data"]]
    check(ids == ["risk"], "teams are listed", ids)


def paged(path, limit):
    """A list by its pages."""
    rows, after, pages = [], None, 0
    while pages == 0 or out["has_more"]:
        out = must("GET", f"{path}?limit={limit}" + (f"&after={urllib.parse.quote(after, '')}" if after else ""))
        assert len(out["data"]) <= limit
        rows, after, pages = rows + out["data"], out["after"], pages + 1
    return rows, pages


def pages():
    for i in range(4):
        must("POST", "/v1/admin/teams", {"tenant": "bank", "id": f"page{i}"})
        must("POST", "/v1/admin/prices", {"model": f"org/m{i}", "prompt": 1, "completion": 2})
    for path in ("tenants", "teams", "keys", "prices"):
        whole = must("GET", "/v1/admin/" + path)
        rows, n = paged("/v1/admin/" + path, 2)
        check(rows == whole["data"] and len(rows) >= 2 and n == (len(rows) + 1) // 2 and whole["has_more"] is False,
              f"{path} by pages of two are the list", (n, rows, whole))
    status, _, out = ask("GET", "/v1/admin/keys?limit=0", admin)
    check(status == 400 and "1 to 1000" in out["error"]["message"], "a limit is 1 to 1000", out)
    status, _, out = ask("GET", "/v1/admin/teams?after=none", admin)
    check(status == 400 and "last page" in out["error"]["message"], "after is what the last page said", out)
    status, _, out = ask("GET", "/v1/admin/prices?page=2", admin)
    check(status == 400 and "limit and after" in out["error"]["message"], "there are no other words", out)
    status, _, out = ask("GET", "/v1/admin/audit?verdict=mask", admin)
    check(status == 200 and out["data"] == [], "the audit log is asked by verdict", out)


def keys():
    k = new_key(team="risk", name="anna", models=["tiny"], sources=["127.0.0.0/8", "::1"],
                limits={"requests_per_minute": 100, "cost_per_day": 2.5})
    check(k["key"].startswith("wt-") and k["team"] == "risk" and k["role"] == "user" and k["models"] == ["tiny"] and
          k["limits"] == {"requests_per_minute": 100, "cost_per_day": 2.5}, "a key is made", k)
    status, head, out = chat(k["key"])
    check(status == 200 and head["x-ratelimit-limit-requests"] == "100", "and opens", (status, head, out))
    listed = {i["id"]: i for i in must("GET", "/v1/admin/keys")["data"]}
    check(listed[k["id"]]["name"] == "anna" and "key" not in listed[k["id"]] and
          k["key"] not in json.dumps(listed), "it is listed without its secret", listed)
    status, _, out = ask("DELETE", "/v1/admin/keys/" + k["id"], admin)
    check(status == 200 and out["revoked"] is True, "it is revoked", out)
    (status, _, out), _ = opens(k["key"], 401)
    check(status == 401, "and opens nothing any more", (status, out))
    took, all_of_it = refusal_time(lambda k: ask("DELETE", "/v1/admin/keys/" + k["id"], admin))
    check(took is not None and took < 1, "within a second", all_of_it)
    status, _, out = ask("DELETE", "/v1/admin/keys/" + k["id"], admin)
    check(status == 404, "and not twice", out)


def who_may_not():
    k = must("POST", "/v1/admin/keys", {"tenant": "bank", "name": "elsewhere", "sources": "10.0.0.0/8"})
    (status, _, out), _ = opens(k["key"], 403)
    check(status == 403 and out["error"]["code"] == "source_not_allowed", "a key for other addresses", out)
    k = must("POST", "/v1/admin/keys", {"tenant": "bank", "name": "bigonly", "models": ["big"]})
    (status, _, out), _ = opens(k["key"], 403)
    check(status == 403 and out["error"]["code"] == "model_not_allowed", "a key for other models", out)
    for life in (2, 4, 8, 16, 32):               # longer, where it has expired before it was seen to open
        end = int(time.time()) + life
        k = must("POST", "/v1/admin/keys", {"tenant": "bank", "name": "brief", "expires_at": end})
        (opened, _, _), _ = until(lambda: ask("GET", "/v1/models", k["key"]), lambda a: a[0] == 200 or time.time() > end)
        if opened == 200:
            break
    (status, _, out), _ = opens(k["key"], 401)
    check(opened == 200 and status == 401, "a key that has expired", (opened, out))

    def disable(disabled):
        must("PATCH", "/v1/admin/tenants/bank", {"disabled": disabled})
    took, all_of_it = refusal_time(lambda k: disable(True), lambda k: disable(False))
    check(took is not None and took < 1, "a key of a disabled tenant, within a second", all_of_it)
    k = new_key(name="sleeper")
    disable(True)
    opens(k["key"], 401)
    disable(False)
    (status, _, out), _ = opens(k["key"])
    check(status == 200, "until it is enabled again", out)


def budgets():
    for _ in range(5):                           # until all three fall into one minute
        k = new_key(name="minute", limits={"requests_per_minute": 2})
        minute = time.time() // 60
        answers = [chat(k["key"]) for _ in range(3)]
        if time.time() // 60 == minute:
            break
    status, head, out = answers[2]
    check([a[0] for a in answers] == [200, 200, 429], "two requests a minute are two", [a[0] for a in answers])
    check(out["error"]["code"] == "rate_limit_exceeded" and "requests per minute" in out["error"]["message"] and
          0 < int(head["retry-after"]) <= 60 and "x-should-retry" not in head and
          head["x-ratelimit-limit-requests"] == "2" and head["x-ratelimit-remaining-requests"] == "0",
          "the third is told when", (head, out))
    k = new_key(name="small", limits={"tokens_per_day": 40})
    answers = [chat(k["key"], max_tokens=8)]
    while answers[-1][0] == 200 and len(answers) < 20:
        answers.append(chat(k["key"], max_tokens=8))
    status, head, out = answers[-1]
    used = sum(a[2]["usage"]["total_tokens"] for a in answers[:-1])
    one = answers[0][2]["usage"]["total_tokens"]
    check(status == 429 and 40 - one < used <= 40, "a budget is used up and not overrun", (status, used, one))
    check(out["error"]["type"] == "insufficient_quota" and "tokens per day" in out["error"]["message"] and
          0 < int(head["retry-after"]) <= 86400 and head["x-should-retry"] == "false", "its 429 is clear", (head, out))
    line, _ = until(lambda: [q for q in must("GET", "/v1/admin/quota")["data"] if q["scope"] == "key:" + k["id"]],
                    lambda q: q and q[0]["used"] == used)
    check(line and line[0]["most"] == 40 and line[0]["used"] == used and line[0]["left"] == 40 - used,
          "quota says what is left", (line, used))
    out = must("POST", "/v1/admin/quota", {"scope": "key:" + k["id"], "limits": {"tokens_per_day": 400}})
    check(out["data"][0]["most"] == 400, "a limit is raised", out)
    (status, _, out), _ = until(lambda: chat(k["key"]), lambda a: a[0] == 200)
    check(status == 200, "and the key opens again", out)
    k = new_key(name="never", limits={"tokens_per_minute": 10})
    status, head, out = chat(k["key"], max_tokens=100)
    check(status == 429 and head["x-should-retry"] == "false" and "max_tokens" in out["error"]["message"],
          "what no minute holds is not worth another try", (status, head, out))


def roles():
    made = {r: new_key(name="role-" + r, role=r)["key"] for r in ("user", "operator", "auditor", "admin")}
    rows = [("POST", "/v1/admin/tenants", ""), ("GET", "/v1/admin/tenants", ""), ("PATCH", "/v1/admin/tenants/bank", ""),
            ("POST", "/v1/admin/teams", ""), ("GET", "/v1/admin/teams", ""), ("POST", "/v1/admin/keys", ""),
            ("GET", "/v1/admin/keys", ""), ("DELETE", "/v1/admin/keys/none", ""), ("POST", "/v1/admin/prices", ""),
            ("GET", "/v1/admin/prices", ""), ("POST", "/v1/admin/quota", ""), ("GET", "/v1/admin/quota", "operator"),
            ("GET", "/v1/admin/usage", "operator auditor"), ("GET", "/v1/admin/cluster", "operator"),
            ("GET", "/v1/admin/audit?limit=1", "auditor"), ("GET", "/v1/admin/audit/export", "auditor")]
    wrong = []
    for method, path, others in rows:
        for role, key in made.items():
            status, _, out = ask(method, path, key, "{\"nonsense\":1}" if method in ("POST", "PATCH") else None)
            may = role == "admin" or role in others.split()
            want = (400 if method in ("POST", "PATCH") else 404 if method == "DELETE" else 200) if may else 403
            if status != want or (want == 403 and role not in out["error"]["message"]):
                wrong.append((method, path, role, status, out))
        status, _, out = ask(method, path, None)
        if status != 401:
            wrong.append((method, path, "nobody", status, out))
    check(not wrong, f"{len(rows)} calls for {len(made)} roles and nobody", wrong)


def bad_calls():
    rows = [
        ("an empty body", "POST", "/v1/admin/keys", "", 400, "empty"),
        ("no JSON", "POST", "/v1/admin/keys", "{", 400, "JSON"),
        ("an array", "POST", "/v1/admin/keys", "[]", 400, "object"),
        ("a typo", "POST", "/v1/admin/keys", {"tenat": "bank"}, 400, "tenat"),
        ("a key of nobody", "POST", "/v1/admin/keys", {"tenant": "nobody"}, 404, "no such tenant"),
        ("a key of no team", "POST", "/v1/admin/keys", {"tenant": "bank", "team": "x"}, 404, "no such team"),
        ("an unknown role", "POST", "/v1/admin/keys", {"tenant": "bank", "role": "king"}, 400, "no role"),
        ("an address that is none", "POST", "/v1/admin/keys", {"tenant": "bank", "sources": "here"}, 400, "address"),
        ("a time that is past", "POST", "/v1/admin/keys", {"tenant": "bank", "expires_at": 5}, 400, "past"),
        ("an unknown limit", "POST", "/v1/admin/keys", {"tenant": "bank", "limits": {"words": 5}}, 400, "words"),
        ("a limit below 0", "POST", "/v1/admin/keys", {"tenant": "bank", "limits": {"concurrency": -1}}, 400, "whole"),
        ("a tenant without a name", "POST", "/v1/admin/tenants", {}, 400, "name"),
        ("a name with blanks", "POST", "/v1/admin/tenants", {"id": "a b"}, 400, "letters"),
        ("a weight of 0", "POST", "/v1/admin/tenants", {"id": "w", "weight": 0}, 400, "1 to 1000"),
        ("another id", "PATCH", "/v1/admin/tenants/bank", {"id": "shop"}, 400, "stays"),
        ("half a price", "POST", "/v1/admin/prices", {"model": "tiny", "prompt": 1}, 400, "completion"),
        ("a price below 0", "POST", "/v1/admin/prices", {"model": "tiny", "prompt": -1, "completion": 1}, 400, "amount"),
        ("a scope that is none", "POST", "/v1/admin/quota", {"scope": "x", "limits": {"concurrency": 1}}, 400, "tenant:"),
        ("a scope of nobody", "POST", "/v1/admin/quota", {"scope": "tenant:x", "limits": {"concurrency": 1}}, 404, "no such"),
        ("no limit at all", "POST", "/v1/admin/quota", {"scope": "tenant:bank"}, 400, "no limit"),
        ("usage by colour", "GET", "/v1/admin/usage?by=colour", None, 400, "tenant, team, key"),
        ("usage since when", "GET", "/v1/admin/usage?since=tomorrow", None, 400, "2026"),
        ("usage of an actor", "GET", "/v1/admin/usage?actor=anna", None, 400, "nothing else"),
        ("usage as XML", "GET", "/v1/admin/usage?format=xml", None, 400, "csv"),
        ("a query for quotas", "GET", "/v1/admin/quota?x=1", None, 400, "no query"),
        ("a key that there is not", "DELETE", "/v1/admin/keys/%00", None, 404, "nothing at"),
        ("a method that is none", "PUT", "/v1/admin/keys", "{}", 405, "POST or GET"),
        ("a path that is none", "GET", "/v1/admin/colours", None, 404, "nothing at"),
    ]
    for name, method, path, body, want, words in rows:
        status, _, out = ask(method, path, admin, body)
        check(status == want and set(out["error"]) == {"message", "type", "param", "code"} and
              words in out["error"]["message"], name, (status, out))
    status, _, out = ask("POST", "/v1/admin/keys", admin, {"tenant": "bank", "models": 5})
    check(status == 400 and out["error"]["param"] == "models", "the field is named", out)


def usage():
    """What three keys of two tenants counted themselves is what usage says, to the token and the nanocent."""
    must("POST", "/v1/admin/tenants", {"id": "shop"})
    must("POST", "/v1/admin/prices", {"model": "tiny", "prompt": 0.25, "completion": 1.5})
    must("POST", "/v1/admin/prices", {"model": "tiny", "tenant": "shop", "prompt": 2, "completion": 4})
    prices = {p["tenant"]: (p["prompt"], p["completion"]) for p in must("GET", "/v1/admin/prices")["data"]}
    check(prices == {None: (0.25, 1.5), "shop": (2, 4)}, "prices are listed", prices)
    made = [must("POST", "/v1/admin/keys", {"tenant": t, "name": "counted"}) for t in ("shop", "shop", "bank")]
    for k in made:
        opens(k["key"])                          # then its copy has the prices as well, which are older
    mine = {k["id"]: [0, 0, 0] for k in made}
    for i in range(7):
        k = made[i % 3]
        status, _, out = chat(k["key"], max_tokens=2 + i, prompt="Once " * (i + 1))
        assert status == 200, out
        for n, more in enumerate((1, out["usage"]["prompt_tokens"], out["usage"]["completion_tokens"])):
            mine[k["id"]][n] += more
    body = {"model": "tiny", "prompt": "Once", "max_tokens": 5, "ignore_eos": True, "stream": True,
            "stream_options": {"include_usage": True}}
    status, _, text = ask("POST", "/v1/completions", made[0]["key"], body)
    last = json.loads([x for x in text.split("\n\n") if x.startswith("data: {")][-1][6:])["usage"]
    for n, more in enumerate((1, last["prompt_tokens"], last["completion_tokens"])):
        mine[made[0]["id"]][n] += more

    def by_key():
        return {u["key"]: [u["requests"], u["prompt_tokens"], u["completion_tokens"]]
                for u in must("GET", "/v1/admin/usage?by=key")["data"] if u["key"] in mine}
    out, _ = until(by_key, lambda u: u == mine)
    check(out == mine, "usage by key is what the clients counted", (out, mine))
    shop = [sum(x) for x in zip(mine[made[0]["id"]], mine[made[1]["id"]])]
    cost = round((shop[1] * 2 + shop[2] * 4) / 1e6, 9)
    out = must("GET", "/v1/admin/usage?by=tenant&tenant=shop")["data"]
    check(len(out) == 1 and [out[0]["requests"], out[0]["prompt_tokens"], out[0]["completion_tokens"]] == shop and
          out[0]["total_tokens"] == shop[1] + shop[2] and abs(out[0]["cost"] - cost) < 5e-10, "by tenant, with its price",
          (out, shop, cost))
    today = time.strftime("%Y-%m-%d", time.gmtime())
    out = must("GET", "/v1/admin/usage?since=" + today)
    check(out["by"] == "day" and [u["day"] for u in out["data"]] == [today], "by day", out)
    check(must("GET", "/v1/admin/usage?until=" + today)["data"] == [], "nothing before today")
    out = must("GET", "/v1/admin/usage?by=model")["data"]
    check([u["model"] for u in out] == ["tiny"], "by model", out)
    every = must("GET", "/v1/admin/usage?by=team")["data"]
    check(sum(u["requests"] for u in every) == out[0]["requests"] and
          ("bank", "risk") in {(u["tenant"], u["team"]) for u in every}, "by team", every)
    for path, headers in (("&format=csv", {}), ("", {"Accept": "text/csv"})):
        status, head, text = ask("GET", "/v1/admin/usage?by=key" + path, admin, None, headers)
        rows = {r["key"]: [int(r["requests"]), int(r["prompt_tokens"]), int(r["completion_tokens"])]
                for r in csv.DictReader(io.StringIO(text)) if r["key"] in mine}
        check(head["content-type"].startswith("text/csv") and rows == mine, "as CSV", text)
    k = must("POST", "/v1/admin/keys", {"tenant": "shop", "name": "poor", "limits": {"cost_per_day": 0.0001}})
    opens(k["key"])
    status, _, out = chat(k["key"], max_tokens=200)
    check(status == 429 and "0.0001" in out["error"]["message"] and "cost per day" in out["error"]["message"],
          "a budget of money", out)
    cost = {u["key"]: u["cost"] for u in must("GET", "/v1/admin/usage?by=key&tenant=shop")["data"]}

    def audit_cost():
        rows = must("GET", "/v1/admin/audit?limit=1000&key=" + made[0]["id"])["data"]
        return round(sum(float(r.get("cost") or 0) for r in rows), 9)
    check(abs(audit_cost() - cost[made[0]["id"]]) < 5e-10, "the audit rows' costs add up to it",
          (audit_cost(), cost[made[0]["id"]]))


def cluster_and_rows():
    out = must("GET", "/v1/admin/cluster")["processes"]
    check([p["role"] for p in out] == ["gateway", "router"] and {p["state"] for p in out} == {"ready"} and
          out[0]["model"] == "tiny" and out[1]["max_sequences"] > 0 and len(out[1]["revision"]) == 64,
          "the cluster as a gateway knows it", out)
    k = must("POST", "/v1/admin/keys", {"tenant": "bank", "name": "rowed"})
    ask("DELETE", "/v1/admin/keys/" + k["id"], admin)

    def rows():
        return [r for r in must("GET", "/v1/admin/audit?limit=1000&since=1h")["data"] if
                k["id"] in (r.get("words") or "")]
    out, _ = until(rows, lambda r: len(r) == 2 and all(x["outcome"] for x in r))
    check({r["action"] for r in out} == {"admin.key.create", "admin.key.revoke"} and
          {r["kind"] for r in out} == {"admin"} and {r["outcome"] for r in out} == {"ok"} and
          k["key"] not in json.dumps(out), "each call has a row that says what it did", out)

    ask("POST", "/v1/admin/keys", new_key(name="denied", role="auditor")["key"], {})

    def refused():
        return [r for r in must("GET", "/v1/admin/audit?actor=denied&outcome=refused")["data"]
                if r["action"] == "admin.key.create" and r["status"] == 403]
    out, _ = until(refused, len)
    check(len(out) == 1, "and so has one that was refused", out)
    many, _ = until(lambda: ask_many("/v1/admin/usage?by=key", 40), lambda a: True)
    check(set(many) <= {200, 503} and many.count(200) >= 8, "many at a time are done or told to come again", many)


def a_gateway_dies(state):
    """What was streamed before kill -9 is billed by the last mark: tokens, cost, budget, and its row."""
    k = new_key(name="cut", limits={"tokens_per_day": 20000})
    with open(state + "/witan.json") as f:
        pid = next(p["pid"] for p in json.load(f)["processes"] if p["role"] == "gateway")
    c = http.client.HTTPConnection(address, timeout=120)
    c.request("POST", "/v1/completions", json.dumps({"model": "tiny", "prompt": "Once", "max_tokens": 900, "n": 16,
                                                     "stream": True, "ignore_eos": True}),
              {"Authorization": "Bearer " + k["key"], "Content-Type": "application/json"})
    r = c.getresponse()
    seen = 0
    while seen < 300 and r.readline():           # about 150 of 14,400 tokens
        seen += 1
    os.kill(pid, signal.SIGKILL)
    c.close()

    def up():
        try:
            return ask("GET", "/v1/models", k["key"])[0]
        except OSError:
            return 0
    status, _ = until(up, lambda s: s == 200)
    check(seen == 300 and status == 200, "a gateway that was killed is back", (seen, status))

    def rows():
        return [x for x in must("GET", "/v1/admin/audit?limit=10&key=" + k["id"])["data"] if x["outcome"] == "interrupted"]
    out, _ = until(rows, len)
    row = out[0] if out else {}
    tokens = row.get("completion_tokens", 0)
    price = {p["tenant"]: p for p in must("GET", "/v1/admin/prices")["data"]}[None]
    cost = (row.get("prompt_tokens", 0) * price["prompt"] + tokens * price["completion"]) / 1e6
    check(64 <= tokens < 14400 and abs(row["cost"] - cost) < 5e-10, "its stream has a row with tokens and cost", (row, cost))
    used = [u for u in must("GET", "/v1/admin/usage?by=key&key=" + k["id"])["data"]]
    check(len(used) == 1 and used[0]["completion_tokens"] == tokens and abs(used[0]["cost"] - cost) < 5e-10,
          "usage has the same", used)
    line, _ = until(lambda: [q for q in must("GET", "/v1/admin/quota")["data"] if q["scope"] == "key:" + k["id"]],
                    lambda q: q and q[0]["leased"] == 0)
    check(line[0]["used"] == tokens + row.get("prompt_tokens", 0) and line[0]["leased"] == 0,
          "and so has the budget, once the lease of the dead one has come back", line)


def run(state, store):
    global address, admin
    up = [witan, "up", "--detach", "--state", state, "--http", "127.0.0.1:0", "--bus", "tcp://127.0.0.1:0",
          "--experts", "1", "--rpc", ""] + (["--store", store] if store else [])
    done = subprocess.run(up, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit("witan up: " + done.stdout + done.stderr)
    try:
        with open(state + "/witan.json") as f:
            j = json.load(f)
        address, admin = urllib.parse.urlparse(j["http"]).netloc, j["admin_key"]
        for test in (tenants_and_teams, keys, who_may_not, budgets, roles, bad_calls, usage, pages, cluster_and_rows):
            test()
        a_gateway_dies(state)
    finally:
        subprocess.run([witan, "down", "--state", state], capture_output=True)


def main():
    tmp = tempfile.mkdtemp(prefix="witan-admin-")
    pg, store = None, None
    try:
        if on_postgres:
            pg = subprocess.Popen([build + "/tests/postgres_run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True)
            store = pg.stdout.readline().strip()
            if not store.startswith("postgresql:"):
                print(store)
                return 77
        run(tmp + "/state", store)
    finally:
        if pg is not None:
            pg.stdin.close()
            pg.wait()
        shutil.rmtree(tmp, ignore_errors=True)
    print(f"1..{count}")
    return 1 if failed else 0


sys.exit(main())
