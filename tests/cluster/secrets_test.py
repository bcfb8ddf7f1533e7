#!/usr/bin/env python3
"""secrets_test.py BUILD [postgres]: seeded canaries. API keys, CURVE secret keys, the keys of the audit log, the password of
the database and the text of prompts (policy "absent") go through a real cluster, over both doors, in good requests and bad
ones. None of them is found in arguments or environment of any process of it, at any time, nor in logs, metrics, error answers
or files where it has no place; and a process that is ended by SIGABRT, where cores are allowed, leaves none. Prints TAP; exit
code 77: there is no PostgreSQL."""
import base64
import glob
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

build, on_postgres = os.path.abspath(sys.argv[1]), sys.argv[2:] == ["postgres"]
witan = build + "/bin/witan"
PROMPT = "Zebediah-Quillfeather-has-gout-7731"
PASSWORD = "pepper-Vx8831-canary"
WRONG_KEY = "wt-AAAAAAAA-canaryWrongKey3318canaryWrongKey3318canary"
count = failed = 0
tmp = tempfile.mkdtemp(prefix="witan-secrets-")
state, cwd = tmp + "/state", tmp + "/cwd"
address = admin = store = None
canaries = {}                                    # name -> its spellings, bytes
said = []                                        # what commands and error answers said, bytes


def check(good, name, why=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}{'' if good else ': ' + str(why)[:2000]}", flush=True)


