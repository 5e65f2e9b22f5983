"""Runs a script as `python SCRIPT` does, but for Ctrl-C, which ends it with one line.

    make run ──exec──> python script.py analysis/means.py --draws 9
                         └─ the script is __main__, with the arguments and the import path of its own

A program, not to be imported. It needs nothing but Python, since the script's own folder may hold a file
that is called like any module.
"""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells give it."""


def main() -> None:
    """Becomes the script that the command line names."""
    del sys.argv[0]
    path = os.path.abspath(sys.argv[0])
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    module = type(sys)("__main__")
    module.__dict__.update(__file__=path, __builtins__=__builtins__)
    sys.modules["__main__"] = module
    try:
        with open(path, "rb") as file:
            source = file.read()
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    except SystemExit:
        raise
    except KeyboardInterrupt:
        # A terminal shows ^C, and stays on that line.
        start = "\n" if sys.stderr.isatty() else ""
        print(f"{start}kubefuture: interrupted; the workers are free again.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BaseException as error:
        # The script's own frames only, as if nothing stood around them.
        frames = error.__traceback__ and error.__traceback__.tb_next
        sys.excepthook(type(error), error.with_traceback(frames), frames)
        sys.exit(1)


if __name__ == "__main__":
    main()
