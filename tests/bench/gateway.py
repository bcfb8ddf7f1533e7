#!/usr/bin/env python3
"""gateway.py BUILD [options]: what the gateway adds to a request, in front of a router without a model.

All servers stand at once and are loaded in turn, round after round, at one fixed rate by an open-loop generator
(load.c); what is told are medians over the rounds, differences and ratios those of one and the same round:
  bare      the product's objects without keys, quotas and audit (gateway_bare.c)
  tmpfs     the whole gateway, no drain, its state folder on tmpfs: the processor's part
  disk      the whole gateway, no drain, on disk, beside what an fdatasync costs there in that round
  drain     the product, whose drain writes to SQLite (and to PostgreSQL, where it is installed) meanwhile
  nginx, haproxy   a canned body of the same size, where they are installed
Prints what it does; the result is JSON, in OUT or on standard output. Exit 1: a server answered with errors; 2: the
bench could not begin. Everything it starts ends with it, and its folders go."""
import argparse
import ctypes
import datetime
import glob
import json
import os
import platform
import pwd
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

TEXT = ("Once upon a time there was a little house by the sea, and in it lived a fisherman with his wife and "
        "two children. Every morning, before the sun was up, he went down to the shore and looked at the sky. ")
BODY_BYTES = 1024
BLOCK = 128 << 10


def say(words):
    print(words, file=sys.stderr, flush=True)


def wrong(words):
    raise SystemExit(f"gateway.py: {words}")


def body_of(n):
    """A chat request of exactly n bytes."""
    def made(text):
        return json.dumps({"model": "tiny", "messages": [{"role": "user", "content": text}], "max_tokens": 16,
                           "temperature": 0})
    text = TEXT * (n // len(TEXT) + 1)
    return made(text[:n - len(made(""))])


def port():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    free = s.getsockname()[1]
    s.close()
    return free


def ended_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)           # PR_SET_PDEATHSIG


class Server:
    """A process, and where it is asked."""
    def __init__(self, name, argv, log, address=None, key=None, as_nobody=False):
        self.name, self.address, self.key, self.log = name, address, key, log
        self.said = open(log, "wb")
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said,
                                  preexec_fn=self.nobody if as_nobody else ended_with_us)

    @staticmethod
    def nobody():
        """The rest of this machine is not its business."""
        if os.getuid() == 0:
            who = pwd.getpwnam("nobody")
            os.setgid(who.pw_gid)
            os.setuid(who.pw_uid)
        ended_with_us()

    def line(self):
        out = self.p.stdout.readline().decode().strip()
        if not out:
            wrong(f"{self.name} did not start: {open(self.log).read()[-1000:]}")
        return out

    def answers(self, path, body=None, seconds=30):
        """Waits until it does, with 200; the body."""
        end, last = time.monotonic() + seconds, ""
        while time.monotonic() < end and self.p.poll() is None:
            head = {"Content-Type": "application/json"}
            if self.key:
                head["Authorization"] = "Bearer " + self.key
            try:
                q = urllib.request.Request(f"http://{self.address}{path}", body and body.encode(), head)
                return urllib.request.urlopen(q, timeout=10).read()
            except urllib.error.HTTPError as e:
                last = e.read().decode()
            except OSError as e:
                last = e
            time.sleep(.05)
        wrong(f"{self.name} does not answer {path}: {last} {open(self.log).read()[-1000:]}")

    def spent(self):
        """Processor time in ns and context switches of all its threads that live."""
        ns = switches = 0
        for task in glob.glob(f"/proc/{self.p.pid}/task/*"):
            try:
                ns += int(open(task + "/schedstat").read().split()[0])
                switches += sum(int(s.split()[1]) for s in open(task + "/status") if "ctxt_switches" in s)
            except OSError:
                pass
        return ns, switches

    def stop(self):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
        try:
            self.p.stdin.close()
            self.p.wait(20)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.p.kill()
            self.p.wait()
        self.said.close()


