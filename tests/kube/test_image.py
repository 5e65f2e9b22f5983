"""An image is named by all that goes in, made for the nodes' processor, and holds nothing of the user's secrets."""

from __future__ import annotations

import json
import os
import stat
import sys

import pytest
from kubefuture.kube import image, platforms
from kubefuture.kube.commands import KubeError
from kubefuture.kube.engine import Engine
from kubefuture.kube.existing import Existing
from kubefuture.project import values
from kubefuture.project.errors import ProjectError
from kubefuture.project.progress import Step

from tests.project import kit

VALUES = """\
provider: existing
packages:
  apt: [zip, hello=2.10-3]
cluster:
  context: lab
  registry: registry.example.org/ann
"""


@pytest.fixture
def project(tmp_path):
    """A project with parts of its own, which may be changed."""
    made = kit.make_project(tmp_path / "study", VALUES)
    for name in ("runtime", "docker"):
        (made.folder / name).unlink()
    (made.folder / "docker").mkdir()
    (made.folder / "docker" / "Dockerfile").write_bytes((kit.ROOT / "docker" / "Dockerfile").read_bytes())
    package = made.folder / "runtime" / "src" / "kubefuture"
    (package / "pod").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "pod" / "install.py").write_text("")
    made.lock_file.write_text("numpy==2.0.0\n")
    return made


def node(architecture, system="linux", **labels):
    info = {"architecture": architecture, "operatingSystem": system}
    return {"metadata": {"labels": labels}, "status": {"nodeInfo": info}}


@pytest.fixture
def nodes(monkeypatch):
    """What the cluster says of its nodes."""
    told = [node("amd64")]
    monkeypatch.setattr(platforms, "kubectl_json", lambda *_, **__: {"items": told})
    return told


def recipe(project):
    wanted = values.load(project)
    return image.recipe(project, wanted, Existing().place(project, wanted))


def change(file, text="# changed\n"):
    file.write_text(file.read_text() + text)


def test_everything_that_goes_in_changes_the_name_and_nothing_else_does(project, nodes):
    names = [recipe(project).name]
    source = project.runtime / "src" / "kubefuture"
    changes = [
        lambda: change(project.lock_file),
        lambda: change(source / "__init__.py"),
        lambda: (source / "new.py").write_text(""),
        lambda: change(project.folder / "docker" / "Dockerfile"),
        lambda: project.values_file.write_text(VALUES.replace("zip", "unzip")),
        lambda: project.values_file.write_text(VALUES + "  base_image: registry.example.org/python:3\n"),
        lambda: nodes.__setitem__(0, node("arm64")),
    ]
    for one in changes:
        one()
        names.append(recipe(project).name)
    assert len(set(names)) == len(names)
    assert {name.rpartition(":")[0] for name in names} == {"registry.example.org/ann/kubefuture-study"}
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"")
    assert recipe(project).name == names[-1]
    # Debian packages in another order are the same ones.
    project.values_file.write_text(VALUES)
    first = recipe(project)
    project.values_file.write_text(VALUES.replace("zip, hello=2.10-3", "hello=2.10-3, zip"))
    assert recipe(project) == first
    assert first.arguments["APT"] == "hello=2.10-3 zip"


@pytest.mark.parametrize(
    ("there", "selector", "platform"),
    [
        ([node("arm64"), node("arm64")], {}, "linux/arm64"),
        ([node("arm64"), node("amd64")], {}, "linux/amd64"),
        ([node("amd64"), node("arm64", disk="ssd")], {"disk": "ssd"}, "linux/arm64"),
        ([node("arm64")], {"disk": "ssd"}, "linux/arm64"),
        ([node("amd64", "windows"), node("arm64")], {}, "linux/arm64"),
        ([], {}, ""),
    ],
)
def test_the_platform_is_that_of_the_nodes_that_take_workers(there, selector, platform):
    assert platforms.of_nodes(there, selector) == platform


def test_a_login_that_may_not_list_nodes_gets_the_usual_platform_and_can_name_another(project, monkeypatch):
    def forbidden(*_, **__):
        raise KubeError("", 'Error from server (Forbidden): nodes is forbidden: User "ann" cannot list ...')

    monkeypatch.setattr(platforms, "kubectl_json", forbidden)
    assert recipe(project).platform == "linux/amd64"
    project.values_file.write_text(VALUES + "  platform: linux/arm64\n")
    assert recipe(project).platform == "linux/arm64"
    assert recipe(project).architecture == "arm64"


