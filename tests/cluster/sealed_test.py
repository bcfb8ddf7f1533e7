#!/usr/bin/env python3
"""sealed_test.py BUILD [postgres]: audit_text: encrypted with a real cluster. What was said is in no file of the state
folder (or of PostgreSQL's) in the clear, an auditor with the epoch keys reads it as it was said, and after an erasure
nobody does while the log still verifies. Prints TAP; exit code 77: there is no PostgreSQL."""
import glob
import http.client
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse

build, on_postgres = os.path.abspath(sys.argv[1]), sys.argv[2:] == ["postgres"]
witan = build + "/bin/witan"
SECRET = "the patient Zebediah Quillfeather has gout"
count = failed = 0
address = admin = state = store = None


def check(good, name, why=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}{'' if good else ': ' + str(why)[:2000]}", flush=True)


def ask(path, body, timeout=120):
    """Status, headers (lower case), body as text."""
    c = http.client.HTTPConnection(address, timeout=timeout)
    body = body if isinstance(body, bytes) else json.dumps(body)
    c.request("POST", path, body, {"Authorization": "Bearer " + admin, "Content-Type": "application/json"})
    r = c.getresponse()
    text = r.read().decode()
    head = {k.lower(): v for k, v in r.getheaders()}
    c.close()
    return r.status, head, text


def complete(user=None, **more):
    return ask("/v1/completions", {"model": "tiny", "prompt": SECRET, "max_tokens": 24, "temperature": 0,
                                   "ignore_eos": True, **({"user": user} if user else {}), **more})


def cli(*words):
    where = ["--state", state] + (["--store", store] if store else [])
    return subprocess.run([witan, "audit", *words, *where], capture_output=True, text=True)


def row_of(request, *flags):
    """The row of a request once it has ended."""
    end = time.monotonic() + 120
    while True:
        done = cli("query", "--request", request, "-o", "json", *flags)
        rows = json.loads(done.stdout)["data"] if done.returncode == 0 else []
        if (rows and rows[0]["outcome"]) or time.monotonic() > end:
            return rows[0] if rows else {"nothing": done.stderr}
        time.sleep(0.05)


def in_the_clear(words, folders):
    """Files that hold one of these texts."""
    found, scanned = [], 0
    for folder in folders:
        for at, _, names in os.walk(folder):
            for name in names:
                try:
                    with open(at + "/" + name, "rb") as f:
                        data = f.read()
                except OSError:                  # a socket, or gone meanwhile
                    continue
                scanned += len(data)
                found += [at + "/" + name for w in words if w.encode() in data]
    return found, scanned


def folder_of(url):
    """Of the PostgreSQL that postgres_run started, known by its port (the fourth line of its pid file)."""
    port = str(urllib.parse.urlparse(url).port)
    for pid in glob.glob(os.environ.get("TMPDIR", "/tmp") + "/witan-pg-*/data/postmaster.pid"):
        with open(pid) as f:
            if f.read().split("\n")[3] == port:
                return os.path.dirname(pid)
    raise SystemExit("no data folder of " + url)


def streamed(text):
    lines = [json.loads(s[6:]) for s in text.split("\n") if s.startswith("data: {")]
    return "".join(c["text"] for s in lines for c in s["choices"])


def said_and_sealed(folders):
    said = {}
    status, head, text = complete("anna", n=2)
    check(status == 200, "a request is answered", (status, text))
    said["whole"] = (head["x-request-id"], [c["text"] for c in json.loads(text)["choices"]])
    status, head, text = complete("anna", stream=True)
    check(status == 200 and text.endswith("data: [DONE]\n\n"), "and a stream", (status, text))
    said["stream"] = (head["x-request-id"], [streamed(text)])
    messages = [{"role": "user", "content": SECRET + " \"\u00e9\\"}]
    status, head, text = ask("/v1/chat/completions", {"model": "tiny", "messages": messages, "max_tokens": 16})
    if status == 200:
        said["chat"] = (head["x-request-id"], [json.loads(text)["choices"][0]["message"]["content"]])
    else:
        check("no_chat_format" in text, "a model without a chat format", (status, text))
    for name, (request, answers) in said.items():
        row = row_of(request)
        check(row.get("sealed") is True and len(row.get("subject") or "") == 32 and "text" not in row,
              f"{name}: its row says that it is sealed", row)
        row = row_of(request, "--open")
        text = row.get("text") or {}
        check([a["text"] for a in text.get("answers", [])] == answers and all(answers) and "cut" not in text and
              (text.get("messages") == messages if name == "chat" else text.get("prompt") == SECRET),
              f"{name}: opened, it is what was said", (row, answers))
    opened = json.loads(cli("query", "--since", "60s", "--limit", "1000", "-o", "json").stdout)["data"]
    opened = [r for r in opened if r["action"] == "audit.open"]
    check(all(any(request in r["words"] for r in opened) for request, _ in said.values()),
          "each opening is a row", opened)
    texts = [SECRET, SECRET.split()[2], *(a for _, answers in said.values() for a in answers if len(a) > 12)]
    found, scanned = in_the_clear(texts, folders)
    check(found == [] and scanned > 100000 and len(texts) > 4, "no file holds any of it in the clear",
          (found, scanned, len(texts)))
    with open(state + "/planted", "w") as f:
        f.write(SECRET)
    found, _ = in_the_clear(texts, folders)
    check(state + "/planted" in found, "a file that held it would be seen", found)
    os.unlink(state + "/planted")
    return said