class Bench:
    def __init__(self, a):
        self.a, self.build = a, os.path.abspath(a.build)
        self.servers, self.folders, self.rows = [], [], {}
        self.skipped, self.postgres, self.n_gateways = {}, None, 0
        self.tmpfs = self.folder(a.tmpfs)
        self.disk = self.folder(a.disk)
        self.body_file = self.disk + "/body.json"
        with open(self.body_file, "w") as f:
            f.write(body_of(BODY_BYTES))

    def folder(self, where):
        self.folders.append(tempfile.mkdtemp(prefix="witan-bench-", dir=where))
        return self.folders[-1]

    def bin(self, name):
        path = f"{self.build}/bin/{name}"
        if not os.path.exists(path):
            wrong(f"there is no {path}; build the targets {' '.join(TARGETS)}")
        return path

    def start(self, *args, **more):
        s = Server(*args, **more)
        self.servers.append(s)
        return s

    # ---- the servers ----

    def start_router(self):
        self.keys = self.disk + "/keys"
        self.router = self.start("null_router", [self.bin("null_router"), "--keys", self.keys, "--make-keys", "8",
                                                 "--bus", "tcp://127.0.0.1:0", "--model", self.a.model,
                                                 "--finish", "stop"], self.disk + "/router.log")
        self.bus = self.router.line().removeprefix("bus=")

    def start_gateway(self, row, program, where, store=None, open_door=False):
        if self.a.rows and row not in self.a.rows:
            return
        name, state, http = f"gateway-{self.n_gateways}", f"{where}/{row}", port()
        self.n_gateways += 1
        os.mkdir(state, 0o700)
        shutil.copytree(self.keys, state + "/keys")
        argv = [self.bin(program), f"--state={state}", f"--model={self.a.model}", f"--name={name}",
                f"--routers-at={self.bus}", f"--http=127.0.0.1:{http}", "--rpc=", "--audit-witness=none",
                f"--store={store or 'sqlite'}"] + (["--open-door"] if open_door else [])
        key = None
        if not open_door:
            made = subprocess.run([self.bin("bench_api_key"), store or f"sqlite:{state}/witan.db"],
                                  capture_output=True, text=True)
            if made.returncode != 0:
                wrong(made.stderr)
            key = made.stdout.strip()
        self.rows[row] = self.start(row, argv, f"{state}/log", f"127.0.0.1:{http}", key)
        self.canned = self.rows[row].answers("/v1/chat/completions", open(self.body_file).read())

    def start_postgres(self):
        if self.a.rows and "drain_postgres_disk" not in self.a.rows:
            return
        self.postgres = self.start("postgres", [self.build + "/tests/postgres_run", "bench"], self.disk + "/pg.log")
        url = self.postgres.line()
        if url.startswith("skipped"):
            self.skipped["drain_postgres_disk"] = url
            return
        self.start_gateway("drain_postgres_disk", "witan-gateway", self.disk, store=url)

    def start_plain(self, name, conf, argv):
        """nginx or haproxy, as an ordinary user, in a folder of its own."""
        program = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        if self.a.rows and name not in self.a.rows:
            return
        if program is None:
            self.skipped[name] = f"skipped: {name} is not installed"
            return
        home, at = self.folder(None), f"127.0.0.1:{port()}"
        with open(home + "/conf", "w") as f:
            f.write(conf % {"home": home, "at": at, "body": home + "/body"})
        with open(home + "/body", "wb") as f:
            f.write(self.canned)
        os.chmod(home, 0o755)
        if os.getuid() == 0:
            shutil.chown(home, "nobody")
        self.rows[name] = self.start(name, [program] + [x % {"home": home} for x in argv], f"{self.disk}/{name}.log",
                                     at, as_nobody=True)
        if self.rows[name].answers("/v1/chat/completions", "{}") != self.canned:
            wrong(f"{name} does not answer with the canned body")

    def start_all(self):
        say("starting the null router, the gateways and what stands beside them")
        self.start_router()
        self.start_gateway("bare", "bench_gateway_bare", self.tmpfs, open_door=True)
        self.start_gateway("tmpfs", "bench_gateway_undrained", self.tmpfs)
        self.start_gateway("disk", "bench_gateway_undrained", self.disk)
        self.start_gateway("drain_sqlite_tmpfs", "witan-gateway", self.tmpfs)
        self.start_gateway("drain_sqlite_disk", "witan-gateway", self.disk)
        self.start_postgres()
        canned = self.canned.decode().replace("'", "\\'").replace("$", "${dollar}")
        self.start_plain("nginx", NGINX.replace("CANNED", canned.replace("%", "%%")),
                         ["-c", "%(home)s/conf", "-p", "%(home)s", "-e", "stderr"])
        self.start_plain("haproxy", HAPROXY, ["-f", "%(home)s/conf", "-db"])

    # ---- measuring ----

    def sync_cost(self, seconds):
        out = subprocess.run([self.bin("bench_synced"), self.disk, str(seconds)], capture_output=True, text=True)
        if out.returncode != 0:
            wrong(out.stderr)
        return json.loads(out.stdout)

    def load(self, row):
        s = self.rows[row]
        argv = [self.bin("bench_load"), "--to", s.address, "--body", self.body_file, "--rate", str(self.a.rate),
                "--seconds", str(self.a.seconds), "--warm", str(self.a.warm), "--connections",
                str(self.a.connections), "--spacing", self.a.spacing] + (["--key", s.key] if s.key else [])
        mine, theirs = s.spent(), self.router.spent()
        out = subprocess.run(argv, capture_output=True, text=True)
        if out.returncode == 2:
            wrong(out.stderr)
        n = self.a.rate * (self.a.seconds + self.a.warm)
        got = json.loads(out.stdout)
        got["server_cpu_us"] = (s.spent()[0] - mine[0]) / n / 1e3
        got["server_switches"] = (s.spent()[1] - mine[1]) / n
        got["router_cpu_us"] = (self.router.spent()[0] - theirs[0]) / n / 1e3
        return got

    def idle(self, seconds):
        """Nobody asks: what they spend all the same, in thousandths of a core, and wake-ups a second."""
        before = {row: s.spent() for row, s in self.rows.items()}
        time.sleep(seconds)
        return {row: {"milli_cores": round((s.spent()[0] - before[row][0]) / seconds / 1e6, 2),
                      "switches_per_second": round((s.spent()[1] - before[row][1]) / seconds, 1),
                      "threads": len(glob.glob(f"/proc/{s.p.pid}/task/*"))}
                for row, s in self.rows.items()}

    def round(self, k):
        got, names = {}, list(self.rows)
        for row in names[k % len(names):] + names[:k % len(names)]:      # each one first at some time
            if not row.endswith("disk"):
                got[row] = self.load(row)
            else:                                # beside what the disk does before and after
                around = [self.sync_cost(self.a.sync_seconds)]
                got[row] = self.load(row)
                around.append(self.sync_cost(self.a.sync_seconds))
                got[row]["sync_us"] = {q: round(statistics.mean(s["sync_us"][q] for s in around), 1)
                                       for q in ("p50", "p90", "p99")}
                got[row]["file_system"] = around[0]["file_system"]
            l = got[row]["latency_us"]
            say(f"  round {k + 1} {row}: p50 {l['p50']:.0f} us, p99 {l['p99']:.0f} us, {got[row]['achieved']:.0f}/s, "
                f"{got[row]['server_cpu_us']:.0f} us of processor, lost {got[row]['lost']}, "
                f"refused {got[row]['refused']}")
            time.sleep(self.a.pause)             # the drain catches up, so that the next one has the machine
        return got

    def stop(self):
        for s in reversed(self.servers):
            s.stop()
        for f in self.folders:
            shutil.rmtree(f, ignore_errors=True)


