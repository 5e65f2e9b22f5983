"""The table of what each kind of plan can do, from the one that the runtime itself goes by."""

from __future__ import annotations

from kubefuture.backends.capabilities import CAPABILITIES, Capability

_INTRODUCTION = """\
<!-- Made by docs/capabilities.py from the runtime's table: .venv/bin/python -m docs.generate -->

# What each plan can do

The same code runs on every plan, and gives the same results: values, errors, and with a seed every bit of the random
numbers. [One command](../how-to/conformance.md) checks that on your own workers. Beyond that, the plans differ:

"""

_LEGEND = """
What a plan cannot do is refused with an error, or happens as the line says; the same command checks that, too.
A Dask cluster that kubefuture did not start is scaled by its own means. More: [run on Dask](../how-to/dask.md).
"""


def page() -> str:
    """The page, as Markdown."""
    lines = [
        f"| | {' | '.join(f'`{kind}`' for kind in CAPABILITIES)} |",
        f"|---|{'---|' * len(CAPABILITIES)}",
    ]
    for capability in Capability:
        cells = ["yes" if capability in able else "" for able in CAPABILITIES.values()]
        lines.append(f"| {capability.value} | {' | '.join(cells)} |")
    return _INTRODUCTION + "\n".join(lines) + "\n" + _LEGEND
