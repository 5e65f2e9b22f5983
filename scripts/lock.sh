#!/bin/sh
# Compiles the locks again: the tools of every project, what people who work on kubefuture need, and the benchmarks.
# Universal (every system and Python from 3.11 on), with hashes, and without index URLs, so that a mirror works too.
set -eu
cd "$(dirname "$0")/.."

compile() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command "make lock" "$@"
}

# Arguments go through, so that `make lock ARGS=--upgrade` brings everything up to date.
compile "$@" requirements-tools.in --output-file template/tools.lock
# The tools of the project are the tools the tests run: one version of each.
compile "$@" --constraints template/tools.lock requirements-dev.in runtime/pyproject.toml \
    --output-file requirements-dev.lock
# The benchmarks' peers have an environment of their own, beside the runtime in the versions that it is tested with.
compile "$@" --constraints requirements-dev.lock benchmarks/requirements.in runtime/pyproject.toml \
    --output-file benchmarks/requirements.lock

# A new project starts with the lock that its own `make lock` would make, so a default one is made for that.
rm -rf build/lock
.venv/bin/python -W ignore -m copier copy --quiet --defaults --vcs-ref HEAD . build/lock
(cd build/lock && ../../.venv/bin/python -I -m kubefuture lock "$@")
cp build/lock/requirements.lock template/requirements.lock
rm -rf build/lock
