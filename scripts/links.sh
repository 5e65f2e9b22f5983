#!/bin/sh
# Fails with an explanation where the folders that the template shares are not symbolic links.
set -eu
cd "$(dirname "$0")/.."

for name in template/runtime template/playbooks; do
    if [ ! -L "$name" ] || [ ! -d "$name" ]; then
        {
            echo "error: $name should be a symbolic link to a folder, and this checkout has none."
            echo "  git config --global core.symlinks true, then clone again on a file system that has symbolic links"
            echo "  (on Windows: inside WSL2, below your home folder there)."
        } >&2
        exit 1
    fi
done
