"""How long a client tries to reach its scheduler; time is a number here."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from kubefuture.client.trying import Trying
from kubefuture.core.connection import Connection
from kubefuture.core.settings import ENDED_SECONDS, FAR_RECONNECT_SECONDS, RECONNECT_SECONDS, REPLACED_SECONDS
from kubefuture.errors import LoginError, NoAnswerError, NotUpError, VersionError

from tests.faults.programs import Cluster

HERE = Connection("study", "local", "unix:/nowhere", "00")
FAR = Connection(
    "study", "existing", "kubectl:study/study-scheduler:7000", "00", "certificate", context="lab"
)


@pytest.mark.parametrize(
    ("connection", "patience"), [(HERE, RECONNECT_SECONDS), (FAR, FAR_RECONNECT_SECONDS)]
)
def test_a_scheduler_that_went_away_is_waited_for_as_long_as_its_place_takes(connection, patience):
    trying = Trying(connection, 5.0)
    trying.failed(ConnectionResetError(), 5.0 + patience)
    with pytest.raises(NoAnswerError, match=f"has not come back for {patience:.0f} s"):
        trying.failed(ConnectionResetError(), 5.1 + patience)


def test_another_certificate_in_a_cluster_is_borne_for_as_long_as_a_pod_is_replaced():
    trying = Trying(FAR, 0.0)
    trying.failed(LoginError("other"), 100.0)
    trying.failed(LoginError("other"), 100.0 + REPLACED_SECONDS)
    trying.failed(ConnectionResetError(), 101.0 + REPLACED_SECONDS)
    trying.failed(LoginError("other"), 200.0)
    trying.failed(LoginError("other"), 200.0 + REPLACED_SECONDS)
    with pytest.raises(LoginError, match="other"):
        trying.failed(LoginError("other"), 200.1 + REPLACED_SECONDS)


@pytest.mark.parametrize("connection", [HERE, FAR])
def test_a_cluster_whose_connection_file_is_gone_was_ended(connection):
    """As by `make down`: nobody will come back, however patient one is."""
    trying = Trying(connection, 0.0)
    trying.failed(ConnectionResetError(), 1.0)
    trying.failed(NotUpError("There is no cluster."), 2.0)
    trying.failed(NotUpError("There is no cluster."), 2.0 + ENDED_SECONDS)
    with pytest.raises(NoAnswerError, match="were ended, as by `make down`: There is no cluster"):
        trying.failed(NotUpError("There is no cluster."), 2.1 + ENDED_SECONDS)


def test_a_connection_into_a_cluster_that_is_lost_is_worth_a_line(capsys):
    for connection, count in ((FAR, 1), (HERE, 0)):
        trying = Trying(connection, 0.0)
        for second in range(20):
            trying.failed(ConnectionResetError(), float(second))
        assert (
            capsys.readouterr().err.count("the connection to the scheduler is lost, and is tried again")
            == count
        )


def test_another_certificate_or_token_on_this_machine_is_an_error_at_once():
    with pytest.raises(LoginError):
        Trying(HERE, 0.0).failed(LoginError("other"), 0.0)


@pytest.mark.parametrize("first", [False, True])
def test_another_version_is_an_error_at_once(first):
    with pytest.raises(VersionError):
        Trying(FAR, 0.0, first=first).failed(VersionError("other"), 0.0)


@pytest.mark.parametrize("error", [LoginError("other"), ConnectionResetError("broken")])
def test_a_program_that_begins_bears_with_a_pod_that_is_replaced_and_says_so_once(error, capsys):
    trying = Trying(FAR, 0.0, first=True)
    for second in range(int(REPLACED_SECONDS) + 1):
        trying.failed(error, float(second))
    assert capsys.readouterr().err.count("may just be replaced") == 1
    with pytest.raises(type(error), match=str(error)):
        trying.failed(error, REPLACED_SECONDS + 0.1)


@pytest.mark.parametrize("error", [NoAnswerError("no way"), NotUpError("gone")])
def test_a_program_that_begins_hears_at_once_what_no_waiting_changes(error):
    with pytest.raises(type(error)):
        Trying(FAR, 0.0, first=True).failed(error, 0.0)


@pytest.mark.parametrize("error", [NoAnswerError("nothing for 10 s"), ConnectionResetError()])
def test_a_busy_scheduler_on_this_machine_is_asked_once_more(error):
    trying = Trying(HERE, 0.0, first=True)
    trying.failed(error, 10.0)
    with pytest.raises(type(error)):
        trying.failed(error, 20.0)
    with pytest.raises(ConnectionRefusedError):
        Trying(HERE, 0.0, first=True).failed(ConnectionRefusedError(), 0.0)


def test_a_scheduler_that_was_too_busy_to_let_one_in_is_asked_once_more():
    with Cluster(0) as cluster:
        socket_path = Path(Connection.load(cluster.connection).socket_path)
        aside = str(socket_path) + "~"
        socket_path.rename(aside)
        with socket.socket(socket.AF_UNIX) as busy:
            busy.bind(str(socket_path))
            busy.listen()

            def let_nobody_in():
                first = busy.accept()[0]
                Path(aside).replace(socket_path)
                first.close()

            turned_away = threading.Thread(target=let_nobody_in)
            turned_away.start()
            assert len(cluster.status().workers) == 1
            turned_away.join()
