#!/bin/sh
# Makes the Python environment VENV from the lock LOCK on a machine that has nothing but Python:
#
#     sh bootstrap.sh LOCK VENV
#
# Here a Python is found that is new enough; bootstrap.py, which runs on it, does the rest. PYTHON=/path/to/python
# names one. Returns at once when VENV was made from this very LOCK already.
set -eu

lock=$1
venv=$2
# The kept copy of the lock is written last, so it also says that the environment is whole.
if [ -z "${PYTHON:-}" ] && [ -x "$venv/bin/python" ] && cmp -s "$lock" "$venv/installed.lock"; then
    exit 0
fi

# Exit 0: usable; 3: too old; 4: cannot make virtual environments. The version goes to standard output.
probe='
import sys
print(".".join(map(str, sys.version_info[:3])))
sys.path = [folder for folder in sys.path if folder]
if sys.version_info < (3, 11):
    sys.exit(3)
try:
    import ensurepip, venv
except ImportError:
    sys.exit(4)
'
if [ -n "${PYTHON:-}" ]; then
    set -- "$PYTHON"
else
    set -- python3 python3.14 python3.13 python3.12 python3.11 python
fi
too_old=''
without_venv=''
for candidate; do
    status=0
    version=$("$candidate" -E -c "$probe" 2>/dev/null) || status=$?
    case $status in
    0) exec "$candidate" -I "$(dirname "$0")/bootstrap.py" "$lock" "$venv" ;;
    3) too_old="$too_old${too_old:+, }$candidate is $version" ;;
    4) without_venv="$without_venv${without_venv:+, }$candidate $version" ;;
    esac
done

{
    if [ -n "$without_venv" ]; then
        minor=${without_venv##* }
        minor=${minor%.*}
        echo "error: $without_venv cannot make virtual environments (its ensurepip is missing)."
        echo "  On Debian and Ubuntu: sudo apt install python3-venv   (or python$minor-venv)"
        echo "  Without root: a Python from conda, pyenv or python.org; name it with PYTHON=/path/to/python"
    else
        if [ -n "$too_old" ]; then
            echo "error: Python 3.11 or newer is needed, and here $too_old."
        elif [ -n "${PYTHON:-}" ]; then
            echo "error: PYTHON=$PYTHON is not a Python that can be run."
        else
            echo "error: Python 3.11 or newer is needed, and none was found."
        fi
        echo "  Install one (Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python;"
        echo "  without root: conda or pyenv), or name one with PYTHON=/path/to/python"
    fi
} >&2
exit 1
