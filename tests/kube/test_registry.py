"""What a registry has is asked as engines ask, and only what a registry says counts."""

from __future__ import annotations

import json
import socket
import sys
import threading

import pytest
from kubefuture.kube import image, registry
from kubefuture.kube.registry_http import RegistryError

from tests.kube.fake_registry import DIGEST, PAGE, STUDY, VERSION, Registry, basic


@pytest.fixture
def elsewhere():
    """Another host: its port is another one."""
    with Registry(images={STUDY: "sha256:" + 64 * "2"}) as one:
        yield one


def url(server, name=STUDY):
    repository, _, reference = name.rpartition(":")
    return f"/v2/{repository}/manifests/{reference}"


def refused(words, name, asked=registry.digest_of):
    with pytest.raises(RegistryError, match=words) as caught:
        asked(name)
    text = str(caught.value)
    assert text[0].isupper() or text[0].isdigit()
    assert text.endswith(".") and "\n" not in text and "geheim" not in text
    return caught.value


def test_what_is_there_has_a_digest_and_what_is_not_has_none(server):
    assert registry.digest_of(f"{server.host}/{STUDY}") == DIGEST
    assert registry.digest_of(f"{server.host}/ann/study:2") == ""
    assert registry.digest_of(f"{server.host}/ann/other:1") == ""


def test_a_registry_that_wants_a_password_gets_the_stored_one(server, log_in):
    server.wants = "basic"
    refused(r"does not let you look at ann/study \(HTTP 401\).*docker login 127", f"{server.host}/{STUDY}")
    log_in(server.host)
    assert registry.digest_of(f"{server.host}/{STUDY}") == DIGEST
    assert registry.delete(f"{server.host}/{STUDY}")
    assert server.images == {}


def test_a_token_is_had_with_a_login_and_where_everybody_may_look_without(server, log_in):
    server.wants = "bearer"
    refused(r"does not let you look", f"{server.host}/{STUDY}")
    server.public = True
    assert registry.digest_of(f"{server.host}/{STUDY}") == DIGEST
    refused(r"does not delete images on request \(HTTP 401\)", f"{server.host}/{STUDY}", registry.delete)
    server.public = False
    log_in(server.host)
    assert registry.delete(f"{server.host}/{STUDY}")
    assert server.images == {}
    logins = {one.login for one in server.asked if one.path == "/token"}
    assert logins == {"", f"Basic {basic('ann', 'geheim')}"}
    assert all(one.login.startswith("Bearer ") for one in server.about("HEAD") + server.about("DELETE"))


def test_a_login_that_is_old_is_named(server, log_in):
    server.wants = "bearer"
    server.ann = "other"
    log_in(server.host)
    refused(r"token service of the registry .* \(HTTP 401\).*log in again", f"{server.host}/{STUDY}")
    log_in(server.host, identitytoken="geheim-too")
    refused(r"token service of the registry .* \(HTTP 400\).*log in again", f"{server.host}/{STUDY}")


def test_an_identity_token_is_exchanged_at_the_token_service_and_goes_nowhere_else(server, log_in):
    server.wants, server.refresh = "bearer", "refresh-me"
    log_in(server.host, auth=basic("0000", ""), identitytoken="refresh-me")
    assert registry.digest_of(f"{server.host}/{STUDY}") == DIGEST
    assert registry.delete(f"{server.host}/{STUDY}")
    tokens = [one for one in server.asked if one.path == "/token"]
    assert {(one.method, one.login, one.query["refresh_token"]) for one in tokens} == {
        ("POST", "", "refresh-me")
    }
    looking = "repository:ann/study:pull"
    assert [one.query["scope"] for one in tokens] == [looking, looking, f"{looking},push,delete"]
    assert not any("refresh-me" in one.login for one in server.asked)


