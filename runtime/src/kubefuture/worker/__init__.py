"""The worker: a supervisor that owns the network, and slots that run one element at a time (R2)."""