FAKE = """\
#!{python}
# A docker that takes what `docker build` and `docker push` take, and notes what it was given.
import json, os, pathlib, sys
arguments = sys.argv[1:]
if arguments[0] == "push":
    assert len(arguments) == 2, arguments
    sys.exit(0)
assert arguments[0] == "build", arguments
*options, _, image, folder = arguments[1:]
assert arguments[-3] == "--tag", arguments
note = {{"image": image, "args": [], "secrets": {{}}, "environment": dict(os.environ)}}
for option in options:
    name, _, value = option.partition("=")
    if name == "--platform":
        note["platform"] = value
    elif name == "--build-arg":
        note["args"].append(value)
    elif name == "--secret":
        fields = dict(part.split("=", 1) for part in value.split(","))
        assert set(fields) == {{"id", "src"}}, value
        note["secrets"][fields["id"]] = pathlib.Path(fields["src"]).read_text()
        note["mode"] = oct(pathlib.Path(fields["src"]).parent.stat().st_mode & 0o777)
    else:
        sys.exit(f"unknown flag: {{option}}")
root = pathlib.Path(folder)
files = sorted(path for path in root.rglob("*") if path.is_file())
note["files"] = [str(path.relative_to(root)) for path in files]
note["times"] = sorted({{path.stat().st_mtime for path in files}})
pathlib.Path(os.environ["NOTE"]).write_text(json.dumps(note))
print("#8 0.412 looking at https://ann:" + os.environ.get("SAY", "") + "@corp/simple")
print(os.environ.get("FAIL", ""))
sys.exit(1 if os.environ.get("FAIL") else 0)
"""


@pytest.fixture
def docker(tmp_path, monkeypatch, nodes):
    """A strict fake of docker; returns what it noted."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(FAKE.format(python=sys.executable))
    (folder / "docker").chmod(0o755)
    note = tmp_path / "note.json"
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("NOTE", str(note))
    monkeypatch.setattr(image, "find_engine", lambda: Engine("docker"))
    monkeypatch.setattr(image, "_is_there", lambda name: False)
    return lambda: json.loads(note.read_text())


def test_a_build_gets_what_it_needs_and_secrets_only_as_secrets(project, docker, monkeypatch, tmp_path):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://ann:geheim@corp/simple")
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:auch@proxy:3128")
    corp = tmp_path / "corp.pem"
    corp.write_text("-----BEGIN CERTIFICATE-----\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(corp))
    assert image.ensure(project, recipe(project))
    noted = docker()
    assert noted["platform"] == "linux/amd64"
    assert {
        "BASE=python:3.11-slim".replace("3.11", image.PYTHON),
        "APT=hello=2.10-3 zip",
        "HTTPS_PROXY",
    } <= set(noted["args"])
    assert json.loads(noted["secrets"]["index"])["PIP_INDEX_URL"] == "https://ann:geheim@corp/simple"
    assert noted["secrets"]["certificates"] == corp.read_text()
    assert noted["mode"] == "0o700"
    assert noted["files"] == [
        "Dockerfile",
        "install.py",
        "requirements.lock",
        "runtime/src/kubefuture/__init__.py",
        "runtime/src/kubefuture/pod/install.py",
        "uv.lock",
    ]
    # Engines that compare times find the layers of before.
    assert noted["times"] == [0.0]
    command_line = [noted["image"], *noted["args"]]
    assert not any("geheim" in word or "auch" in word for word in command_line)
    assert noted["environment"]["BUILDX_NO_DEFAULT_ATTESTATIONS"] == "1"


def test_a_password_in_what_an_engine_says_is_not_shown(project, docker, monkeypatch, capsys):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://ann:geheim@corp/simple")
    monkeypatch.setenv("SAY", "geheim")
    monkeypatch.setenv("FAIL", "#9 ERROR: it failed at https://ann:geheim@corp/simple")
    with pytest.raises(ProjectError, match=r"ann:\*\*\*\*@corp") as caught:
        image.ensure(project, recipe(project))
    told = capsys.readouterr()
    assert "geheim" not in str(caught.value) + told.out + told.err


def test_files_of_a_build_are_read_only_by_others(project, tmp_path):
    image._write(tmp_path / "a" / "b", b"x")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o644


def test_a_tools_lock_without_uv_is_named(project, nodes):
    project.tools_lock.unlink()
    project.tools_lock.write_text("ruff==1\n")
    with pytest.raises(ProjectError, match=r"tools.lock does not name uv.*git checkout"):
        recipe(project)


def test_an_engine_without_its_folder_is_an_error_of_the_project(project, docker, monkeypatch):
    (project.folder / "docker" / "Dockerfile").unlink()
    with pytest.raises(ProjectError, match=r"docker/Dockerfile is missing"), Step("") as step:
        image.build(project, image.Recipe("a/b:c", {"BASE": "x"}), Engine("docker"), step)
