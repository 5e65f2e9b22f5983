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
        print(f"{start}kubefuture: interrupted; {_what_goes_on()}.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BaseException as error:
        # The script's own frames only, as if nothing stood around them.
        frames = error.__traceback__ and error.__traceback__.tb_next
        sys.excepthook(type(error), error.with_traceback(frames), frames)
        sys.exit(1)


def _what_goes_on() -> str:
    """What the workers do now: unnamed work is over, and named maps are not."""
    named = sys.modules.get("kubefuture.client.named")
    names = named.going_on() if named is not None else []
    if not names:
        return "the workers are free again"
    first = repr(names[0])
    what = f"the map {first} goes on" if len(names) == 1 else f"the maps {', '.join(map(repr, names))} go on"
    return f"{what}: kf.attach({first}) has its results, kf.forget({first}) ends it"


if __name__ == "__main__":
    main()
