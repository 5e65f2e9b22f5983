"""What a cluster's engine changes on a laptop: the record, the connection file, the certificate."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from kubefuture.core.certificate import make_certificate
from kubefuture.core.connection import Connection
from kubefuture.kube import record, secret
from kubefuture.kube.place import Place
from kubefuture.kube.secret import Secret
from kubefuture.project.errors import ProjectError

from tests.project import kit

PLACE = Place("existing", "/home/me/.kube/config", "lab", "kubefuture-study", "study", "study")
PAIR = Secret("ab" * 32, "certificate", "key", "1")


def test_the_engine_is_recorded_and_another_one_is_refused(tmp_path):
    project = kit.make_project(tmp_path / "study")
    first = record.begin(project, PLACE, "dask")
    assert first.engine == "dask" and record.read(project, "existing") == first
    assert record.begin(project, PLACE, "dask") == first
    with pytest.raises(ProjectError, match=r"up with the engine dask .*asks for native.*first `make down`"):
        record.begin(project, PLACE, "native")


def test_a_record_that_names_no_engine_is_of_kubefutures_own(tmp_path):
    project = kit.make_project(tmp_path / "study")
    record.begin(project, PLACE, "native")
    (path,) = project.records.glob("*.yaml")
    lines = [line for line in path.read_text().splitlines(keepends=True) if not line.startswith("engine")]
    path.write_text("".join(lines))
    assert record.begin(project, PLACE, "native").engine == "native"


def test_only_dasks_connection_file_has_the_key_and_it_has_no_token(tmp_path):
    project = kit.make_project(tmp_path / "study")
    native = secret.connection(project, PLACE, "native", PAIR)
    dask = secret.connection(project, PLACE, "dask", PAIR)
    assert (native.engine, native.token, native.private_key) == ("native", PAIR.token, "")
    assert (dask.engine, dask.token, dask.private_key) == ("dask", "", "key")
    for one in (native, dask):
        one.save(tmp_path / "connection.json")
        assert Connection.load(tmp_path / "connection.json") == one
        assert Connection.engine_at(tmp_path / "connection.json") == one.engine


@pytest.mark.parametrize("mutual", [False, True])
def test_only_dasks_certificate_is_for_both_sides(mutual):
    certificate = x509.load_pem_x509_certificate(make_certificate(mutual=mutual)[0].encode())
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert (ExtendedKeyUsageOID.CLIENT_AUTH in uses) == mutual
    assert ExtendedKeyUsageOID.SERVER_AUTH in uses
