#!/usr/bin/env python3
"""erase.py BUILD [--rows N] [--others N] [--out FILE]: how long it takes until a data subject is revoked whose rows fill a
database (1,000,000 of them), and until the old epoch key is destroyed, beside 1,000 subjects that stay. Some minutes, nearly
all of them to write the rows; needs 2 GB under TMPDIR."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from gateway import machine, median


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("build")
    p.add_argument("--rows", type=int, default=1000000)
    p.add_argument("--others", type=int, default=1000, help="subjects with one row, whose keys are wrapped anew")
    p.add_argument("--out", help="file for the JSON")
    a = p.parse_args()
    home = tempfile.mkdtemp(prefix="witan-erase-")
    try:
        done = subprocess.run([os.path.join(a.build, "bin/bench_erase_rate"), home, str(a.rows), str(a.others)],
                              capture_output=True, text=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if done.returncode != 0:
        sys.exit("erase.py: " + done.stderr.strip())
    result = {"bench": "erase", "machine": machine(os.path.abspath(a.build)), **json.loads(done.stdout)}
    text = json.dumps(result, indent=1) + "\n"
    if a.out:
        with open(a.out, "w") as f:
            f.write(text)
    else:
        sys.stdout.write(text)
    print(f"a subject of {result['rows']} rows: revoked in {result['revoked_ms'][0]} ms, the epoch key destroyed in "
          f"{result['epoch_destroyed_ms'][0]} ms; one of a single row, median: "
          f"{median(result['of_one_row_revoked_ms'])} and {median(result['of_one_row_epoch_destroyed_ms'])} ms",
          file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
