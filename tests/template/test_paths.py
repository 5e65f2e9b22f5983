"""A project works wherever it lies: in folders with spaces, letters of any language, signs, and very long names."""

from __future__ import annotations

import csv

import pytest

from tests.template import kit

PLACES = {
    "what shells and templates replace": "100% of $HOME {{ x }} `x` #1",
    "spaces, letters and quotes": 'Übung für Zoë/it\'s a "study" (neu) & more; – 東京',
    "a very long name": "/".join(["a-very-long-folder-name-that-somebody-really-uses" * 3] * 4) + "/study",
}


@pytest.mark.parametrize("place", PLACES)
def test_every_command_works_in_a_folder_with(place, repository, tmp_path):
    folder = kit.render(repository, tmp_path / PLACES[place], project_name="study")
    kit.make(folder, "help")
    kit.make(folder, "doctor")
    try:
        kit.make(folder, "up")
        kit.make(folder, "run", "ARGS=--elements 4 --draws 1000")
        kit.make(folder, "status")
        kit.make(folder, "scale", "N=3")
        kit.make(folder, "logs")
    finally:
        kit.make(folder, "down")
    with open(folder / "outputs" / "means.csv", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 4
    kit.make(folder, "lint")