def lists():
    prompt = "x" * 100 + "\u20ac"
    status, head, _ = complete("lena", prompt=[prompt, "b"])
    text = row_of(head["x-request-id"], "--open").get("text") or {}
    check(status == 200 and text.get("prompt") == [prompt, "b"] and len(text["answers"]) == 2, "a list of prompts",
          text)


def too_long():
    """A field that the model does not see makes the messages longer than a record holds."""
    messages = [{"role": "user", "content": "Hello", "pad": "\u00e9" * (3 << 19)}]
    raw = json.dumps(messages, ensure_ascii=False)
    body = '{"model": "tiny", "user": "lena", "max_tokens": 16, "messages": ' + raw + "}"
    status, head, out = ask("/v1/chat/completions", body.encode())
    if status != 200:
        check("no_chat_format" in out, "a model without a chat format", (status, out))
        return
    text = row_of(head["x-request-id"], "--open").get("text") or {}
    kept = text.get("messages")
    check(text.get("cut") is True and isinstance(kept, str) and len(kept) > 1 << 18 and raw.startswith(kept) and
          [a["text"] for a in text["answers"]] == [json.loads(out)["choices"][0]["message"]["content"]],
          "of a text that is too long the beginning is kept, and it is said", str(text)[-300:])


def who_has_no_keys(said):
    os.rename(state + "/keys/audit-epochs", state + "/keys/away")
    done = cli("query", "--request", said["whole"][0], "--open")
    check(done.returncode == 1 and "audit-epochs" in done.stderr and SECRET not in done.stdout,
          "without the epoch keys nothing is opened", (done.stdout, done.stderr))
    os.rename(state + "/keys/away", state + "/keys/audit-epochs")
    done = cli("query", "--csv", "--open")
    check(done.returncode == 2, "--open and --csv are refused", done.stderr)


def erased(said):
    before = row_of(said["whole"][0])
    done = cli("erase", before["subject"])
    check(done.returncode == 0 and before["subject"] in done.stdout, "a subject is erased", done.stderr)
    for name in ("whole", "stream"):
        row = row_of(said[name][0], "--open")
        check(row.get("text", 0) is None and "erased" in row.get("why", "") and row["sealed"] is True,
              f"{name}: opens no more", row)
    if "chat" in said:
        row = row_of(said["chat"][0], "--open")
        check(row["text"] is not None, "another subject's text still opens", row)
    time_out = time.monotonic() + 120
    while True:                                  # the witness may be a second behind
        done = cli("verify")
        if done.returncode == 0 or time.monotonic() > time_out:
            break
        time.sleep(0.2)
    check(done.returncode == 0, "the log still verifies", done.stdout + done.stderr)


def fresh_key(old):
    """After the old key's time the same user has another key, whose texts open."""
    end = time.monotonic() + 120
    while True:
        status, head, text = complete("anna")
        row = row_of(head["x-request-id"], "--open")
        if row.get("text") or time.monotonic() > end:
            break
        time.sleep(0.5)
    check(status == 200 and (row.get("text") or {}).get("prompt") == SECRET and row["subject"] == old,
          "what is said after an erasure gets a new key", row)


def store_away():
    """A subject whose key is not at hand, and a store that does not answer: nothing is answered."""
    if on_postgres:
        return
    db = sqlite3.connect(state + "/witan.db", isolation_level=None, timeout=120)
    db.execute("BEGIN IMMEDIATE")
    status, _, text = complete("a-new-one")
    check(status == 503 and "audit_text" in text, "no key, no answer: 503 in words", (status, text))
    db.execute("ROLLBACK")
    db.close()
    end = time.monotonic() + 120
    while True:
        status, _, text = complete("a-new-one")
        if status == 200 or time.monotonic() > end:
            break
        time.sleep(0.2)
    check(status == 200, "and when it is back, an answer", (status, text))


def bad_word():
    done = subprocess.run([build + "/bin/witan-gateway", "--state", state + "/none", "--audit-text=clear"],
                          capture_output=True, text=True)
    check(done.returncode == 2 and "absent or encrypted" in done.stdout + done.stderr,
          "another policy is refused at the start", (done.returncode, done.stdout, done.stderr))


def run(folders):
    global address, admin
    up = [witan, "up", "--detach", "--state", state, "--http", "127.0.0.1:0", "--bus", "tcp://127.0.0.1:0",
          "--rpc", "tcp://127.0.0.1:0", "--experts", "1", "--audit-text", "encrypted", "--store-timeout", "5s"]
    done = subprocess.run(up + (["--store", store] if store else []), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit("witan up: " + done.stdout + done.stderr)
    try:
        with open(state + "/witan.json") as f:
            j = json.load(f)
        address, admin = urllib.parse.urlparse(j["http"]).netloc, j["admin_key"]
        said = said_and_sealed(folders)
        subject = row_of(said["whole"][0])["subject"]
        lists()
        too_long()
        who_has_no_keys(said)
        erased(said)
        fresh_key(subject)
        store_away()
    finally:
        subprocess.run([witan, "down", "--state", state], capture_output=True)


def main():
    global state, store
    tmp = tempfile.mkdtemp(prefix="witan-sealed-")
    pg = None
    state = tmp + "/state"
    try:
        if on_postgres:
            pg = subprocess.Popen([build + "/tests/postgres_run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True)
            store = pg.stdout.readline().strip()
            if not store.startswith("postgresql:"):
                print(store)
                return 77
        run([state] + ([folder_of(store)] if store else []))
        bad_word()
    finally:
        if pg is not None:
            pg.stdin.close()
            pg.wait()
        shutil.rmtree(tmp, ignore_errors=True)
    print(f"1..{count}")
    return 1 if failed else 0


sys.exit(main())
