#!/bin/sh
# Removes what was made here. A demo that is still up is taken down first, so that nothing is left running.
set -eu
cd "$(dirname "$0")/.."

if [ -d build/demo/.kubefuture/deployed ]; then
    make -C build/demo --no-print-directory down
fi
rm -rf .venv build .hypothesis .mypy_cache .pytest_cache .ruff_cache
