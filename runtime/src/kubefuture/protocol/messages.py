"""Every message that client, scheduler, worker and slot exchange.

Frozen structs, encoded as msgpack arrays with the type's name first. `bytes` fields are pickles or
other content that the scheduler passes on without looking inside.

    client ── Hello Function Open Elements Tasks Cancel Release Bye ──> scheduler
    client <── Welcome Refused Results Failures Slots UnseededCall PrintedCall ── scheduler
    client ── OpenNamed Attach Fetch Forget ──> scheduler ── Named NotNamed Fetched Forgotten ──> client
    client ── KeepBlob ──> scheduler ── BlobKept BlobRefused ──> client
    worker ── BlobWanted ──> scheduler ── BlobWanted ──> client ── BlobPart BlobMissing ──> scheduler ──> worker
    client ── StatusRequest Scale TallyRequest ──> scheduler ── Status Tally ──> client
    worker ── Hello Predecessor SlotReady SlotLost Done Raised Returned UnseededLease PrintedLease Leaving ──> scheduler
    worker <── Welcome Refused Bind Run Revoke Interrupt StartSlot RetireSlot ReplaceSlot ── scheduler
    slot   <── Bind Run ── worker          slot ── Ready Done Raised UnseededLease ──> worker
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from .away import loaded
from .blob_messages import Blob, BlobKept, BlobMissing, BlobPart, BlobRefused, BlobWanted, KeepBlob
from .client_messages import (
    Cancel,
    Elements,
    Failure,
    Function,
    Open,
    PrintedCall,
    Release,
    Results,
    Resumed,
    Scale,
    Slots,
    Span,
    Status,
    StatusRequest,
    Tally,
    TallyRequest,
    Task,
    Tasks,
    UnseededCall,
    WorkerStatus,
)  # fmt: skip
from .greeting import (
    PROTOCOL,
    Ack,
    Bye,
    Environment,
    Hello,
    Message,
    Refused,
    Welcome,
)  # fmt: skip
from .named_messages import (
    Attach,
    Fetch,
    Fetched,
    Forget,
    Forgotten,
    Named,
    NotNamed,
    OpenNamed,
)  # fmt: skip
from .worker_messages import (
    Bind,
    Done,
    Held,
    HeldSlot,
    Holding,
    Interrupt,
    Lease,
    Leaving,
    Part,
    Predecessor,
    PrintedLease,
    Raised,
    Ready,
    ReplaceSlot,
    RetireSlot,
    Returned,
    Revoke,
    Run,
    SlotLost,
    SlotReady,
    StartSlot,
    Struck,
    UnseededLease,
)  # fmt: skip

__all__ = (
    "PROTOCOL",
    "Ack",
    "AnyMessage",
    "Attach",
    "Bind",
    "Blob",
    "BlobKept",
    "BlobMissing",
    "BlobPart",
    "BlobRefused",
    "BlobWanted",
    "Bye",
    "Cancel",
    "Done",
    "Elements",
    "Environment",
    "Failure",
    "Fetch",
    "Fetched",
    "Forget",
    "Forgotten",
    "Function",
    "Held",
    "HeldSlot",
    "Hello",
    "Holding",
    "Interrupt",
    "KeepBlob",
    "Lease",
    "Leaving",
    "Message",
    "Named",
    "NotNamed",
    "Open",
    "OpenNamed",
    "Part",
    "Predecessor",
    "PrintedCall",
    "PrintedLease",
    "Raised",
    "Ready",
    "Refused",
    "Release",
    "ReplaceSlot",
    "Results",
    "Resumed",
    "RetireSlot",
    "Returned",
    "Revoke",
    "Run",
    "Scale",
    "SlotLost",
    "SlotReady",
    "Slots",
    "Span",
    "StartSlot",
    "Status",
    "StatusRequest",
    "Struck",
    "Tally",
    "TallyRequest",
    "Task",
    "Tasks",
    "UnseededCall",
    "UnseededLease",
    "Welcome",
    "WorkerStatus",
    "decode",
    "decode_lease",
    "encode",
    "encode_lease",
)  # fmt: skip

AnyMessage = (
    Hello | Welcome | Ack | Refused | Bye | Function | Release | Open | Elements | Tasks | Cancel | Resumed | Results
    | OpenNamed | Attach | Named | NotNamed | Fetch | Fetched | Forget | Forgotten
    | Failure | Slots | StatusRequest | Scale | Status | Bind | Run | Revoke | Returned | Interrupt | StartSlot
    | RetireSlot | ReplaceSlot | Holding | Ready | SlotReady | SlotLost | Done | Raised | UnseededCall
    | UnseededLease | BlobWanted | BlobPart | BlobKept | BlobMissing | BlobRefused | KeepBlob | Predecessor
    | TallyRequest | Tally | PrintedLease | PrintedCall | Leaving
)  # fmt: skip

_encoder = msgspec.msgpack.Encoder(enc_hook=loaded)

encode: Callable[[Message], bytes] = _encoder.encode
"""One message as msgpack, in which bytes that are away are put back."""

decode: Callable[[bytes | memoryview], AnyMessage] = msgspec.msgpack.Decoder(AnyMessage).decode
"""The message in some bytes; raises msgspec.DecodeError when they are no message of this protocol."""

encode_lease: Callable[[Lease], bytes] = _encoder.encode
"""One lease as the content of a record for a slot."""

decode_lease: Callable[[bytes], Lease] = msgspec.msgpack.Decoder(Lease).decode
"""The lease in the content of a record."""
