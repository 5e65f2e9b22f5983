"""Objects of the libraries that people use: tables, and models that were fitted."""

from __future__ import annotations

import kubefuture as kf
import numpy as np
import pandas as pd
import pytest
from kubefuture.backends.capabilities import CAPABILITIES
from kubefuture.errors import UnpicklableError

KINDS = list(CAPABILITIES)

FRAME = pd.DataFrame(
    {
        "number": [1.5, np.nan, 3.0],
        "text": ["a", "ä", None],
        "kind": pd.Categorical(["x", "y", "x"]),
        "day": pd.to_datetime(["2024-02-29", "2024-03-01", None]).tz_localize("UTC"),
        "whole": pd.array([1, None, 3], dtype="Int64"),
    },
    index=pd.MultiIndex.from_product([["i"], [1, 2, 3]], names=["group", None]),
)
FRAME.attrs["source"] = "a test"


def test_tables_of_all_kinds_of_columns_come_back_as_they_are(plan):
    for table in (FRAME, FRAME["kind"], FRAME.index, FRAME.iloc[:0]):
        (back,) = kf.map(lambda table: table, [table])
        assert type(back) is type(table) and back.equals(table)
    (back,) = kf.map(lambda table: table, [FRAME])
    assert list(back.dtypes) == list(FRAME.dtypes) and back.attrs == FRAME.attrs


def test_groups_rows_and_columns_can_be_mapped_over(plan):
    means = kf.map(lambda group: group[1]["number"].mean(), FRAME.groupby("kind", observed=True))
    assert means == [2.25, pytest.approx(np.nan, nan_ok=True)]
    assert kf.map(lambda row: row.whole, FRAME.itertuples())[::2] == [1, 3]
    assert kf.map(lambda name: FRAME[name].notna().sum(), FRAME) == [2, 2, 3, 2, 2]


def test_a_large_table_that_is_captured_is_a_copy_in_each_element(plan):
    table = pd.DataFrame(np.ones((300_000, 2)), columns=["a", "b"])

    def spoil(x):
        before = float(table["a"].sum())
        table.loc[0, "a"] = x
        table["c"] = x
        return before, float(table.loc[0, "a"]), list(table)

    assert kf.map(spoil, range(3), chunk_size=3) == [(300_000.0, float(x), ["a", "b", "c"]) for x in range(3)]
    assert list(table) == ["a", "b"] and table.loc[0, "a"] == 1


def test_a_shared_table_is_read_by_all_elements(plan):
    shared = kf.share(pd.DataFrame({"a": np.arange(300_000.0), "text": "t"}))
    assert kf.map(lambda x: (shared["a"].iloc[x], shared["text"].iloc[x]), range(2)) == [
        (0.0, "t"),
        (1.0, "t"),
    ]


def test_what_cannot_be_sent_in_a_table_is_named_by_column_and_row(plan):
    table = pd.DataFrame({"good": [1, 2], "bad": [None, (x for x in "ab")]})
    with pytest.raises(UnpicklableError, match=r"because of \['bad'\] → \[1\] \(a generator\)"):
        kf.map(len, [table])


def test_a_model_that_was_fitted_can_be_captured_passed_and_returned(plan):
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    x, y = np.arange(10.0).reshape(-1, 1), np.arange(10.0)
    fitted = linear.LinearRegression().fit(x, y)
    assert kf.map(lambda row: float(fitted.predict([row])[0]), x[:2]) == pytest.approx([0.0, 1.0])
    (back,) = kf.map(lambda model: model.fit(x, 2 * y), [linear.LinearRegression()])
    assert type(back) is linear.LinearRegression and back.coef_ == pytest.approx([2.0])
