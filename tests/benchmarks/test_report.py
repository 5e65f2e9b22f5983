"""The report shows what was measured, and names what was not."""

from __future__ import annotations

from benchmarks import report
from benchmarks.measurement import Row, in_turns, ratios


def test_a_bar_is_reached_by_the_median_from_the_right_side():
    assert Row("q", "", "", [1.0, 2.0, 9.0], 2.0).reached
    assert not Row("q", "", "", [1.0, 2.1, 2.2], 2.0).reached
    assert Row("q", "", "", [1.0, 2.0, 2.0], 2.0, at_least=True).reached
    assert not Row("q", "", "", [1.9, 1.9, 9.0], 2.0, at_least=True).reached
    assert Row("q", "", "", [99.0]).reached


def test_rows_with_a_bar_say_whether_it_was_reached_and_the_others_stand_beside_them():
    shown = report.tables([Row("fast", "1 us", "P 2 us", [0.5], 0.6), Row("fast", "1 us", "Q 4 us", [0.25])])
    barred, beside = shown.split("Beside them, without a bar:")
    assert "| fast | 1 us | P 2 us | 0.50 | <= 0.6 | yes |" in barred
    assert "| fast | 1 us | Q 4 us | 0.25 |" in beside
    assert "Not measured" not in shown


def test_a_missed_bar_catches_the_eye():
    shown = report.tables([Row("rate", "5", "", [5000.0], 8000.0, at_least=True, unit=" /s")])
    assert "| 5,000 /s | >= 8,000 /s | **no** |" in shown


def test_who_is_missing_is_named_once_with_all_questions():
    rows = [Row(question, "", "Ray", [], note="not installed") for question in ("round trip", "import")]
    shown = report.tables([Row("import", "1 ms", "", [1.0], 2.0), *rows])
    assert "- **Not measured**: Ray (not installed), in round trip, import." in shown
    assert shown.count("Ray") == 1


def test_a_run_in_which_nothing_could_be_measured_says_so():
    assert report.tables([Row("import", "", "Ray", [], note="not installed")]).startswith(
        "- **Not measured**"
    )


def test_everybody_is_first_in_turn():
    order = []
    contenders = {name: lambda name=name: order.append(name) or 1.0 for name in "abc"}
    measured = in_turns(contenders, 3)
    assert "".join(order) == "abcbcacab"
    assert measured == {"a": [1.0] * 3, "b": [1.0] * 3, "c": [1.0] * 3}
    assert ratios([1.0, 4.0], [2.0, 2.0]) == [0.5, 2.0]
