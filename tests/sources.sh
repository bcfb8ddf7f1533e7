#!/bin/sh
# sources.sh: the checkout as a tar file on standard output, without what was built and fetched:
# for tests that build a copy. No list of folders that would miss the next one.
cd "$(dirname "$0")/.." && exec tar --exclude='./build*' --exclude='./.git' --exclude='./.venv*' -cf - .
