"""Where packages come from is what the user has told uv, or else pip; a password is known, and never shown."""

from __future__ import annotations

import os

import pytest
from kubefuture.project import index


@pytest.fixture
def home(tmp_path):
    """A home folder; what the machine itself tells pip does not count."""
    (tmp_path / "home").mkdir()
    return {"HOME": str(tmp_path / "home"), "PIP_CONFIG_FILE": os.devnull}


def test_nothing_told_is_the_usual_index(tmp_path, home):
    found = index.find(tmp_path, home)
    assert found.variables() == {}
    assert found.places() == [("", 443)]
    assert index.for_uv(tmp_path, home) == home


def test_variables_for_uv_reach_pip_as_well(tmp_path, home):
    told = {
        "UV_DEFAULT_INDEX": "https://one/simple",
        "UV_INDEX": "https://two/simple corp=https://three:8443/simple",
    }
    variables = index.find(tmp_path, home | told).variables()
    assert variables["UV_DEFAULT_INDEX"] == variables["PIP_INDEX_URL"] == "https://one/simple"
    assert (
        variables["UV_INDEX"]
        == variables["PIP_EXTRA_INDEX_URL"]
        == "https://two/simple https://three:8443/simple"
    )
    assert index.find(tmp_path, home | told).places() == [("", 443), ("", 8443)]


def test_variables_count_more_than_files_and_the_projects_file_more_than_the_users(tmp_path, home):
    (tmp_path / "uv.toml").write_text('index-url = "https://project/simple"')
    users = tmp_path / "home" / ".config" / "uv"
    users.mkdir(parents=True)
    (users / "uv.toml").write_text(
        'index-url = "https://user/simple"\n[[index]]\nurl = "https://more/simple"\n'
    )
    found = index.find(tmp_path, home)
    assert (found.default, found.others) == ("https://project/simple", ("https://more/simple",))
    assert (
        index.find(tmp_path, home | {"UV_INDEX_URL": "https://mine/simple"}).default == "https://mine/simple"
    )


def test_an_index_in_pyproject_toml_is_found(tmp_path, home):
    text = '[[tool.uv.index]]\nname = "corp"\nurl = "https://corp/simple"\ndefault = true\n'
    (tmp_path / "pyproject.toml").write_text(text)
    login = {"UV_INDEX_CORP_USERNAME": "ann", "UV_INDEX_CORP_PASSWORD": "p@ss"}
    found = index.find(tmp_path, home | login)
    assert found.default == "https://ann:p%40ss@corp/simple"
    assert sorted(found.passwords()) == ["p%40ss", "p@ss"]


def test_where_uv_knows_no_index_pips_is_used_by_both(tmp_path, home):
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://corp/simple\ntrusted-host = corp\n[install]\nextra_index_url = https://b/s\n"
    )
    environment = home | {"PIP_CONFIG_FILE": str(file)}
    found = index.find(tmp_path, environment)
    assert (found.default, found.others, found.insecure) == (
        "https://corp/simple",
        ("https://b/s",),
        ("corp",),
    )
    assert index.for_uv(tmp_path, environment)["UV_DEFAULT_INDEX"] == "https://corp/simple"
    assert "PIP_INDEX_URL" not in index.for_uv(tmp_path, environment)
    environment |= {"PIP_INDEX_URL": "https://mine/simple"}
    assert index.find(tmp_path, environment).default == "https://mine/simple"
    environment |= {"UV_DEFAULT_INDEX": "https://uv/simple"}
    assert index.find(tmp_path, environment).default == "https://uv/simple"
    assert index.for_uv(tmp_path, environment) == environment


def test_a_login_in_netrc_goes_along(tmp_path, home):
    (tmp_path / "home" / ".netrc").write_text("machine corp login ann password secret\n")
    told = {"UV_DEFAULT_INDEX": "https://corp/simple", "UV_INDEX": "https://bob:own@corp/two"}
    found = index.find(tmp_path, home | told)
    assert (found.default, found.others) == ("https://ann:secret@corp/simple", ("https://bob:own@corp/two",))
    assert "secret" not in repr(found)


def test_folders_of_this_machine_are_no_index_elsewhere(tmp_path, home):
    told = {"UV_DEFAULT_INDEX": "file:///opt/wheels", "UV_INDEX": "/opt/more https://corp/simple"}
    found = index.find(tmp_path, home | told)
    assert (found.default, found.others) == ("", ("https://corp/simple",))


def test_an_index_without_tls_is_one_that_pip_is_told_to_take(tmp_path, home):
    found = index.find(tmp_path, home | {"UV_DEFAULT_INDEX": "http://u:p@10.1.2.3:8080/simple"})
    assert found.variables()["PIP_TRUSTED_HOST"] == "10.1.2.3:8080"
    assert found.places() == [("10.1.2.3/32", 8080)]


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("proxy.corp:3128", ("", 3128)),
        ("10.0.0.5:3128", ("10.0.0.5/32", 3128)),
        ("ann:pass@10.0.0.5:3128", ("10.0.0.5/32", 3128)),
        ("[fd00::5]:3128", ("fd00::5/128", 3128)),
        ("proxy.corp", ("", 80)),
        ("http://proxy.corp:3128/", ("", 3128)),
        ("https://proxy.corp", ("", 443)),
    ],
)
def test_a_proxy_may_be_named_without_a_scheme(address, place):
    assert index.place_of(address) == place


def test_authorities_of_this_machine_go_along(tmp_path, home):
    file = tmp_path / "corp.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert index.find(tmp_path, home | {"SSL_CERT_FILE": str(file)}).certificates == file.read_bytes()
    assert index.find(tmp_path, home | {"PIP_CERT": str(file)}).certificates == file.read_bytes()
    assert index.find(tmp_path, home | {"SSL_CERT_FILE": str(tmp_path / "gone")}).certificates == b""
