"""Crash tests: kill -9 and power loss under load, and what must be true afterwards.

    python -m tests.torture kill  --times 100    a process that writes through the store, killed at random moments
    python -m tests.torture server --times 100   the whole server over HTTP, killed at random moments
    python -m tests.torture power --times 50     the same on a file system that loses what was not synced (needs root)
    python -m tests.torture nth                  each system call fails once (needs root and strace)

`load` writes and acknowledges, `check` knows what an acknowledgement promises. All exit 1 on any broken
promise, and must be able to find one: `--synchronous NORMAL` and `--no-fsync` are wrong on purpose.
"""
