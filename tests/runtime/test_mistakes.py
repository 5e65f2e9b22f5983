"""A mistake of our own, in what handles a message: whoever waits is told, and nobody waits for ever."""

from __future__ import annotations

import kubefuture as kf
import pytest
from kubefuture.api.plan import current_plan
from kubefuture.errors import KubefutureError

from tests.faults.checkpoint import reach
from tests.faults.programs import Cluster
from tests.faults.tls import TlsCluster
from tests.faults.waiting import LIMIT


def mistaken(*_: object) -> None:
    """A bug in the place of a step."""
    raise TypeError("a bug")


class Mistaken:
    """A decoder with one."""

    feed = staticmethod(mistaken)


@pytest.fixture(params=[Cluster, TlsCluster])
def backend(request):
    """The back end of a plan on a cluster, over a socket and over TLS."""
    with request.param(1) as cluster, kf.plan("sequential"):
        kf.plan("cluster", connection=cluster.connection)
        plan = current_plan()
        yield plan.backend()
        plan.close()


def test_a_mistake_in_handling_a_message_of_the_scheduler_is_told_to_all_who_wait(
    backend, checkpoint, monkeypatch, capfd
):
    waiting = [kf.future(reach, checkpoint.port) for _ in range(2)]
    visit = checkpoint.next()
    with monkeypatch.context() as amidst:
        amidst.setattr(backend.session, "receive", mistaken)
        visit.go()
        for future in waiting:
            with pytest.raises(KubefutureError, match=r"mistake in kubefuture: TypeError\('a bug'\)"):
                future.result(LIMIT)
    assert "in mistaken" in capfd.readouterr().err, "the traceback is printed"
    checkpoint.open()
    assert kf.map(abs, [-1]) == [1], "the next call has a connection of its own"


def test_a_mistake_in_handling_a_message_of_a_slot_ends_the_local_plan(capfd, checkpoint):
    with kf.plan("sequential"):
        kf.plan("local", workers=2)
        plan = current_plan()
        waiting = [kf.future(reach, checkpoint.port) for _ in range(2)]
        visits = checkpoint.take(2)
        backend = plan.backend()
        backend._slots._slots[0]._decoder = Mistaken()
        for visit in visits:
            visit.go()
        assert any(isinstance(future.exception(LIMIT), KubefutureError) for future in waiting)
        assert "TypeError('a bug')" in capfd.readouterr().err
        assert plan.backend() is not backend
        assert kf.map(abs, [-1]) == [1]
        plan.close()
