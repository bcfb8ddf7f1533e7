"""The cluster under test, as witan.json tells of it: its processes, their metrics, and signals to them."""
import json
import os
import signal
import subprocess
import time
import urllib.request


class Cluster:
    def __init__(self, path, witan=None):
        self.path, self.witan = path, witan
        self.folder = os.path.dirname(path)
        self.read()

    def read(self):
        with open(self.path) as f:
            state = json.load(f)
        self.base, self.key, self.processes = state["http"] + "/v1", state["admin_key"], state["processes"]

    def of(self, role):
        return [p for p in self.processes if p["role"] == role]

    def metric(self, role, name):
        """Sum of a metric over the processes of a role and all labels."""
        total = 0.0
        for p in self.of(role):
            with urllib.request.urlopen(f"http://{p['metrics']}/metrics", timeout=60) as r:
                for line in r.read().decode().splitlines():
                    if line.split("{")[0].split(" ")[0] == name:
                        total += float(line.rsplit(" ", 1)[1])
        return total

    def until(self, role, name, want, seconds=120):
        end = time.monotonic() + seconds
        while (got := self.metric(role, name)) != want:
            assert time.monotonic() < end, f"{name} is {got}, not {want}, after {seconds} s"
            time.sleep(0.01)

    def signal(self, role, number):
        self.read()
        for p in self.of(role):
            os.kill(p["pid"], number)

    def stop(self, role):
        self.signal(role, signal.SIGSTOP)

    def go_on(self, role):
        self.signal(role, signal.SIGCONT)

    def new_key(self, **flags):
        words = [self.witan, "key", "create", "--state", self.folder]
        for name, value in flags.items():
            words += ["--" + name, value]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()[0]


passed = 0


def test(f):
    """Runs f at once; a failure ends the script with its trace."""
    global passed
    start = time.monotonic()
    f()
    passed += 1
    print(f"ok {passed} - {f.__name__.replace('_', ' ')} ({time.monotonic() - start:.1f} s)", flush=True)


def done():
    print(f"{passed} passed, 0 failed")