def test_a_helpers_token_is_exchanged_too(server, machine, monkeypatch):
    server.wants, server.refresh = "bearer", "refresh-me"
    helper = machine / "bin" / "docker-credential-cloud"
    helper.parent.mkdir()
    said = json.dumps({"ServerURL": server.host, "Username": "<token>", "Secret": "refresh-me"})
    helper.write_text(f"#!{sys.executable}\nprint({said!r})\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{helper.parent}:/usr/bin:/bin")
    (machine / ".docker").mkdir()
    content = {"credHelpers": {server.host: "cloud"}}
    (machine / ".docker" / "config.json").write_text(json.dumps(content))
    assert registry.digest_of(f"{server.host}/{STUDY}") == DIGEST


def test_a_repository_may_want_a_token_where_the_registry_wants_none(server, log_in):
    server.wants = "bearer"
    server.answers["GET", "/v2/"] = (200, VERSION)
    log_in(server.host)
    assert registry.digest_of(f"{server.host}/{STUDY}") == DIGEST


@pytest.mark.parametrize(
    ("realm", "words"),
    [
        ("", "HTTP 404"),
        ("file:///etc/hostname", "names no token service"),
        ("http://127.0.0.1:9/token", "leads to"),
    ],
)
def test_a_token_service_that_gives_nothing_is_not_an_image_that_is_not_there(server, realm, words):
    server.wants, server.realm = "bearer", realm
    server.answers["GET", "/token"] = (404, {})
    error = refused(words, f"{server.host}/{STUDY}")
    assert "token service" in str(error) and not error.is_unreachable


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_question_that_is_sent_on_to_another_host_has_no_answer(server, elsewhere, log_in, code):
    log_in(server.host)
    server.answers["HEAD", url(server)] = (code, {"Location": f"http://{elsewhere.host}{url(server)}"})
    refused(r"sends on to another host \(127.*which is not asked", f"{server.host}/{STUDY}")
    del server.answers["HEAD", url(server)]
    server.answers["DELETE", f"/v2/ann/study/manifests/{DIGEST}"] = (
        code,
        {"Location": f"http://{elsewhere.host}/"},
    )
    refused(r"sends on to another host", f"{server.host}/{STUDY}", registry.delete)
    assert server.about("HEAD")[0].login == f"Basic {basic('ann', 'geheim')}"
    assert elsewhere.asked == []


def test_a_login_does_not_go_along_when_the_token_service_sends_on_to_another_host(server, elsewhere, log_in):
    server.wants = "bearer"
    log_in(server.host)
    server.answers["GET", "/token"] = (
        302,
        {"Location": f"http://{elsewhere.host}/token?service=x&scope=a:b:pull"},
    )
    refused(r"sends on to another host", f"{server.host}/{STUDY}")
    assert elsewhere.asked == []


def test_a_registry_may_send_on_to_itself_and_is_asked_the_same_there(server, log_in):
    server.wants = "basic"
    log_in(server.host)
    server.answers["HEAD", "/v2/ann/old/manifests/1"] = (307, {"Location": url(server)})
    assert registry.digest_of(f"{server.host}/ann/old:1") == DIGEST
    assert [one.login for one in server.about("HEAD")] == 2 * [f"Basic {basic('ann', 'geheim')}"]


def test_only_a_registry_can_say_that_something_is_not_there(server):
    server.headers, name = {}, f"{server.host}/ann/study:2"
    assert registry.digest_of(name) == "", "it answers /v2/, as all have to, though without docker's header"
    server.answers["GET", "/v2/"] = (401, {"WWW-Authenticate": 'Basic realm="x"'})
    assert registry.digest_of(name) == ""
    for code, headers in [(404, {}), (403, {}), (200, PAGE), (500, {})]:
        server.answers["GET", "/v2/"] = (code, headers)
        assert refused(r"is no registry.*cluster\.registry", name).is_unreachable
    server.headers = dict(VERSION)
    assert registry.digest_of(name) == "", "docker's header is proof enough"


def test_a_page_that_is_there_for_every_address_is_no_image(server):
    server.answers["GET", "/v2/"] = server.answers["HEAD", url(server)] = (200, PAGE)
    assert refused(r"is no registry", f"{server.host}/{STUDY}").is_unreachable