# ---- results ----

def median(values):
    return round(statistics.median(values), 3)


def summary(rounds):
    """Per row: medians over the rounds of times, of what is added to bare, and of added / fdatasync."""
    out = {}
    for row in rounds[0]:
        r = out[row] = {q: median(k[row]["latency_us"][q] for k in rounds) for q in ("p50", "p90", "p99", "p999")}
        for what in ("server_cpu_us", "server_switches", "router_cpu_us", "cpu_us_per_request", "achieved"):
            r[what] = median(k[row][what] for k in rounds)
        r["errors"] = sum(k[row]["refused"] + k[row]["broken"] + k[row]["lost"] for k in rounds)
        if row.endswith("disk"):
            r["sync_p50"], r["sync_p99"] = (median(k[row]["sync_us"][q] for k in rounds) for q in ("p50", "p99"))
        if row == "bare" or "bare" not in rounds[0]:
            continue
        for q in ("p50", "p99"):
            r[f"added_{q}"] = median(k[row]["latency_us"][q] - k["bare"]["latency_us"][q] for k in rounds)
            if row.endswith("disk"):
                r[f"added_{q}_by_sync"] = median((k[row]["latency_us"][q] - k["bare"]["latency_us"][q]) /
                                                 k[row]["sync_us"][q] for k in rounds)
    return out


def verdicts(s):
    """The aims, each with what was measured."""
    aims = [("tmpfs", "added_p50", 250), ("tmpfs", "added_p99", 1500), ("disk", "added_p50_by_sync", 2.5),
            ("disk", "added_p99_by_sync", 4)]
    return [{"row": row, "what": what, "aim": aim, "got": s[row][what], "met": s[row][what] <= aim}
            for row, what, aim in aims if row in s and what in s[row]]


