"""`python -m kubefuture`: the commands behind a project's make targets."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
