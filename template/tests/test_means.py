"""The analysis on small input. `make test` runs this, whether workers are up or not."""

import csv

import kubefuture as kf

from analysis import means


def test_the_means_are_near_zero():
    with kf.plan("sequential"):
        results = means.compute(elements=5, draws=10_000, seed=1)
    assert len(results) == 5
    assert all(abs(mean) < 0.05 for mean, _, _ in results)


def test_two_workers_give_the_same_means_as_none():
    with kf.plan("sequential"):
        alone = means.compute(elements=6, draws=1000, seed=3)
    with kf.plan("local", workers=2):
        together = means.compute(elements=6, draws=1000, seed=3)
    assert [mean for mean, _, _ in together] == [mean for mean, _, _ in alone]


def test_another_seed_gives_other_means():
    with kf.plan("sequential"):
        one = means.compute(elements=3, draws=1000, seed=1)
        other = means.compute(elements=3, draws=1000, seed=2)
    assert not {mean for mean, _, _ in one} & {mean for mean, _, _ in other}


def test_the_results_are_written(tmp_path, capsys):
    with kf.plan("sequential"):
        means.main(["--elements", "4", "--draws", "1e3"], outputs=tmp_path)
    with (tmp_path / "means.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["element", "mean"]
    assert [row[0] for row in rows[1:]] == ["0", "1", "2", "3"]
    assert (tmp_path / "means.png").stat().st_size > 10_000
    assert "Elements: 4" in capsys.readouterr().out