def table(s):
    """The medians as they stand in docs/benchmarks/README.md."""
    def added(r, q):
        return f"{r['added_' + q]:.0f}" if "added_" + q in r else ""
    yield "| row | p50 | p99 | p99.9 | added p50 / p99 | fdatasync p50 / p99 | added / fdatasync | processor |"
    yield "|---|---|---|---|---|---|---|---|"
    for row, r in s.items():
        sync = f"{r['sync_p50']:.0f} / {r['sync_p99']:.0f}" if "sync_p50" in r else ""
        by = f"{r['added_p50_by_sync']:.2f} / {r['added_p99_by_sync']:.2f}" if "added_p50_by_sync" in r else ""
        both = f"{added(r, 'p50')} / {added(r, 'p99')}" if "added_p50" in r else ""
        yield (f"| {row} | {r['p50']:.0f} | {r['p99']:.0f} | {r['p999']:.0f} | {both} | {sync} | {by} | "
               f"{r['server_cpu_us']:.0f} |")


def first_line(path, key):
    for line in open(path):
        if line.startswith(key):
            return line.split(":", 1)[1].strip()
    return "unknown"


def machine(build):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    commit = subprocess.run("git -C " + shlex.quote(root) + " rev-parse --short HEAD 2>/dev/null", shell=True,
                            capture_output=True, text=True)       # "": no git, or no checkout
    return {"cpu": first_line("/proc/cpuinfo", "model name"), "cores": len(os.sched_getaffinity(0)),
            "kernel": platform.release(), "load_average": os.getloadavg()[0], "commit": commit.stdout.strip(),
            "build": os.path.basename(build), "when": datetime.date.today().isoformat()}


TARGETS = ["witan-gateway", "null_router", "bench_load", "bench_synced", "bench_api_key", "bench_gateway_bare",
           "bench_gateway_undrained", "postgres_run", "so_store_postgresql"]
NGINX = """
daemon off; master_process off; pid %(home)s/pid; error_log stderr;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path %(home)s/a; proxy_temp_path %(home)s/b; fastcgi_temp_path %(home)s/c;
  uwsgi_temp_path %(home)s/d; scgi_temp_path %(home)s/e; keepalive_requests 100000000; default_type application/json;
  geo $dollar { default "$"; }
  server { listen %(at)s; location / { return 200 'CANNED'; } }
}
"""
HAPROXY = """
global
  nbthread 1
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend f
  bind %(at)s
  http-request return status 200 content-type application/json file %(body)s
"""


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("build")
    p.add_argument("--model", default="models/tiny")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=5)
    p.add_argument("--warm", type=float, default=1)
    p.add_argument("--pause", type=float, default=1, help="seconds between two loads")
    p.add_argument("--rate", type=float, default=3000)
    p.add_argument("--connections", type=int, default=256)
    p.add_argument("--spacing", choices=["fixed", "poisson"], default="poisson")
    p.add_argument("--sync-seconds", type=float, default=1, help="of fdatasync, before and after a load of a disk")
    p.add_argument("--idle-seconds", type=float, default=5)
    p.add_argument("--tmpfs", default="/dev/shm", help="a folder on tmpfs")
    p.add_argument("--disk", default=tempfile.gettempdir(), help="a folder on a disk")
    p.add_argument("--rows", nargs="*", default=[], help="these alone, \"bare\" among them")
    p.add_argument("--out")
    return p.parse_args()


def main():
    a = options()
    bench, rounds = Bench(a), []
    try:
        info = machine(bench.build)
        bench.start_all()
        idle = bench.idle(a.idle_seconds)
        for k in range(a.rounds):
            rounds.append(bench.round(k))
    finally:
        bench.stop()
    s = summary(rounds)
    info["load_average_after"] = os.getloadavg()[0]
    out = {"machine": info, "rate": a.rate, "seconds": a.seconds, "rounds": a.rounds, "spacing": a.spacing,
           "connections": a.connections, "body_bytes": BODY_BYTES, "answer_bytes": len(bench.canned),
           "skipped": bench.skipped,
           "aims": verdicts(s), "median": s, "idle": idle, "each_round": rounds}
    text = json.dumps(out, indent=1)
    if a.out:
        with open(a.out, "w") as f:
            f.write(text + "\n")
    else:
        print(text)
    say("\n".join(table(s)))
    say(f"in us; load average {info['load_average']:.1f} before, {info['load_average_after']:.1f} after")
    for v in out["aims"]:
        say(f"{v['row']} {v['what']}: {v['got']} (aim {v['aim']}): {'met' if v['met'] else 'missed'}")
    return 1 if any(r.get("errors") for r in s.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
