"""Writes the pages that are made from something else.

    template/values.schema.json ──────────> docs/reference/values.md
    the tests' names ──────── rules.py ───> docs/explanation/rules.md
    backends/capabilities ─── capabilities.py > docs/reference/plans.md
    tables in the runtime ─── states.py ──> docs/explanation/state-machines.md, docs/images/states-*.svg

Run it after a change of one of these: ``.venv/bin/python -m docs.generate``. The pages are kept in git, so
that they can be read without building anything; a test says when one is out of date.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from . import capabilities, rules, states

ROOT = Path(__file__).resolve().parent.parent
_SCHEMA = ROOT / "template" / "values.schema.json"

_INTRODUCTION = """\
<!-- Made by docs/generate.py from template/values.schema.json: change that, then .venv/bin/python -m docs.generate -->

# values.yaml

The one file of settings in a project. After a change, `make up` applies it. Every key may be left out; then
its default counts. A key that is not on this page, or a value that is not allowed, stops what you asked for
before anything starts, with the line, what was found, and what is allowed.

A whole file, with the defaults of everything:

```yaml
{example}```
"""

_TYPES = {
    "integer": "a whole number",
    "string": "text",
    "array": "a list of text, one item a line",
    "object": "names with text",
}


def main() -> None:
    """Writes the pages."""
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page(), encoding="utf-8")


def _values() -> str:
    """The page of values.yaml, as Markdown."""
    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    parts = [_INTRODUCTION.format(example=_yaml(_defaults(schema)))]
    for name, part in schema["properties"].items():
        parts.append("\n".join(_section((name,), part)))
    return "\n".join(parts)


def _section(key: tuple[str, ...], schema: Mapping[str, Any]) -> Iterator[str]:
    """The heading and text of one key, then those of the keys below it."""
    yield f"{'#' * (len(key) + 1)} {'.'.join(key)}"
    yield ""
    yield schema["description"]
    yield ""
    below = schema.get("properties")
    if below is None:
        yield f"Allowed: {_allowed(schema)}. Default: {_default(schema)}."
        yield ""
        if len(schema.get("enum", ())) != 1:
            yield f"```yaml\n{_yaml(_nested(key, schema['examples'][-1]))}```\n"
        return
    for name, part in below.items():
        yield from _section((*key, name), part)


def _allowed(schema: Mapping[str, Any]) -> str:
    """What may be written, in words."""
    if "x-allowed" in schema:
        return str(schema["x-allowed"])
    if "enum" in schema:
        return " or ".join(f"`{choice}`" for choice in schema["enum"])
    words = _TYPES[schema["type"]]
    if "maximum" in schema:
        words += f" from {schema['minimum']} to {schema['maximum']}"
    elif "minimum" in schema:
        words += f" from {schema['minimum']} up"
    elif "items" in schema:
        words += f"; each is {schema['items']['x-allowed']}"
    elif "propertyNames" in schema:
        words += f"; a name is {schema['propertyNames']['x-allowed']}"
    return words


def _default(schema: Mapping[str, Any]) -> str:
    """What counts when nothing is written, in words."""
    return f"`{schema['default']}`" if schema["default"] not in ([], {}) else "none"


def _nested(key: tuple[str, ...], value: Any) -> Any:
    """A value below the keys that lead to it."""
    for part in reversed(key):
        value = {part: value}
    return value


def _defaults(schema: Mapping[str, Any]) -> Any:
    """The value that counts when nothing is written."""
    if "properties" in schema:
        return {name: _defaults(part) for name, part in schema["properties"].items()}
    return schema["default"]


class _Indented(yaml.SafeDumper):
    """Indents lists as people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Indented, sort_keys=False, allow_unicode=True)


PAGES: Mapping[str, Callable[[], str]] = {
    "reference/values.md": _values,
    "reference/plans.md": capabilities.page,
    "explanation/rules.md": rules.page,
    "explanation/state-machines.md": states.page,
    **{f"images/states-{machine.key}.svg": partial(states.picture, machine) for machine in states.MACHINES},
}
"""What makes which page, by its place in docs/."""


if __name__ == "__main__":
    main()
