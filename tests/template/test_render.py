"""Whatever way a project is made and whatever it is called, its files are whole and say what was answered."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.faults.waiting import LIMIT
from tests.template import kit

AWKWARD = [
    "Möbius & the 'others'",
    'A "quoted": name',
    "yes",
    "2024",
    "# 1 - [x]",
    "*star*, `tick` <b>",
    "日本語 プロジェクト",
    "a\\n",
]


def values(folder: Path) -> dict:
    """values.yaml, checked against the project's own schema."""
    read = yaml.safe_load((folder / "values.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(read, json.loads((folder / "values.schema.json").read_text(encoding="utf-8")))
    return read


def answers(folder: Path) -> dict:
    return yaml.safe_load((folder / ".copier-answers.yml").read_text(encoding="utf-8"))


def test_the_defaults_make_a_whole_project(rendered):
    assert values(rendered) == {
        "provider": "local",
        "workers": {"count": 2, "memory": "2Gi"},
        "packages": {"pip": ["matplotlib", "pytest"]},
        "cluster": {"context": "", "registry": ""},
    }
    assert answers(rendered)["project_name"] == "study"
    assert (rendered / "README.md").read_text().startswith("# study\n\n## Start\n")
    for name in (
        "Makefile",
        "tools.lock",
        "requirements.lock",
        "analysis/means.py",
        "tests/test_means.py",
        ".gitignore",
    ):
        assert (rendered / name).is_file(), name
    tomllib.loads((rendered / "pyproject.toml").read_text())
    yaml.safe_load((rendered / ".pre-commit-config.yaml").read_text())


def test_the_shared_folders_arrive_as_real_files(rendered, repository):
    for folder in ("runtime", "playbooks"):
        assert not (rendered / folder).is_symlink()
        shared = {path.relative_to(repository) for path in (repository / folder).rglob("*") if path.is_file()}
        arrived = {path.relative_to(rendered) for path in (rendered / folder).rglob("*") if path.is_file()}
        assert arrived == shared
        for path in shared:
            assert (rendered / path).read_bytes() == (repository / path).read_bytes(), path
            assert os.access(rendered / path, os.X_OK) == os.access(repository / path, os.X_OK), path


def test_nothing_of_the_template_itself_is_left_over(rendered):
    names = [path.relative_to(rendered).as_posix() for path in rendered.rglob("*")]
    for unwanted in (".jinja", "__pycache__", ".pyc", "copier.yml", "lab.yml"):
        assert not [name for name in names if name.endswith(unwanted)], unwanted
    assert not [path for path in rendered.rglob("*") if path.is_symlink()]
    for path in (rendered / name for name in ("README.md", "values.yaml", "Makefile", ".copier-answers.yml")):
        assert "{{" not in path.read_text() and "{%" not in path.read_text(), path


def test_answers_on_the_command_line_land_in_the_files(repository, tmp_path):
    folder = kit.render(
        repository,
        tmp_path / "out",
        project_name="Ising in 2D",
        description="Magnetisation near the critical point.",
        workers=1,
        memory="500Mi",
        packages="pandas>=2,<3  dask[array] pandas>=2,<3 yes",
    )
    assert values(folder)["workers"] == {"count": 1, "memory": "500Mi"}
    assert values(folder)["packages"]["pip"] == ["pandas>=2,<3", "dask[array]", "yes"]
    readme = (folder / "README.md").read_text()
    assert readme.startswith("# Ising in 2D\n\nMagnetisation near the critical point.\n\n## Start\n")


def test_a_cluster_is_asked_for_only_where_one_is_wanted(repository, tmp_path):
    cluster = {"context": "my lab", "registry": "registry.example.org:5000/ann"}
    there = kit.render(repository, tmp_path / "there", provider="existing", **cluster)
    assert values(there)["provider"] == "existing"
    assert values(there)["cluster"] == cluster
    for number, provider in enumerate(("local", "kind")):
        here = kit.render(repository, tmp_path / f"here-{number}", provider=provider)
        assert values(here)["provider"] == provider
        assert not {"context", "registry"} & set(answers(here))


def test_a_project_may_import_nothing(repository, tmp_path):
    assert values(kit.render(repository, tmp_path / "out", packages=""))["packages"] == {"pip": []}


def test_a_repository_is_also_taken_by_its_url(repository, tmp_path):
    url = f"git+file://{repository}"
    folder = kit.render(url, tmp_path / "out")
    assert answers(folder)["_src_path"] == url
    assert values(folder)["provider"] == "local"


def test_a_relative_path_is_recorded_so_that_an_update_finds_it(repository, tmp_path):
    folder = kit.render(os.path.relpath(repository, tmp_path), tmp_path / "out")
    assert answers(folder)["_src_path"] == os.path.realpath(repository)


@pytest.mark.parametrize(("folder", "name"), [("x" * 200, "x" * 80), ("a {{ b }} {% c", "a { b }} % c")])
def test_the_name_of_any_folder_makes_a_name(repository, tmp_path, folder, name):
    assert answers(kit.render(repository, tmp_path / folder))["project_name"] == name


@pytest.mark.parametrize("name", AWKWARD)
def test_an_awkward_name_yields_valid_files(repository, tmp_path, name):
    folder = kit.render(repository, tmp_path / "out", project_name=name)
    assert answers(folder)["project_name"] == name
    assert (folder / "README.md").read_text(encoding="utf-8").splitlines()[0] == f"# {name}"
    assert values(folder)["workers"]["count"] == 2


REFUSED = {
    "project_name= ": "Please give the project a name.",
    "project_name={{ name }}": "A name cannot hold",
    "project_name={% if": "A name cannot hold",
    "project_name=two\nlines": "one line of printable characters",
    f"project_name={'x' * 81}": "at most 80 characters",
    "description=two\nlines": "one line of printable characters",
    "workers=0": "Between 1 and 100 workers",
    "workers=101": "Between 1 and 100 workers",
    "memory=2GB": "a number followed by Mi or Gi",
    "provider=cloud": "Invalid choice",
    "context= lab": "A context is one line",
    "registry=Not/Small": "A registry is a host",
    "packages=numpy; rm": '"numpy;" is not a package',
    "packages={{ x }}": '"{{" is not a package',
    "packages=./wheel": '"./wheel" is not a package',
}


@pytest.mark.parametrize("answer", REFUSED)
def test_a_wrong_answer_is_refused_with_a_sentence(repository, tmp_path, answer):
    arguments = ("copy", "--defaults", "--vcs-ref", "HEAD", "--data", answer, repository, tmp_path / "out")
    done = kit.copier(*arguments, cwd=tmp_path, status=None)
    assert done.returncode
    assert REFUSED[answer] in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out" / "values.yaml").exists()


def test_a_lab_changes_the_defaults_in_one_file(own_repository, tmp_path):
    lab = own_repository / "lab.yml"
    text = lab.read_text().replace("workers: 2", "workers: 7").replace("matplotlib pytest", "scipy")
    lab.write_text(
        text.replace("provider: local", "provider: existing").replace('context: ""', "context: hall")
    )
    kit.commit(own_repository, "Our lab's defaults")
    read = values(kit.render(own_repository, tmp_path / "out"))
    assert read["workers"]["count"] == 7
    assert read["packages"]["pip"] == ["scipy"]
    assert read["provider"] == "existing" and read["cluster"]["context"] == "hall"


def test_the_questions_can_be_answered_at_a_terminal(repository, tmp_path):
    terminal, inside = pty.openpty()
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "copier",
        "copy",
        "--vcs-ref",
        "HEAD",
        repository,
        "my-study",
    ]
    copier = subprocess.Popen(
        command, cwd=tmp_path, env=kit.environment(TERM="xterm"), stdin=inside, stdout=inside, stderr=inside
    )
    os.close(inside)
    # Each question is answered when it has appeared: the fourth one otherwise, the others by their default.
    screen = b""
    for question, answer in (
        (b"project called?", b"\r"),
        (b"what does it compute?", b"\r"),
        (b"Where should the workers run?", b"\r"),
        (b"How many workers", b"\x7f4\r"),
        (b"How much memory", b"\r"),
        (b"Which Python packages", b"\r"),
    ):
        while question not in screen:
            screen += _read(terminal)
        os.write(terminal, answer)
    while chunk := _read(terminal, at_end=b""):
        screen += chunk
    assert copier.wait(timeout=LIMIT) == 0, screen.decode(errors="replace")
    os.close(terminal)
    assert answers(tmp_path / "my-study")["project_name"] == "my-study"
    assert values(tmp_path / "my-study")["workers"]["count"] == 4
    assert b"my-study is ready" in screen and b"make up" in screen


def _read(terminal: int, at_end: bytes | None = None) -> bytes:
    """What has appeared on the terminal; `at_end` when the other side has closed it."""
    try:
        chunk = os.read(terminal, 4096)
    except OSError:  # Linux reports a closed terminal so
        chunk = b""
    if not chunk and at_end is None:
        raise AssertionError("the questions ended early")
    return chunk
