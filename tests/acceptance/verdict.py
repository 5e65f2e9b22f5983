"""What the acceptance holds the results against; each finding is a sentence."""

from __future__ import annotations

from typing import Any


def differences(report: dict[str, Any], elements: int, poison: int) -> list[str]:
    """What is not as it has to be.

    Args:
        report: What the script wrote.
        elements: How many elements there were.
        poison: The index of the one that ended its slots.
    """
    return [
        *_of_results(report["found"], report["expected"], elements, poison),
        *_of_reports(report["errors"], poison),
        *_of_counting(report["counted"], elements),
    ]


def _of_results(found: list[Any], expected: list[Any], elements: int, poison: int) -> list[str]:
    if not len(found) == len(expected) == elements:
        return [f"{len(found)} results instead of {elements}, and {len(expected)} of plan('sequential')"]
    others = [index for index in range(elements) if index != poison and found[index] != expected[index]]
    if not others:
        return []
    first = others[0]
    return [
        f"{len(others)} results are not those of plan('sequential'): elements {others[:10]}; element {first} "
        f"is {found[first]} instead of {expected[first]}"
    ]


def _of_reports(errors: list[dict[str, Any]], poison: int) -> list[str]:
    if len(errors) != 1:
        told = [f"{error['place']}: {error['kind']}: {error['text']}" for error in errors]
        return [f"{len(errors)} errors instead of one poison report: {told}"]
    (report,) = errors
    wanted = {
        "place": poison,
        "kind": "PoisonError",
        "index": poison,
        "reasons": ["killed by SIGKILL"] * 3,
        "last_lines": [f"element {poison} has drawn", f"element {poison} ends its worker"],
    }
    report = {**report, "last_lines": report["last_lines"][-2:]}
    return [
        f"the poison report's {name} is {report[name]!r} instead of {value!r}"
        for name, value in wanted.items()
        if report[name] != value
    ]


def _of_counting(counted: list[int], elements: int) -> list[str]:
    if counted == list(range(1, elements + 1)):
        return []
    return [f"progress= was told of {len(counted)} elements, the last as number {counted[-1:]}"]
