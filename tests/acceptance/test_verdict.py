"""The acceptance says what differs, whatever it is."""

from __future__ import annotations

import re

import pytest

from tests.acceptance.verdict import differences

REPORT = {
    "place": 2,
    "kind": "PoisonError",
    "text": "Element 2 ended its worker process 3 times",
    "index": 2,
    "reasons": ["killed by SIGKILL"] * 3,
    "last_lines": ["something earlier", "element 2 has drawn", "element 2 ends its worker"],
}
GOOD = {
    "found": [["0x1"], ["0x2"], None, ["0x4"]],
    "expected": [["0x1"], ["0x2"], ["0x3"], ["0x4"]],
    "errors": [REPORT],
    "counted": [1, 2, 3, 4],
}


def test_what_is_as_it_has_to_be_is_no_difference():
    assert differences(GOOD, 4, 2) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"found": [["0x1"], ["0x2"], None, ["0x5"]]}, r"1 results are not those of.*\[3\].*0x5.*of.*0x4"),
        ({"found": [["0x1"]]}, "1 results instead of 4"),
        ({"errors": []}, "0 errors instead of one poison report"),
        ({"errors": [REPORT, REPORT]}, "2 errors instead of one"),
        ({"errors": [{**REPORT, "index": 1}]}, "index is 1 instead of 2"),
        ({"errors": [{**REPORT, "reasons": ["exit code 1"] * 3}]}, "reasons is .*exit code 1"),
        ({"errors": [{**REPORT, "last_lines": []}]}, r"last_lines is \[\] instead of"),
        ({"counted": [1, 2, 2, 3, 4]}, "told of 5 elements"),
    ],
)
def test_each_difference_is_a_sentence(change, sentence):
    (found,) = differences({**GOOD, **change}, 4, 2)
    assert re.search(sentence, found)
