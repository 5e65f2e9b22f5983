"""Reads YAML into plain data and remembers on which line each key stands.

    text ──compose──> nodes ──checked here──> data, and {("workers", "count"): 4, ...}

Stricter than YAML: what could be read in two ways (a key given twice, a reference to another part)
or what a playbook would take for a template is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str | int, ...]
"""The way to a value: keys of mappings, and indices of lists."""


class YamlProblem(Exception):
    """What is wrong, and on which line (the first is 1)."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


@dataclass
class Document:
    """What a file says.

    Attributes:
        data: Plain dicts, lists and scalars; None for an empty file.
        lines: The line of each key and list item.
        texts: How each scalar is written in the file; YAML reads `no` as false.
        quoted: The scalars that are written in quotes.
    """

    data: Any = None
    lines: dict[Key, int] = field(default_factory=dict)
    texts: dict[Key, str] = field(default_factory=dict)
    quoted: set[Key] = field(default_factory=set)

    def line(self, key: Key) -> int:
        """The line of a key, or of the nearest one around it that is there."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 1)


def parse(text: str) -> Document:
    """Parses a YAML file.

    Args:
        text: The whole file.

    Raises:
        YamlProblem: It is not YAML, or not as strict as it should be.
    """
    import yaml

    for number, written in enumerate(text.splitlines(), 1):
        if written.startswith(("<<<<<<< ", ">>>>>>> ")):
            raise YamlProblem(
                number, "holds a conflict mark of `make update`: keep one side and delete the marks"
            )
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlProblem(line, "is not YAML: it holds a character that cannot be printed") from None
    document = Document()
    try:
        node = loader.get_single_node()
        if node is not None:
            document.data = _build(loader, node, (), document, set())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = error.problem or error.context or "it cannot be read"
        if "'\\t'" in problem:
            problem = "a tab is used to indent; use spaces"
        raise YamlProblem(
            line, f"is not YAML: {problem}; look at the colons and the indentation near it"
        ) from None
    finally:
        loader.dispose()
    return document


def _build(loader: Any, node: Any, key: Key, document: Document, seen: set[int]) -> Any:
    import yaml

    line = node.start_mark.line + 1
    document.lines.setdefault(key, line)
    if id(node) in seen:
        raise YamlProblem(line, "refers to another part of the file with `*`; write it out")
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        return _build_mapping(loader, node, key, document, seen)
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, item, (*key, index), document, seen) for index, item in enumerate(node.value)]
    _refuse_templates(node)
    document.texts[key] = node.value
    if node.style in ("'", '"'):
        document.quoted.add(key)
    value = loader.construct_object(node)
    if type(value) is int and node.value != str(value):
        raise YamlProblem(
            line,
            f"`{node.value}` could be read in two ways; YAML reads it as {value}. Write {value}, or, if it is "
            "text, put it in quotes",
        )
    return value


def _build_mapping(loader: Any, node: Any, key: Key, document: Document, seen: set[int]) -> Mapping[str, Any]:
    import yaml

    data: dict[str, Any] = {}
    for name_node, value_node in node.value:
        line = name_node.start_mark.line + 1
        if not isinstance(name_node, yaml.ScalarNode) or name_node.value == "<<":
            raise YamlProblem(line, "has a key that is not a plain word")
        _refuse_templates(name_node)
        name = str(name_node.value)
        if name in data:
            first = document.lines[(*key, name)]
            where = ".".join(str(part) for part in (*key, name))
            raise YamlProblem(
                line, f"{where} is given again (it is on line {first} already); keep one of the two"
            )
        document.lines[(*key, name)] = line
        data[name] = _build(loader, value_node, (*key, name), document, seen)
    return data


def _refuse_templates(node: Any) -> None:
    for brace in ("{{", "{%", "{#"):
        if brace in node.value:
            line = node.start_mark.line + 1
            raise YamlProblem(
                line,
                f"`{node.value.strip()}` holds `{brace}`, which is not allowed: write the value itself",
            )
