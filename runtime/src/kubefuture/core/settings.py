"""Numbers that the runtime's rules name, each in one place and with its unit."""

from __future__ import annotations

from typing import Final

CHUNK_SECONDS: Final = 0.02
"""A lease of a map holds at most this much measured work, in seconds. Short, because the next ones
are fetched ahead and can be taken back, so a longer one would only delay balancing (R14)."""

CHUNK_BYTES: Final = 1 << 20
"""A lease holds at most this many bytes of arguments (R14)."""

CHUNK_ELEMENTS: Final = 4096
"""A lease holds at most this many elements, so that a frame stays small (R14)."""

MAX_CREDITS: Final = 16
"""At most this many leases a slot, the running one included (R13)."""

STRIKES: Final = 3
"""Deaths of a slot on one element before it is reported as poison (R19)."""

OUTPUT_LINES: Final = 20
"""So many of the last lines that a slot printed are part of the report when it dies (R19)."""

OUTPUT_BYTES: Final = 4 << 10
"""At most this many bytes of them."""

LOSSES: Final = 10
"""Losses of an element that were not its own doing (drain, lost worker) before it is given up (R19)."""

STICKY_SECONDS: Final = 10.0
"""A slot stays with its session for at least this long while that has work queued (R3)."""

HANDOVER_SECONDS: Final = 0.001
"""A slot hands finished results over when this much time passed since it last did (R14)."""

GATHER_SECONDS: Final = 0.05
"""A worker gathers results in the middle of a lease for up to this long before it tells the scheduler (R14)."""

GATHER_BYTES: Final = 128 << 10
"""It does not wait any longer when they have more bytes than this."""

INTERRUPT_GRACE: Final = 2.0
"""Seconds between SIGINT and SIGKILL for a running element that was cancelled (R21)."""

BLOB_BYTES: Final = 1 << 20
"""Captured data of more bytes than this leaves the pickle and travels apart (R26)."""

CAPTURED_BYTES: Final = 10 << 20
"""A function that captured more bytes than this is worth a warning, which names the largest."""

BLOBS: Final = 32
"""A function's captured data makes at most about this many blobs, since each takes a descriptor."""

BLOB_WINDOW: Final = 32 << 20
"""Of a blob that is fetched at most this many bytes are on the way, or not written yet."""

BLOB_PART: Final = 240 << 10
"""Bytes of a blob in one message, so that it is one frame and what is urgent can go between two."""

LANE_BYTES: Final = 1 << 20
"""At most about this many bytes of blobs wait in a connection's buffer, in front of what is urgent, and of what the
scheduler sends: the rest waits on its disk (R16)."""

BLOB_STORE_BYTES: Final = 10 << 30
"""How much a scheduler's, and a worker's, blobs may take on disk; less on a small volume."""

BLOB_VOLUME: Final = 0.8
"""At most this part of the volume they are on."""

BLOB_SECONDS: Final = 600.0
"""How long a scheduler keeps a blob that nothing refers to any more: the next call may need it again (R29)."""

BLOB_PATIENCE: Final = 5.0
"""After so many seconds no slot waits for a blob whose client is away, until that is there again (R10), nor for one
that is still on its way to the scheduler while others want the slots (R11)."""

WINDOW_BYTES: Final = 64 << 20
"""At most this many bytes of arguments a session are on the way without a result (R16)."""

MEMORY_PAYLOAD_BYTES: Final = 4 << 10
"""The scheduler keeps no longer argument in memory for more than a moment, but on disk (R16)."""

MEMORY_RESULT_BYTES: Final = 4 << 20
"""Of what a client has not acknowledged the scheduler keeps so many bytes in memory, the rest on disk (R16)."""

MEMORY_RESULTS_BYTES: Final = 64 << 20
"""It may be more for some clients, as long as all of it is not more than this."""

SHELF_BYTES: Final = 32 << 20
"""A file of what the scheduler has put away begins no new payload at this length; it is given back as a whole."""

READ_AHEAD: Final = 100
"""`imap` reads at least this many inputs ahead, or 4 a slot if that is more (R16)."""

LOOK_SECONDS: Final = 0.5
"""How often a progress bar asks what runs."""

QUIET_SECONDS: Final = 10.0
"""After this long without any slot one line says why (R23)."""

ACCEPT_SECONDS: Final = 60.0
"""How long a program that ends waits until the journal has the named work that it began (R5)."""

RECONNECT_SECONDS: Final = 60.0
"""How long a client tries to reach a scheduler that stopped answering before it gives up."""

FAR_RECONNECT_SECONDS: Final = 1800.0
"""The same over a network: a lost node is noticed after a minute, and its scheduler is then started elsewhere; an API
server may be away for longer."""

REPLACED_SECONDS: Final = 15.0
"""How long a client bears with a scheduler in a cluster that breaks off or has another certificate: its pod may just be
replaced, and after `make rotate` the connection file and the pod change one after the other."""

ENDED_SECONDS: Final = 30.0
"""After so long without a connection file a client takes its cluster for ended, as by `make down`."""

ORPHAN_SECONDS: Final = 600.0
"""How long work that a worker brought along is kept for a client that has not been heard of (R7)."""

LEASE_SECONDS: Final = 30.0
"""How long a worker whose connection broke is waited for before its elements are leased again (R7)."""

SIGN_SECONDS: Final = 5.0
"""A worker gives a sign of life at least this often."""

SILENT_SECONDS: Final = 15.0
"""A worker that is connected, and has said or read nothing for so long, is given nothing more until it does (R23)."""

CLOCK_JUMP_SECONDS: Final = 1.0
"""A wall clock that moves by more than this, beside the one that only counts, is worth a line in the log."""

SESSION_SECONDS: Final = 24 * 3600.0
"""How long a client whose connection broke is waited for, its results kept (R10)."""

SLOT_START_SECONDS: Final = 60.0
"""A slot that is not ready after this many seconds is taken for dead."""

JOURNAL_BYTES: Final = 10 << 30
"""How much the journal's files may take, in bytes; the next two are parts of it (R16)."""

JOURNAL_NO_NEW_WORK: Final = 0.8
"""From this part of its limit on the journal takes no new named work."""

JOURNAL_NO_LEASES: Final = 0.9
"""From this part of its limit on named work is not leased: the rest is for results that come."""

FREE_NO_NEW_WORK: Final = 1 << 30
"""Below this many free bytes on its file system the journal takes no new named work (R16)."""

FREE_NO_LEASES: Final = 512 << 20
"""Below this many free bytes on its file system named work is not leased (R16)."""

JOURNAL_WAITING_BYTES: Final = 96 << 20
"""Named work is not leased while so many bytes wait to be committed: the disk is slower than the workers (R16)."""

JOURNAL_CACHE_BYTES: Final = 8 << 20
"""The rows of arguments that were read last are kept, up to so many bytes: leases come in order."""

JOURNAL_RETRY_SECONDS: Final = 1.0
"""A commit that failed is tried again after at most this long."""

JOURNAL_SLOW_SECONDS: Final = 2.0
"""Reading the journal at start is worth a line in the log when it takes longer."""

JOURNAL_STEP_BYTES: Final = 4 << 20
"""A forgotten map is deleted, and its space given back, in steps of about this many bytes between commits."""

JOURNAL_STEP_ROWS: Final = 512
"""The same steps hold at most this many rows."""
