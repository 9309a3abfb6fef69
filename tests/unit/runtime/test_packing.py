"""Bodies in rows: any thread may pack and unpack at any time, and damage is never taken for a body."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.packing import compress, decompress

MANY_THREADS = """
import random, threading
from lockhouse.runtime.packing import compress, decompress
def work(seed):
    raw = random.Random(seed).randbytes(200_000).hex().encode()
    for _ in range(25):
        assert decompress(compress(raw), len(raw)) == raw
threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("done")
"""


def test_eight_threads_pack_at_once_and_the_process_lives():
    done = subprocess.run([sys.executable, "-c", MANY_THREADS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("size", [0, 1, 5000])
def test_a_packed_body_comes_back(size: int):
    raw = random.Random(size).randbytes(size)
    assert decompress(compress(raw), size) == raw


def test_a_damaged_frame_is_an_error_and_never_another_body():
    raw = b"resource" * 1000
    frame = compress(raw)
    for damaged in (b"", frame[:-1], b"x" + frame[1:], frame[: len(frame) // 2]):
        with pytest.raises(StorageUnavailable):
            decompress(damaged, len(raw))
    with pytest.raises(StorageUnavailable):
        decompress(frame, len(raw) - 1)
