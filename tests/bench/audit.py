#!/usr/bin/env python3
"""audit.py BUILD [options]: the audit log and a PostgreSQL that is away, and how fast rows come into one that is there.

1. An outage: the product in front of a router without a model, at one fixed rate by an open-loop generator (load.c);
   PostgreSQL is stopped for --seconds and started again while the load goes on. Errors of the API are counted; from
   the moment at which PostgreSQL answers it is measured how long the spool takes until nothing of the outage waits, and
   in the end each answered request has its rows in the table, counted there.
2. Durable rows a second for --rate-seconds, by the gateway's own way into the store (drain_rate.c).
PostgreSQL has Debian's settings (fsync and synchronous_commit on, which is asked and told). The result is JSON, in OUT
or on standard output. Exit 1: an answer failed or a row is missing; 2: the bench could not begin; 77: there is no
PostgreSQL."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request

import gateway
from gateway import say, wrong

TARGETS = ["witan-gateway", "null_router", "bench_load", "bench_drain_rate", "witan", "postgres_run",
           "so_store_postgresql"]
gateway.TARGETS = TARGETS                        # what its words name when a program is missing


class Audit(gateway.Bench):
    def __init__(self, a):
        super().__init__(a)
        self.pg = self.start("postgres", [self.build + "/tests/postgres_run", "outage", "rate"], self.disk + "/pg.log")
        self.url = self.pg.line()
        if self.url.startswith("skipped"):
            self.stop()
            print(self.url)
            raise SystemExit(77)
        self.rate_url = self.pg.line()

    def pg_do(self, word):
        """Stops or starts it; how long that took."""
        begun = time.monotonic()
        self.pg.p.stdin.write(word.encode() + b"\n")
        self.pg.p.stdin.flush()
        if self.pg.line() != "done":
            wrong(f"PostgreSQL did not {word}")
        return time.monotonic() - begun

    def sql(self, question, url=None):
        out = subprocess.run(["psql", url or self.url, "-XAtqc", question], capture_output=True, text=True)
        if out.returncode != 0:
            wrong(f"{question}: {out.stderr}")
        return out.stdout.strip()

    def metric(self, name):
        text = urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=10).read().decode()
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if line.startswith(name) and line[len(name)] in " {")

    def begin(self):
        self.start_router()
        self.metrics = f"127.0.0.1:{gateway.port()}"
        at, state = f"127.0.0.1:{gateway.port()}", self.disk + "/gateway"
        os.makedirs(state, 0o700)
        shutil.copytree(self.keys, state + "/keys")
        made = subprocess.run([self.bin("witan"), "key", "create", "--state", state, "--store", self.url, "--name",
                               "bench", "-o", "json"], capture_output=True, text=True)
        if made.returncode != 0:                 # without limits: those are refused while nobody can count
            wrong(made.stderr)
        self.gateway = self.start("gateway", [
            self.bin("witan-gateway"), f"--state={state}", f"--model={self.a.model}", "--name=gateway-0",
            f"--routers-at={self.bus}", f"--http={at}", "--rpc=", "--audit-witness=none", f"--store={self.url}",
            f"--metrics={self.metrics}", f"--spool-bytes={self.a.spool_bytes}"], f"{state}/log", at,
            json.loads(made.stdout)["key"])
        self.gateway.answers("/v1/chat/completions", open(self.body_file).read())

    def load_for(self, seconds):
        return subprocess.Popen([self.bin("bench_load"), "--to", self.gateway.address, "--body", self.body_file,
                                 "--rate", str(self.a.rate), "--seconds", str(seconds), "--warm", "0", "--connections",
                                 str(self.a.connections), "--spacing", "poisson", "--key", self.gateway.key],
                                stdout=subprocess.PIPE, text=True, preexec_fn=gateway.ended_with_us)

    def waits(self):
        """Records on disk that the store does not have; the answer is older than the question, never newer."""
        return self.metric("witan_audit_durable_total") - self.metric("witan_audit_drained_total")

    def until_drained(self, seconds):
        """Seconds until what is on disk now is in the store; None: not within the time."""
        begun, want = time.monotonic(), self.metric("witan_audit_durable_total")
        while time.monotonic() - begun < seconds:
            if self.metric("witan_audit_drained_total") >= want:
                return round(time.monotonic() - begun, 2)
            time.sleep(.1)
        return None

    def result_of(self, p):
        out = p.communicate()[0]
        if p.returncode == 2:
            wrong("the load generator did not begin")
        r = json.loads(out)
        return {k: r[k] for k in ("planned", "answered", "refused", "broken", "lost", "first_refusal")} | {
            "latency_us": {q: r["latency_us"][q] for q in ("p50", "p99", "p999", "max") if q in r["latency_us"]}}

    def outage(self):
        """One load over all of it, and a second one over the drain, so that the two can be told apart."""
        self.until_drained(60)
        before = int(self.sql("SELECT count(*) FROM audit_events WHERE kind = 2 AND outcome = 'ok'"))
        down = self.pg_do("stop")
        say(f"PostgreSQL is stopped; {self.a.rate} requests a second for {self.a.seconds} s")
        during = self.result_of(self.load_for(self.a.seconds))
        spool = self.metric("witan_audit_spool_bytes")
        waiting = self.waits()
        after = self.load_for(self.a.within)
        say(f"{waiting:.0f} records wait in {spool / 1e6:.0f} MB; PostgreSQL is started")
        up = self.pg_do("start")
        took = self.until_drained(self.a.give_up)
        say(f"drained: {took} s, with the load going on")
        after = self.result_of(after)
        last = self.until_drained(self.a.give_up)
        answered = during["answered"] + after["answered"]
        ends, intents = (int(self.sql(f"SELECT count(*) FROM audit_events WHERE {w}"))
                         for w in ("kind = 2 AND outcome = 'ok'", "kind = 1"))
        return {"seconds": self.a.seconds, "rate": self.a.rate, "postgresql_stop_s": round(down, 2),
                "postgresql_start_s": round(up, 2), "during": during, "while_draining": after,
                "records_waiting": int(waiting), "spool_bytes": int(spool), "drained_s": took,
                "drained_again_s": last, "errors": sum(k[w] for k in (during, after)
                                                       for w in ("refused", "broken", "lost")),
                "answers": answered, "rows_of_them": ends - before, "intents": intents,
                "records_a_second": round(waiting / took) if took else None}

    def rate(self):
        say(f"rows into PostgreSQL for {self.a.rate_seconds} s")
        out = subprocess.run([self.bin("bench_drain_rate"), self.disk + "/rate", self.rate_url,
                              str(self.a.rate_seconds), str(self.a.rate_rows)], capture_output=True, text=True)
        if out.returncode == 2:
            wrong(out.stderr)
        return json.loads(out.stdout)

    def run(self):
        settings = {k: self.sql(f"SHOW {k}") for k in ("server_version", "fsync", "synchronous_commit",
                                                       "full_page_writes", "shared_buffers")}
        rate = self.rate()
        say(f"  {rate['rows_per_second']:.0f} rows a second")
        self.begin()
        out = self.outage()
        aims = [{"what": "rows_per_second", "aim": 5000, "got": round(rate["rows_per_second"]),
                 "met": rate["rows_per_second"] >= 5000},
                {"what": "errors", "aim": 0, "got": out["errors"], "met": out["errors"] == 0},
                {"what": "drained_s", "aim": self.a.within, "got": out["drained_s"],
                 "met": out["drained_s"] is not None and out["drained_s"] <= self.a.within}]
        return {"bench": "audit", "machine": gateway.machine(self.build), "postgresql": settings, "rate": rate,
                "outage": out, "aims": aims}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("build")
    p.add_argument("--seconds", type=float, default=600, help="of the outage")
    p.add_argument("--rate", type=float, default=500, help="requests a second")
    p.add_argument("--within", type=float, default=60, help="seconds in which it is to be drained, under the same load")
    p.add_argument("--give-up", type=float, default=900, help="seconds after which it is not waited for")
    p.add_argument("--rate-seconds", type=int, default=60)
    p.add_argument("--rate-rows", type=int, default=1500000, help="put into the spool for that")
    p.add_argument("--connections", type=int, default=64)
    p.add_argument("--spool-bytes", default="4G")
    p.add_argument("--model", default="models/tiny")
    p.add_argument("--tmpfs", default="/dev/shm")
    p.add_argument("--disk", default=None, help="folder for the spool (TMPDIR)")
    p.add_argument("--out", help="file for the JSON")
    a = p.parse_args()
    bench = Audit(a)
    try:
        result = bench.run()
    finally:
        bench.stop()
    text = json.dumps(result, indent=1) + "\n"
    if a.out:
        with open(a.out, "w") as f:
            f.write(text)
    else:
        sys.stdout.write(text)
    o = result["outage"]
    if o["errors"] or o["rows_of_them"] != o["answers"] or o["drained_s"] is None:
        say(f"{o['errors']} errors; {o['answers']} answers, {o['rows_of_them']} rows of them")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
