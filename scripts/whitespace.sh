#!/bin/sh
# Names the lines of the given files that end in white space or are left from a merge that was not finished.
set -eu

if grep -nE '[[:blank:]]+$|^(<<<<<<<|>>>>>>>)( |$)' /dev/null "$@"; then
    exit 1
fi
