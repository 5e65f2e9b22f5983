"""Turns a JSON schema's first complaint into a sentence: key, what was found, what is allowed.

jsonschema says what is wrong in its own words; a person needs the key with its section, the text as
they wrote it, and the words that would have been right.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .yaml_nodes import Document, Key

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "keys of its own, indented below it",
    "null": "nothing",
}


def complaints(schema: Mapping[str, Any], document: Document) -> list[tuple[int, str]]:
    """Everything in a document that the schema does not allow.

    Args:
        schema: A JSON Schema, draft 2020-12; `x-allowed` says in words what a pattern means, and
            `x-minimum` why there is a minimum.
        document: What the file says.

    Returns:
        Line and sentence of each, in the file's order.
    """
    from jsonschema import Draft202012Validator

    data = {} if document.data is None else document.data
    found: list[tuple[int, str]] = []
    for error in Draft202012Validator(schema).iter_errors(data):
        found.extend(_sentences(schema, document, error))
    return sorted(found)


def with_defaults(schema: Mapping[str, Any], data: Any) -> Any:
    """The data with the schema's defaults for what was left out."""
    properties = schema.get("properties")
    if not isinstance(data, dict) or not isinstance(properties, Mapping):
        return data
    filled = dict(data)
    for name, below in properties.items():
        filled[name] = with_defaults(below, filled.get(name, below.get("default")))
    return filled


def _sentences(schema: Mapping[str, Any], document: Document, error: Any) -> Iterator[tuple[int, str]]:
    key: Key = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and error.validator_value is False:
        for name in error.instance:
            if name not in error.schema.get("properties", {}):
                place = (*key, name)
                yield document.line(place), _unknown(schema, error.schema.get("properties", {}), place)
        return
    if error.validator == "pattern" and "propertyNames" in error.absolute_schema_path:
        place = (*key, error.instance)
        yield (
            document.line(place),
            f"{_dotted(place)} is not a name that is allowed here: {_allowed(error.schema)}.",
        )
        return
    if error.validator == "uniqueItems":
        yield document.line(key), f"{_dotted(key)} names something twice; keep one."
        return
    found = _found(document, key, error.instance)
    allowed = _allowed(error.schema)
    if error.validator == "minimum" and error.instance == 0 and "x-minimum" in error.schema:
        allowed += f", since {error.schema['x-minimum']}"
    yield document.line(key), f"{_dotted(key) or 'the file'} is {found}; allowed is {allowed}."


def _unknown(schema: Mapping[str, Any], siblings: Mapping[str, Any], place: Key) -> str:
    guess = _guess(schema, siblings, place)
    above = _dotted(place[:-1])
    return (
        f"there is no key {_dotted(place)}{f'; did you mean {guess}?' if guess else '.'} "
        f"Allowed {'in ' + above if above else 'there'}: {', '.join(sorted(siblings))}."
    )


def _guess(schema: Mapping[str, Any], siblings: Mapping[str, Any], place: Key) -> str:
    """The key that was probably meant: near in spelling, here or in another section."""
    name = str(place[-1]).lower()
    nearest, best = "", 0.6
    for key, last in _all_keys(schema, ()):
        likeness = difflib.SequenceMatcher(None, name, last).ratio()
        if last in siblings and key[:-1] == place[:-1]:
            likeness += 0.05
        if likeness > best:
            nearest, best = _dotted(key), likeness
    return nearest


def _all_keys(schema: Mapping[str, Any], above: Key) -> Iterator[tuple[Key, str]]:
    for name, below in schema.get("properties", {}).items():
        yield (*above, name), name
        yield from _all_keys(below, (*above, name))


def _allowed(schema: Mapping[str, Any]) -> str:
    if "x-allowed" in schema:
        return str(schema["x-allowed"])
    if "enum" in schema:
        return " or ".join(str(choice) for choice in schema["enum"])
    words = _TYPES.get(schema.get("type", ""), "something else")
    if schema.get("properties"):
        words += f": {', '.join(sorted(schema['properties']))}"
    elif schema.get("type") == "object" and schema.get("examples"):
        name, value = next(iter(schema["examples"][0].items()))
        words += f", such as {name}: {value}"
    elif schema.get("type") == "array" and schema.get("examples"):
        words += f", such as [{', '.join(schema['examples'][0])}]"
    if "minimum" in schema and "maximum" in schema:
        words += f" from {schema['minimum']} to {schema['maximum']}"
    elif "minimum" in schema:
        words += f" from {schema['minimum']} up"
    return words


def _found(document: Document, key: Key, value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a group of keys"
    if isinstance(value, list):
        return "a list"
    written = document.texts.get(key, str(value))
    words = f"`{written}`" if written else "empty text"
    if isinstance(value, bool) and written.lower() not in ("true", "false"):
        words += f" (which YAML reads as {str(value).lower()})"
    elif key in document.quoted and _looks_like_a_number(written):
        words += " in quotes (so it is text)"
    return words


def _looks_like_a_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[0-9]+([.][0-9]*)?", text) is not None


def _dotted(key: Key) -> str:
    words = ""
    for part in key:
        if isinstance(part, int):
            words += f"[{part}]"
        else:
            words += f".{part}" if words else str(part)
    return words
