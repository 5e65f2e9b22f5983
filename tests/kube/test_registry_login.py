"""A login that an engine has stored is found, wherever and however that keeps it."""

from __future__ import annotations

import json
import sys

import pytest
from kubefuture.kube.image_name import Image
from kubefuture.kube.registry_login import Login, stored_login

from tests.kube.fake_registry import basic

ANN = basic("ann", "geheim")
IMAGE = Image.parse("registry.example.org/ann/kubefuture-study:1")
HUB = ("docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")

HELPER = """\
#!{python}
# A credential helper: docker's protocol is a word as argument, a server on stdin, and JSON or an error on stdout.
import json, sys
assert sys.argv[1:] == ["get"], sys.argv
logins = {logins!r}
server = sys.stdin.read()
if server not in logins:
    print("credentials not found in native keychain")
    sys.exit(1)
user, secret = logins[server]
print(json.dumps({{"ServerURL": server, "Username": user, "Secret": secret}}))
"""


@pytest.fixture
def keep(machine):
    """Writes one of the engines' files."""

    def write(content, path=".docker/config.json"):
        file = machine / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    return write


@pytest.fixture
def helper(machine, monkeypatch):
    """Makes a credential helper."""

    def write(name, logins):
        file = machine / "bin" / f"docker-credential-{name}"
        file.parent.mkdir(exist_ok=True)
        file.write_text(HELPER.format(python=sys.executable, logins=logins))
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{file.parent}:/usr/bin:/bin")

    return write


def entries(logins):
    return {"auths": {key: {"auth": value} for key, value in logins.items()}}


@pytest.mark.parametrize(
    "path", [".docker/config.json", ".config/containers/auth.json", "run/containers/auth.json"]
)
@pytest.mark.parametrize(
    "key",
    [
        "registry.example.org",
        "https://registry.example.org",
        "https://registry.example.org/",
        "https://registry.example.org/v1/",
        "registry.example.org/ann",
        "registry.example.org/ann/kubefuture-study",
    ],
)
def test_a_login_is_found_by_each_key_in_each_file(keep, path, key):
    keep(entries({"other.example.org": "x", key: ANN, "registry.example.org/ann/other": "x"}), path)
    assert stored_login(IMAGE) == Login(basic=ANN)


def test_a_file_that_the_environment_names_comes_first(keep, machine, monkeypatch):
    keep(entries({"registry.example.org": "x"}))
    keep(entries({"registry.example.org": "x"}), ".config/containers/auth.json")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(keep(entries({"registry.example.org": ANN}), "own.json")))
    assert stored_login(IMAGE) == Login(basic=ANN)


def test_the_longest_key_counts_and_no_other_folders(keep):
    logins = {
        "registry.example.org": "c",
        "registry.example.org/ann": "b",
        "registry.example.org/ann/kubefuture-study": "a",
        "registry.example.org/an": "x",
        "registry.example.org/ann/kubefuture-study/more": "x",
    }
    for left in ("a", "b", "c"):
        keep(entries(logins), ".config/containers/auth.json")
        assert stored_login(IMAGE) == Login(basic=left)
        del logins[next(key for key, value in logins.items() if value == left)]
    keep(entries(logins), ".config/containers/auth.json")
    assert stored_login(IMAGE) == Login()


def test_an_identity_token_counts_more_than_the_user_beside_it(keep):
    keep({"auths": {"registry.example.org": {"auth": basic("0000", ""), "identitytoken": "one"}}})
    assert stored_login(IMAGE) == Login(refresh="one")


def test_a_helper_of_one_registry_and_one_for_all_are_asked(keep, helper):
    helper("one", {"registry.example.org": ("ann", "geheim")})
    keep({"credHelpers": {"registry.example.org": "one"}, "auths": {"registry.example.org": {}}})
    assert stored_login(IMAGE) == Login(basic=ANN)
    keep({"credsStore": "one", "auths": {}})
    assert stored_login(IMAGE) == Login(basic=ANN)
    assert stored_login(Image.parse("other.example.org/a:1")) == Login()


def test_a_helper_that_has_a_token_says_so_by_the_users_name(keep, helper):
    helper("cloud", {"registry.example.org": ("<token>", "one")})
    keep({"credHelpers": {"registry.example.org": "cloud"}})
    assert stored_login(IMAGE) == Login(refresh="one")


def test_a_helper_that_is_gone_or_knows_nothing_leaves_what_the_file_has(keep, helper):
    helper("empty", {})
    own = entries({"registry.example.org": ANN})
    for name in ("empty", "gone"):
        keep(own | {"credHelpers": {"registry.example.org": name}, "credsStore": name})
        assert stored_login(IMAGE) == Login(basic=ANN)


def test_files_that_make_no_sense_are_passed_over(keep):
    keep(entries({"registry.example.org": ANN}))
    for content in (
        "",
        "{",
        "[]",
        {"auths": None},
        {"auths": []},
        {"auths": {"registry.example.org": "x"}},
        entries({"registry.example.org": "two\nlines"}),
        entries({"registry.example.org": None}),
    ):
        keep(content, ".config/containers/auth.json")
        assert stored_login(IMAGE) == Login(basic=ANN)


@pytest.mark.parametrize("registry", HUB)
@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "docker.io/ann"]
)
def test_the_login_of_docker_hub_is_found_by_each_of_its_names(keep, helper, registry, key):
    image = Image.parse(f"{registry}/ann/kubefuture-study:1")
    keep(entries({key: ANN}))
    assert stored_login(image) == Login(basic=ANN)
    helper("store", {"https://index.docker.io/v1/": ("ann", "geheim")})
    keep({"credsStore": "store"})
    assert stored_login(image) == Login(basic=ANN)
