"""Writes the pages that are made from something else.

    template/values.schema.json ──────────> docs/reference/values.md
    chart/values.yaml ────────────────────> docs/reference/chart.md
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

_CHART = """\
<!-- Made by docs/generate.py from chart/values.yaml: change that, then .venv/bin/python -m docs.generate -->

# The Helm chart

`make up` installs a project's scheduler and workers with the chart in the project's folder `chart/`, and tells it
what it needs from [values.yaml](values.md). This page is for those who use the chart without that, as from a GitOps
tool.

It works with Helm 3 and 4, and Kubernetes from {oldest} on. A release has a scheduler with a volume and a service,
and workers with one slot each, all named after it: `RELEASE-scheduler` and `RELEASE-worker`. Nothing of it is open
to the network, and every pod is *restricted* in the words of Kubernetes' Pod Security.

| command | what it does |
|---|---|
| `helm upgrade --install RELEASE chart/ --values FILE` | installs it, or changes it |
| `helm test RELEASE` | logs in at the scheduler from a pod, as a worker does |
| `helm rollback RELEASE` | takes back the last change |
| `helm uninstall RELEASE` | deletes it, with the volume and all named work on it |

With Helm 4 add `--server-side=false` when you install. Otherwise it holds that the number of workers is its own,
and refuses every later change once `make scale` or `kf.scale` has changed it. After an upgrade or a rollback the
number is `workers.count` again.

An image holds Python, the packages of the project's `requirements.lock`, and the runtime: `make up` builds it from
`docker/Dockerfile`. The secret that `auth.secret` names has to be there before. It holds a `token` (64 hexadecimal
digits) and a certificate for the name `kubefuture` with its key (`tls.crt`, `tls.key`). Whoever changes them
changes `auth.version` too, so that the pods start again.

A key that is not in here, or a value that cannot be, is refused by `values.schema.json` beside it. These are all of
them, with their defaults:

```yaml
{values}```
"""

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
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


def _chart() -> str:
    """The page of the chart, as Markdown."""
    about = yaml.safe_load((ROOT / "chart" / "Chart.yaml").read_text(encoding="utf-8"))
    oldest = str(about["kubeVersion"]).removeprefix(">=").removesuffix(".0-0")
    return _CHART.format(oldest=oldest, values=(ROOT / "chart" / "values.yaml").read_text(encoding="utf-8"))


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
    if schema["default"] in ([], {}, ""):
        return "none"
    return f"`{json.dumps(schema['default']) if isinstance(schema['default'], bool) else schema['default']}`"


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
    "reference/chart.md": _chart,
    "reference/plans.md": capabilities.page,
    "explanation/rules.md": rules.page,
    "explanation/state-machines.md": states.page,
    **{f"images/states-{machine.key}.svg": partial(states.picture, machine) for machine in states.MACHINES},
}
"""What makes which page, by its place in docs/."""


if __name__ == "__main__":
    main()
