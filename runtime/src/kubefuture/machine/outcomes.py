"""What becomes of leases: results, failures, strikes, and work that comes back (R6, R18, R19)."""

from __future__ import annotations

import msgspec

from ..core.settings import LOSSES, STRIKES
from ..errors import ProtocolError
from ..protocol.messages import (
    Done,
    Failure,
    PrintedCall,
    PrintedLease,
    Raised,
    Returned,
    SlotLost,
    Span,
    UnseededCall,
    UnseededLease,
)  # fmt: skip
from ..protocol.poison import ARGUMENT_BYTES, PoisonReport, Strike, encode_report
from .assign import settle_slot
from .calls import Call
from .named import trouble
from .outbox import NOBODY
from .records import FailureRecorded, ResultsRecorded
from .sessions import SessionState
from .slots import LeaseState, SlotState, WorkerState
from .state import State


def done(state: State, worker: WorkerState, message: Done) -> None:
    """Elements finished."""
    settled: SlotState | None = None
    for part in message.parts:
        lease = _lease_of(state, worker, part.lease)
        if lease is None:
            continue
        count = len(part.payloads)
        call, session = lease.call, lease.session
        if count:
            stop = part.start + count
            if part.start < lease.position or stop > lease.stop:
                raise ProtocolError(f"Lease {part.lease} has no elements {part.start} to {stop - 1} left.")
            if part.start > lease.position:
                _skipped(lease, part.start)
            lease.position = stop
            session.usage += part.seconds
            call.function.measured(part.seconds, count)
            if not call.cancelled:
                span = Span(call.id, part.start, part.payloads)
                if call.early is not None:
                    call.early.append(span)
                    settle_early(state, session, call)
                else:
                    record(state, session, call, span)
        if part.end:
            if settled is not None and settled is not lease.slot:
                settle_slot(state, settled)
            settled = lease.slot
            _close(state, lease)
        if call.complete and call.finished:
            state.finish(session, call)
    if settled is not None:  # once for all that it has finished
        settle_slot(state, settled)


def raised(state: State, worker: WorkerState, message: Raised) -> None:
    """An element's function raised."""
    lease = _lease_of(state, worker, message.lease)
    if lease is None:
        return
    index, call = message.index, lease.call
    if not lease.position <= index < lease.stop:
        raise ProtocolError(f"Lease {message.lease} has no element {index} left.")
    _skipped(lease, index)
    lease.position = index + 1
    lease.session.usage += message.seconds
    if message.interrupted:
        _come_back(lease, index, index + 1)
    else:
        call.function.measured(message.seconds, 1)
        if trouble(state, lease, "retry", index, _too_long(message, call)) <= call.retries:
            _come_back(lease, index, index + 1)
        else:
            if lease.claimed:  # its client may not have told yet how often it may run
                call.claim(lease.id, index + 1, lease.stop)
            _fail(state, lease.session, call, index, "raised", message.payload)
    if message.end:
        _end(state, lease)
    if not lease.session.gone:
        lease.session.enqueue(call)


def aside(state: State, worker: WorkerState, message: UnseededLease | PrintedLease) -> None:
    """What is no outcome: a function drew without a seed (R25), or an element has printed something.

    What is printed is told only to who is there and reads, and with the outcome in any case.
    """
    lease = _lease_of(state, worker, message.lease)
    if lease is None or lease.call.cancelled:
        return
    session, call = lease.session, lease.call
    if isinstance(message, UnseededLease):
        state.outbox.send_first(session.peer, UnseededCall(call.id, message.function))
    elif session.peer != NOBODY and not session.held and not call.key and not call.expected:
        told = PrintedCall(call.id, *(getattr(message, name) for name in message.__struct_fields__))
        state.outbox.send(session.peer, told)


def returned(state: State, worker: WorkerState, message: Returned) -> None:
    """A worker handed back what it had not started."""
    slot = worker.slots.get(message.slot)
    if slot is None:
        return  # it was asked before it was gone, which has been told
    for lease_id in message.leases:
        lease = _lease_of(state, worker, lease_id)
        if lease is not None:
            _end(state, lease)
    settle_slot(state, slot)


def slot_lost(state: State, worker: WorkerState, message: SlotLost) -> None:
    """A slot ended: the element it was on gets a strike, everything else of it simply comes back.

    Where it was on none the first that is not settled counts as lost, so that one which ends its slot
    from behind, as by closing our sockets, is not tried for ever.
    """
    slot = _slot_of(worker, message.slot)
    for order, lease in enumerate(list(slot.leases.values())):
        running = lease.id == message.lease and lease.position <= message.index < lease.stop
        if running and not message.expected and not lease.call.cancelled:
            index = message.index
            if not strike(state, worker, lease, index, message.reason, message.output):
                lease.call.give_back(index, index + 1)
            lease.call.give_back(lease.position, index)
            lease.position = index + 1
            lease.session.enqueue(lease.call)
        elif running:
            lose(state, lease, message.index)
        elif order == 0 and message.lease == 0 and not message.expected:
            lose(state, lease, lease.position)
        _end(state, lease)


