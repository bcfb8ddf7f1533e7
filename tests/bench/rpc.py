#!/usr/bin/env python3
"""rpc.py BUILD [options]: a unary chat call over RPC (ipc, CURVE) beside the same over HTTP/1.1 on kept connections.

One gateway, as it ships, in front of a router without a model, on tmpfs; rpc_bench asks through both doors in turn. Told
are medians over the rounds; ratios are those of one and the same round. The result is JSON, in OUT or on standard output.
Exit 1: a call was not answered well; 2: the bench could not begin."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from gateway import BODY_BYTES, Server, body_of, machine, median, port, say, wrong

FLIGHTS = (1, 16)


def servers(a, build, home, started):
    """The router and the gateway; where the gateway is asked, and with which key and client file."""
    keys, state, http = home + "/keys", home + "/gateway", port()
    router = Server("null_router", [build + "/bin/null_router", "--keys", keys, "--make-keys", "1", "--bus",
                                    "tcp://127.0.0.1:0", "--model", a.model, "--finish", "stop"], home + "/router.log")
    started.append(router)
    bus = router.line().removeprefix("bus=")
    os.mkdir(state, 0o700)
    shutil.copytree(keys, state + "/keys")
    rpc, client = f"ipc://{home}/rpc", home + "/client"
    made = subprocess.run([build + "/bin/rpc_bench", "make", f"sqlite:{state}/witan.db", rpc, keys + "/rpc.pub", client],
                          capture_output=True, text=True)
    if made.returncode != 0:
        wrong(made.stderr)
    key = made.stdout.strip()
    gateway = Server("gateway", [build + "/bin/witan-gateway", f"--state={state}", f"--model={a.model}",
                                 "--name=gateway-0", f"--routers-at={bus}", f"--http=127.0.0.1:{http}", f"--rpc={rpc}",
                                 "--audit-witness=none"], state + "/log", f"127.0.0.1:{http}", key)
    started.append(gateway)
    gateway.answers("/v1/chat/completions", open(home + "/body.json").read())
    return gateway, client


def flight(a, build, home, gateway, client, n):
    """Rounds with n calls under way at a time."""
    out = subprocess.run([build + "/bin/rpc_bench", "run", client, gateway.address, gateway.key, home + "/body.json",
                          str(gateway.p.pid), str(n), str(a.calls), str(a.rounds)], capture_output=True, text=True)
    if out.returncode == 2:
        wrong(out.stderr)
    rounds = [json.loads(line) for line in out.stdout.splitlines()]
    value = {"p50": lambda d: d["latency_us"]["p50"], "p99": lambda d: d["latency_us"]["p99"],
             "client_cpu_us": lambda d: d["client_cpu_us"], "server_cpu_us": lambda d: d["server_cpu_us"],
             "cpu_us": lambda d: d["client_cpu_us"] + d["server_cpu_us"]}
    result = {door: {what: median(of(k[door]) for k in rounds) for what, of in value.items()}
              for door in ("http", "rpc")}
    result["rpc_by_http"] = {what: median(of(k["rpc"]) / of(k["http"]) for k in rounds) for what, of in value.items()}
    result["each_round"] = rounds
    for door in ("http", "rpc", "rpc_by_http"):
        say(f"  {n} under way, {door}: " + ", ".join(f"{what} {result[door][what]:.2f}" for what in value))
    if out.returncode != 0:
        say(out.stderr.strip())
    return result, out.returncode


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("build")
    p.add_argument("--model", default="models/tiny")
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--calls", type=int, default=1000, help="of each door in a round")
    p.add_argument("--tmpfs", default="/dev/shm", help="a folder on tmpfs")
    p.add_argument("--out")
    return p.parse_args()


def main():
    a, started, codes = options(), [], []
    build, home = os.path.abspath(a.build), tempfile.mkdtemp(prefix="witan-rpc-", dir=a.tmpfs)
    out = {"machine": machine(build), "rounds": a.rounds, "calls": a.calls, "body_bytes": BODY_BYTES, "under_way": {}}
    try:
        with open(home + "/body.json", "w") as f:
            f.write(body_of(BODY_BYTES))
        gateway, client = servers(a, build, home, started)
        for n in FLIGHTS:
            out["under_way"][str(n)], code = flight(a, build, home, gateway, client, n)
            codes.append(code)
    finally:
        for s in reversed(started):
            s.stop()
        shutil.rmtree(home, ignore_errors=True)
    text = json.dumps(out, indent=1)
    if a.out:
        with open(a.out, "w") as f:
            f.write(text + "\n")
    else:
        print(text)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