def spellings(secret):
    """A secret as it may be written: itself, in hex, in base64."""
    secret = secret if isinstance(secret, bytes) else secret.encode()
    return [secret, secret.hex().encode(), secret.hex().upper().encode(),
            base64.b64encode(secret).rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")]


def seed(name, secret):
    assert len(secret) >= 16, name
    canaries[name] = spellings(secret)


def held(data, but=()):
    return [n for n, forms in canaries.items() if n not in but and any(f in data for f in forms)]


def cli(*words, env=None, secret=False):
    done = subprocess.run([witan, *words, "--state", state] + (["--store", store] if store else []),
                          capture_output=True, env=env, cwd=cwd)
    said.append(b"" if secret else done.stdout)
    said.append(done.stderr)
    return done


# ---- processes, looked at all the time ----

class Watch(threading.Thread):
    """Arguments and environment of every process that names the state folder, as long as it runs."""
    def __init__(self):
        super().__init__(daemon=True)
        self.found, self.seen, self.over = set(), set(), threading.Event()

    def look(self):
        for folder in glob.glob("/proc/[0-9]*"):
            try:
                with open(folder + "/cmdline", "rb") as f:
                    args = f.read()
                if state.encode() not in args:
                    continue
                with open(folder + "/environ", "rb") as f:
                    environ = f.read()
            except OSError:                      # it has ended
                continue
            role = os.path.basename(args.split(b"\0")[0]).decode() + (" witness" if b"\0witness\0" in args else "")
            self.seen.add(role)
            self.found |= {(role, "argv", n) for n in held(args)} | {(role, "environ", n) for n in held(environ)}

    def run(self):
        while not self.over.wait(0.05):
            self.look()

    def stop(self):
        self.over.set()
        self.join()


# ---- the cluster and its users ----

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def up(*flags):
    flags = ["--detach", "--http", "127.0.0.1:0", "--bus", "tcp://127.0.0.1:0", "--rpc", f"tcp://127.0.0.1:{free_port()}",
             "--experts", "1", "--log-level", "debug", "--model", os.getcwd() + "/models/tiny", *flags]
    env = dict(os.environ, **({"PGPASSFILE": tmp + "/pgpass"} if store else {}))
    done = cli("up", *flags, env=env, secret=True)         # it shows the admin key
    if done.returncode != 0:
        raise SystemExit(f"witan up: {done.stdout} {done.stderr}")
    with open(state + "/witan.json") as f:
        return json.load(f)


def ask(path, body, key, method="POST"):
    c = http.client.HTTPConnection(address, timeout=60)
    body = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    c.request(method, path, body, {"Authorization": "Bearer " + key, "Content-Type": "application/json",
                                   "x-session-id": PROMPT})
    r = c.getresponse()
    text = r.read()
    c.close()
    if r.status != 200:
        said.append(text)
    return r.status, text


def over_http(key):
    good = [("/v1/completions", {"model": "tiny", "prompt": PROMPT, "max_tokens": 8, "user": PROMPT}),
            ("/v1/completions", {"model": "tiny", "prompt": PROMPT, "max_tokens": 8, "stream": True}),
            ("/v1/chat/completions", {"model": "tiny", "max_tokens": 8,
                                      "messages": [{"role": "user", "content": PROMPT}]}),
            ("/v1/tokenize", {"model": "tiny", "text": PROMPT})]
    for path, body in good:
        status, text = ask(path, body, key)
        check(status == 200, f"HTTP: {path} is answered", (status, text))
    one = {"model": "tiny", "prompt": PROMPT, "max_tokens": 8}
    bad = [(401, "a wrong key", ask("/v1/completions", one, WRONG_KEY)),
           (400, "a wrong type", ask("/v1/completions", {**one, "temperature": "hot"}, key)),
           (400, "a body that breaks off", ask("/v1/completions", json.dumps(one).encode()[:-12], key)),
           (400, "a text that is too long", ask("/v1/completions", {**one, "prompt": PROMPT * 3000}, key)),
           (400, "texts that are none", ask("/v1/chat/completions", {"model": "tiny", "messages": PROMPT}, key)),
           (400, "a role that is none", ask("/v1/chat/completions", {"model": "tiny", "messages": [
               {"role": "user", "content": PROMPT}, {"role": "user", "content": {PROMPT: PROMPT}}]}, key)),
           (403, "a role that may not", ask("/v1/admin/audit", None, key, "GET"))]
    for want, name, (status, text) in bad:
        check(status == want, f"HTTP: {name} is {want}", (status, text))


def over_rpc(client):
    """The client is no part of the cluster: its own arguments may hold the question."""
    chat = build + "/clients/c/example_chat"
    chat = chat if os.path.exists(chat) else build + "/bin/example_chat"
    done = subprocess.run([chat, client, PROMPT], capture_output=True, timeout=120)
    check(done.returncode == 0 and b"tokens" in done.stdout, "RPC: a chat is answered", (done.stdout, done.stderr))
    done = subprocess.run([chat, client, PROMPT * 3000], capture_output=True, timeout=120)
    said.append(done.stderr)
    check(done.returncode == 1 and b"INVALID_ARGUMENT" in done.stderr, "RPC: a text that is too long is refused", (done.stdout, done.stderr))
    with open(client) as f:
        text = f.read()
    with open(client + ".wrong", "w") as f:
        f.write("".join("api_key: " + WRONG_KEY + "\n" if line.startswith("api_key:") else line
                        for line in text.splitlines(keepends=True)))
    os.chmod(client + ".wrong", 0o600)
    done = subprocess.run([chat, client + ".wrong", PROMPT], capture_output=True, timeout=120)
    said.append(done.stderr)
    check(done.returncode == 1 and b"UNAUTHENTICATED" in done.stderr, "RPC: a wrong key is refused",
          (done.stdout, done.stderr))


def seed_files(client):
    for path in [*glob.glob(state + "/keys/*.key"), state + "/witness/key", client]:
        with open(path, "rb") as f:
            data = f.read()
        lines = [line.split(None, 1) for line in data.split(b"\n")]
        curve = [w[1].strip() for w in lines if len(w) == 2 and w[0].rstrip(b":") in (b"secret", b"secret_key")]
        name = os.path.relpath(path, tmp)
        if curve:
            seed(name, curve[0])
        else:
            seed(name, data.strip() if data.strip().isascii() else data)
    with open(client) as f:
        seed("rpc api key", dict(line.rstrip("\n").split(": ", 1) for line in f)["api_key"])


# ---- where they have no place ----

def files(folder):
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                with open(at + "/" + name, "rb") as f:
                    yield at + "/" + name, f.read()
            except OSError:                      # a socket, or gone meanwhile
                continue


def in_files():
    """(file, canary) where it has no place, and bytes that were looked at. A key may stand in its own file."""
    found, n = [], 0
    for path, data in files(state):
        own = {os.path.relpath(path, tmp)} | ({"admin key"} if path == state + "/witan.json" else set())
        found += [(path, name) for name in held(data, own)]
        n += len(data)
    return found, n


def metrics(cluster):
    text = b""
    for p in cluster["processes"]:
        host = urllib.parse.urlparse(p["metrics"] if "//" in p["metrics"] else "http://" + p["metrics"]).netloc
        c = http.client.HTTPConnection(host, timeout=30)
        c.request("GET", "/metrics")
        text += c.getresponse().read()
        c.close()
    return text


def limits_of(pid):
    with open(f"/proc/{pid}/limits") as f:
        return [line.split()[4:6] for line in f if line.startswith("Max core file size")][0]


def cores():
    return [p for p, _ in files(cwd)] + glob.glob(state + "/**/core*", recursive=True)


def gone(pid):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def no_core(cluster):
    for p in [*cluster["processes"], {"name": "supervisor", "pid": cluster["supervisor"]}]:
        check(set(limits_of(p["pid"])) <= {"0", "1"}, f"{p['name']}: may leave no core", limits_of(p["pid"]))
    before = set(cores())
    for p in cluster["processes"]:
        os.kill(p["pid"], signal.SIGABRT)
        check(gone(p["pid"]), f"{p['name']}: is ended by SIGABRT")
    left = [p for p in set(cores()) - before if not p.endswith("/cores")]
    check(left == [], "and none of them left a core", left)


def core_where_allowed():
    """That the above could fail: with core_dumps one is written here, where the machine writes any."""
    global state
    state = tmp + "/other"
    cluster = up("--inproc", "--core-dumps")
    check(limits_of(cluster["supervisor"]) != ["1", "1"], "core_dumps true leaves the limit alone",
          limits_of(cluster["supervisor"]))
    os.kill(cluster["supervisor"], signal.SIGABRT)
    gone(cluster["supervisor"])
    with open("/proc/sys/kernel/core_pattern") as f:
        plain = not f.read().startswith(("|", "/", "@"))
    if plain and resource.getrlimit(resource.RLIMIT_CORE)[0] != 0:
        key = cluster["admin_key"].encode()
        check(any(key in data for _, data in files(cwd)), "and a core is left that holds a key", cores())
    else:
        print("# this machine writes no cores into the folder of a process: only limits were looked at")


# ---- the whole ----

def password_in_url():
    url = urllib.parse.urlparse(store) if store else urllib.parse.urlparse("postgresql://witan@127.0.0.1:1/witan")
    url = f"postgresql://witan:{PASSWORD}@{url.hostname}:{url.port}/witan"
    done = subprocess.run([witan, "store", "info", "--state", tmp + "/none"], capture_output=True,
                          env=dict(os.environ, WITAN_STORE=url))
    said.extend([done.stdout, done.stderr])
    check(done.returncode != 0 and b"password" in done.stderr, "a password in the URL is refused",
          (done.stdout, done.stderr))


def run():
    global address, admin
    seed("prompt", PROMPT)
    seed("password", PASSWORD)
    seed("wrong key", WRONG_KEY)
    watch = Watch()
    watch.start()
    cluster = up()
    try:
        address, admin = urllib.parse.urlparse(cluster["http"]).netloc, cluster["admin_key"]
        seed("admin key", admin)
        client = tmp + "/anna.client"
        done = cli("key", "create", "--name", "anna", "--rpc", client, secret=True)
        check(done.returncode == 0, "a client file is made", done.stderr)
        key = cli("key", "create", "--name", "bob", secret=True).stdout.decode().strip()
        seed("bob's key", key)
        seed_files(client)
        check(len(canaries) >= 13, "canaries are seeded", sorted(canaries))
        end = time.monotonic() + 20
        while ask("/v1/models", None, key, "GET")[0] != 200 and time.monotonic() < end:
            time.sleep(0.05)
        over_http(key)
        over_rpc(client)
        password_in_url()
        cli("audit", "query", "-o", "json")
        cli("key", "list", "-o", "json")
        cli("ps", "-o", "json")
        cli("logs")
        cli("doctor")
        check(held(metrics(cluster)) == [], "none in /metrics", held(metrics(cluster)))
        no_core(cluster)
    finally:
        cli("down")
        watch.stop()
    roles = {"witan", "witan witness", "witan-gateway", "witan-router", "witan-expert"}
    check(watch.seen >= roles and not watch.found, "none in arguments or environment of any process",
          (watch.seen, watch.found))
    check(not held(b"\n".join(said)), "none in what commands and refusals said", held(b"\n".join(said)))
    found, n = in_files()
    check(found == [] and n > 100000, "none in logs, or in files where it has no place", (found, n))
    for name in ("bob's key", "prompt", "state/keys/gateway-0.key"):
        with open(state + "/logs/planted.log", "wb") as f:
            f.write(b'{"level":"info","key":"' + canaries[name][0] + b'"}\n')
        found, _ = in_files()
        check(found == [(state + "/logs/planted.log", name)], f"a log line that held it would be seen: {name}", found)
    os.unlink(state + "/logs/planted.log")
    core_where_allowed()


def main():
    global store
    pg = None
    os.mkdir(cwd)
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        if on_postgres:
            pg = subprocess.Popen([build + "/tests/postgres_run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True)
            store = pg.stdout.readline().strip()
            if not store.startswith("postgresql:"):
                print(store)
                return 77
            with open(os.open(tmp + "/pgpass", os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
                f.write(f"*:*:*:*:{PASSWORD}\n")
        run()
    finally:
        if pg is not None:
            pg.stdin.close()
            pg.wait()
        shutil.rmtree(tmp, ignore_errors=True)
    print(f"1..{count}")
    return 1 if failed else 0


sys.exit(main())