def lose(state: State, lease: LeaseState, index: int) -> None:
    """An element was lost without being to blame; not for ever, since each such loss costs its time (R19)."""
    if lease.call.cancelled or trouble(state, lease, "loss", index) < LOSSES:
        return
    _give_up(state, lease, index, PoisonReport(0, LOSSES))


def strike(
    state: State, worker: WorkerState, lease: LeaseState, index: int, reason: str, output: str = ""
) -> bool:
    """A slot's end is counted for the element that it was on (R19).

    Returns:
        Whether that was once too often, so that the element was given up.
    """
    again = lease.call.has_counted("strike", index, lease.id)
    deaths = trouble(state, lease, "strike", index, reason)
    strikes = lease.call.strikes(index, None if again else Strike(reason, worker.hello.host, output))
    if deaths >= STRIKES:
        _give_up(state, lease, index, PoisonReport(deaths, 0, strikes))
    return deaths >= STRIKES


def _too_long(message: Raised, call: Call) -> str:
    limit = call.function.message.limit
    return "timed out" if limit and message.seconds >= limit else ""


def _give_up(state: State, lease: LeaseState, index: int, report: PoisonReport) -> None:
    state.happened("element-poisoned", lease.session, lease.call, element=index)
    arguments = lease.call.arguments(index)
    if len(arguments) <= ARGUMENT_BYTES:
        function = lease.call.function.message
        report = msgspec.structs.replace(
            report, arguments=arguments, own_seeds=function.own_seeds, bare=function.bare
        )
    _fail(state, lease.session, lease.call, index, "poison", encode_report(report))


def _skipped(lease: LeaseState, index: int) -> None:
    """Elements that a lease passed over without a word come back."""
    _come_back(lease, lease.position, index)


def _come_back(lease: LeaseState, start: int, stop: int) -> None:
    """Elements come back, though their lease goes on: it claims those behind them only."""
    if lease.claimed:
        lease.call.claim(lease.id, stop, lease.stop)
    lease.call.give_back(start, stop)


def record(state: State, session: SessionState, call: Call, span: Span) -> None:
    """Results are taken, once each (R6)."""
    count = len(span.payloads)
    if call.settle(span.start, span.start + count):
        _tell(state, session, call, span)
        state.settled += count
        return
    for index, payload in enumerate(span.payloads, span.start):
        if call.settle(index, index + 1):
            _tell(state, session, call, Span(call.id, index, [payload]))
            state.settled += 1


def _tell(state: State, session: SessionState, call: Call, span: Span) -> None:
    if call.key:
        state.records.append(ResultsRecorded(call.key, span.start, span.payloads))
    else:
        state.outbox.result(session.peer, span)


def settle_early(state: State, session: SessionState, call: Call) -> None:
    """Outcomes that came before the client had told of their elements are taken once it has.

    It does not tell of those behind its last one that it has already.
    """
    waiting, call.early = call.early or [], []
    for outcome in waiting:
        stop = outcome.index + 1 if isinstance(outcome, Failure) else outcome.start + len(outcome.payloads)
        if stop > call.received and not call.complete:
            call.early.append(outcome)
        elif isinstance(outcome, Span):
            payloads = outcome.payloads[: max(call.received - outcome.start, 0)]
            if payloads:
                record(state, session, call, Span(call.id, outcome.start, payloads))
        elif stop > call.received:
            pass
        elif outcome.kind == "raised" and 0 < call.had("retry", outcome.index) <= call.retries:
            call.give_back(outcome.index, stop)  # how often it may is known only now
        else:
            _fail(state, session, call, outcome.index, outcome.kind, outcome.payload)
    session.enqueue(call)


def _fail(state: State, session: SessionState, call: Call, index: int, kind: str, payload: bytes) -> None:
    if call.cancelled:
        return
    if call.early is not None and index >= call.received:
        call.early.append(Failure(call.id, index, kind, payload))
        return
    if not call.settle(index, index + 1):
        return
    state.settled += 1
    state.failed += 1
    if call.key:
        state.records.append(FailureRecorded(call.key, index, kind, payload))
    else:
        state.outbox.send(session.peer, Failure(call.id, index, kind, payload))
    if call.finished:
        state.finish(session, call)


def _end(state: State, lease: LeaseState) -> None:
    _close(state, lease)
    settle_slot(state, lease.slot)


def _close(state: State, lease: LeaseState) -> None:
    lease.slot.revoking = False  # what it has changed, so asking again may help
    state.end_lease(lease)
    if lease.position < lease.stop or (lease.call.total != 1 and lease.call.has_waiting):
        state.requeue(lease)


def _lease_of(state: State, worker: WorkerState, lease_id: int) -> LeaseState | None:
    """None for a lease that is over, as when a result crosses with a cancel, or that never was."""
    lease = state.leases.get(lease_id)
    if lease is None:
        state.dropped(worker, lease_id)
    elif lease.slot.worker is not worker:
        raise ProtocolError(f"Lease {lease_id} is another worker's.")
    return lease


def _slot_of(worker: WorkerState, index: int) -> SlotState:
    try:
        return worker.slots[index]
    except KeyError:
        raise ProtocolError(f"There is no slot {index}.") from None
