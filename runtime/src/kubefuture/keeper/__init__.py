"""The keeper: one process a project that keeps its scheduler and worker running on this machine.

    make up ── keeper start ──plan on stdin──> keeper ──┬── scheduler     ready-fd: "ready" or why not
                    ^                            │      └── worker        lifeline-fd: ends with the keeper
                    └────── up, or why not ──────┘
    make down ── keeper stop ──SIGTERM──> keeper ──> worker, then scheduler, then files; then it looks itself

The keeper's life is a lock that the kernel holds on .kubefuture/local/keeper.lock, so it can be neither
outlived by a stale file nor mistaken after a reboot or for a process that got its number.
"""
