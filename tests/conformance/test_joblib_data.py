"""Large arrays in joblib's parallel calls travel once, and scikit-learn's searches with them."""

from __future__ import annotations

import gc

import joblib
import kubefuture as kf
import numpy as np
import pytest
from joblib import Parallel, delayed
from kubefuture.backends.capabilities import CAPABILITIES
from kubefuture.core import blobs

from tests.faults.checkpoint import reach
from tests.faults.waiting import eventually

KINDS = list(CAPABILITIES)

pytestmark = pytest.mark.usefixtures("joblib_runs_on_plan")

LARGE = 1 << 18
"""So many float64 are 2 MiB."""


@pytest.fixture
def hashed(monkeypatch):
    """The sizes of what was copied and hashed, in the order of that."""
    sizes = []
    keep = blobs.keep

    def noted(buffers):
        sizes.append(sum(buffer.nbytes for buffer in buffers))
        return keep(buffers)

    monkeypatch.setattr("kubefuture.core.remembered.keep", noted)
    return sizes


def test_R26_a_large_array_is_sent_once_however_often_it_is_passed(pool, hashed, checkpoint):
    before = set(blobs._living)
    array = np.arange(LARGE, dtype=float)
    columns = np.asfortranarray(array.reshape(512, -1))

    def look(port, given, other):
        if port:
            reach(port)
        return float(given.sum() + other["x"].sum())

    results = Parallel(batch_size=1, return_as="generator")(
        delayed(look)(checkpoint.port if x < 2 else 0, array, {"x": columns}) for x in range(30)
    )
    for visit in checkpoint.take(2):
        visit.go()
    assert list(results) == [2 * array.sum()] * 30
    assert hashed == [array.nbytes, array.nbytes]
    eventually(lambda: set(blobs._living) <= before, "the memory is given back")


def test_large_arrays_are_read_only_as_with_joblibs_own_processes(pool):
    def spoil(given):
        given[:] = 1

    with pytest.raises(ValueError, match="read-only"):
        Parallel()(delayed(spoil)(np.zeros(LARGE)) for _ in range(3))


@pytest.mark.parametrize("options", [{"mmap_mode": "c"}, {"mmap_mode": None}, {"max_nbytes": None}])
def test_R26_a_call_that_asked_for_it_may_write_to_a_large_array_and_no_other_sees_it(pool, options):
    array = np.zeros(LARGE)

    def spoil(given, x):
        seen = float(given.sum())
        given[:] = x
        return seen, float(given[-1])

    results = Parallel(batch_size=1, **options)(delayed(spoil)(array, x) for x in range(9))
    assert results == [(0.0, float(x)) for x in range(9)]
    assert not array.any()


@pytest.mark.parametrize("mode", ["r+", "w+"])
def test_nobody_waits_for_what_calls_write_to_memory(pool, mode):
    with pytest.raises(kf.KubefutureError, match="no memory in common"):
        Parallel(mmap_mode=mode)(delayed(abs)(x) for x in range(9))


def test_R27_an_array_that_was_changed_between_two_calls_is_sent_anew(plan):
    array = np.zeros(LARGE)
    with Parallel() as parallel:
        for turn in range(3):
            array[0] = turn
            assert parallel(delayed(np.sum)(array) for _ in range(6)) == [turn] * 6


def test_R29_the_memory_of_an_array_that_is_passed_once_is_given_back_with_its_call(pool):
    before, most = set(blobs._living), 0

    def inputs():
        nonlocal most
        for x in range(40):
            gc.collect()
            most = max(most, len(set(blobs._living) - before))
            yield delayed(np.sum)(np.full(LARGE, float(x)))

    assert Parallel(batch_size=1, pre_dispatch=4)(inputs()) == [float(x * LARGE) for x in range(40)]
    assert most <= 10


def test_scikit_learn_searches_and_validates_with_the_same_results(plan):
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score

    x, y = make_classification(200, 10, random_state=1)
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=3)
    with joblib.parallel_config(backend="sequential"):
        expected = search.fit(x, y).cv_results_["mean_test_score"]
        nested = cross_val_score(search, x, y, cv=3)
        grown = RandomForestClassifier(8, random_state=2).fit(x, y).predict_proba(x)
    assert (search.fit(x, y).cv_results_["mean_test_score"] == expected).all()
    assert (cross_val_score(search.set_params(n_jobs=-1), x, y, cv=3, n_jobs=-1) == nested).all()
    forest = RandomForestClassifier(8, random_state=2, n_jobs=-1).fit(x, y)
    assert np.allclose(forest.predict_proba(x), grown, rtol=1e-12)