def test_a_manifest_without_digest_goes_by_its_tag(server):
    server.answers["HEAD", url(server)] = (200, {"Content-Type": "application/vnd.oci.image.index.v1+json"})
    assert registry.digest_of(f"{server.host}/{STUDY}") == "1"


def test_an_image_is_deleted_and_one_that_is_not_there_need_not_be(server):
    assert registry.delete(f"{server.host}/{STUDY}")
    assert not registry.delete(f"{server.host}/{STUDY}")
    assert server.images == {}


@pytest.mark.parametrize("code", [400, 403, 404, 405])
def test_a_registry_that_does_not_delete_is_never_taken_for_one_that_has_nothing(server, code):
    server.answers["DELETE", f"/v2/ann/study/manifests/{DIGEST}"] = (code, VERSION)
    words = rf"does not delete images on request \(HTTP {code}\); delete it on the registry's own page"
    refused(words, f"{server.host}/{STUDY}", registry.delete)


@pytest.mark.parametrize(
    "name", ["docker.io", "index.docker.io", "registry.hub.docker.com", "registry-1.docker.io"]
)
def test_docker_hub_is_asked_where_it_is_with_the_login_that_engines_store_for_it(
    server, known, log_in, name
):
    known("registry-1.docker.io")
    known("auth.docker.io")
    server.wants, server.realm = "bearer", "https://auth.docker.io/token"
    log_in("https://index.docker.io/v1/")
    assert registry.digest_of(f"{name}/{STUDY}") == DIGEST
    assert registry.digest_of(f"{name}/ann/study:2") == ""
    server.images["library/study:1"] = DIGEST
    assert registry.digest_of(f"{name}/study:1") == DIGEST
    assert {one.host for one in server.asked} == {"registry-1.docker.io", "auth.docker.io"}
    assert {one.login for one in server.asked if one.host == "auth.docker.io"} == {
        f"Basic {basic('ann', 'geheim')}"
    }


def test_docker_hub_deletes_nothing_and_says_so_only_of_what_is_there(server, known):
    known("registry-1.docker.io")
    words = r"docker\.io does not delete images on request; delete it on the registry's own page"
    refused(words, f"docker.io/{STUDY}", registry.delete)
    assert not registry.delete("docker.io/ann/study:2")
    assert server.about("DELETE") == []
    assert registry.keeps(f"docker.io/{STUDY}") and not registry.keeps(f"{server.host}/{STUDY}")


def test_nobody_who_answers_is_told_from_somebody_who_is_not_understood(server, known):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and listens to nothing
        name = f"127.0.0.1:{nobody.getsockname()[1]}/{STUDY}"
        assert refused(r"cannot be reached \(Connection refused\).*cluster\.registry", name).is_unreachable
    assert refused(r"cannot be reached", "127.0.0.1:99999/ann/study:1").is_unreachable
    known("registry.example.org", trusted=False)
    error = refused(r"No connection with TLS .*self-signed.*SSL_CERT_FILE", f"registry.example.org/{STUDY}")
    assert not error.is_unreachable
    server.answers["GET", "/v2/"] = (503, {})
    server.answers["HEAD", url(server)] = (503, {})
    assert not refused(r"answers with HTTP 503", f"{server.host}/{STUDY}").is_unreachable


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.6\r\n"])
def test_what_does_not_speak_http_is_a_sentence(machine, said):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            end, _ = listener.accept()
            with end:
                end.recv(1 << 16)
                end.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        refused(r"does not answer as HTTP does", f"127.0.0.1:{listener.getsockname()[1]}/{STUDY}")
        thread.join()


def test_an_image_of_which_nothing_can_be_told_is_built(server):
    server.wants = "basic"
    assert not image._is_there(f"{server.host}/{STUDY}")
    server.wants = ""
    assert image._is_there(f"{server.host}/{STUDY}")
