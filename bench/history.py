"""`python -m bench.history`: how small the history of a state stays, and how fast an old version is read.

A state of the wanted size is written again and again, one of its resources changed each time, to a store with sealed
bodies, and packed as the server packs it, every so many versions. Then every version is read back and compared. The
resources have random ids, addresses and keys, as real ones have, and about 1.2 KB of JSON each. From the top of the
repository; nothing outside a temporary directory is touched.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from msgspec.structs import replace
from tests.contract.samples import version, write_version
from tests.e2e.toolchain.clients import REPOSITORY

from lockhouse.core.addresses import Address
from lockhouse.core.data_keys import place_of_body
from lockhouse.core.versions import Body
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.facts import FactsReader
from lockhouse.runtime.intake import take_in
from lockhouse.runtime.outgoing import give_out
from lockhouse.runtime.repacking import Repacking
from lockhouse.sealing.bodies import Bodies
from lockhouse.sealing.ring import Ring
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.blobs.sweep import sweep
from lockhouse.storage.sql.sqlite import SqliteStore

HOME = Address("bench", "large.tfstate")


class Growing:
    """A state in which one resource changes each time."""

    def __init__(self, size: int) -> None:
        self._chance = random.Random(1)
        self._resources: list[str] = []
        self._serial = 0
        left = size
        while left > 0:
            self._resources.append(self._resource(len(self._resources)))
            left -= len(self._resources[-1]) + 2

    def next(self) -> bytes:
        self._serial += 1
        place = self._chance.randrange(len(self._resources))
        self._resources[place] = self._resource(place)
        head = f'{{"version":4,"terraform_version":"1.15.5","serial":{self._serial},"lineage":"one","outputs":{{}},'
        return (head + '"resources":[\n' + ",\n".join(self._resources) + "]}\n").encode()

    def _resource(self, number: int) -> str:
        word = [f"{self._chance.getrandbits(64):016x}" for _ in range(8)]
        attributes = {
            "ami": f"ami-{word[0]}",
            "arn": f"arn:aws:ec2:us-east-1:123456789012:instance/i-{word[1]}",
            "id": f"i-{word[1]}",
            "availability_zone": f"us-east-1{self._chance.choice('abc')}",
            "private_ip": ".".join(["10", *(str(self._chance.randrange(256)) for _ in range(3))]),
            "subnet_id": f"subnet-{word[2]}",
            "tags": {"Name": word[3], "Team": self._chance.choice("abc")},
            "user_data": word[4] + word[5],
            "ebs_optimized": False,
            "root_block_device": [{"volume_id": f"vol-{word[6]}", "encrypted": False, "iops": 100, "tags": {}}],
        }
        instance = {"schema_version": 1, "attributes": attributes, "sensitive_attributes": [], "private": word[7]}
        provider = 'provider["registry.terraform.io/hashicorp/aws"]'
        kind = self._chance.choice(["aws_instance", "aws_s3_bucket", "aws_iam_role"])
        document = {"mode": "managed", "type": kind, "name": f"node_{number}", "provider": provider}
        return json.dumps(document | {"instances": [instance]}, indent=2)


async def measure(directory: Path, versions: int, size: int, batch: int, read_every: int) -> dict[str, object]:
    store = SqliteStore(directory / "db")
    blobs = FileBlobs(directory / "blobs")
    bodies = Bodies(blobs, Ring([os.urandom(32)]))
    engine = Engine(store, blobs)
    engine.start()
    packing = Repacking(engine, bodies, lambda: 0)
    growing = Growing(size)
    digests: list[bytes] = []
    packed, seconds = 0, 0.0
    raw = b""
    for seq in range(1, versions + 1):
        raw = growing.next()
        digests.append(hashlib.sha256(raw).digest())
        await _write(store, bodies, seq, raw)
        if seq % batch == 0 or seq == versions:
            began = time.perf_counter()
            packed += (await packing.round(quiet=0.0)).versions
            seconds += time.perf_counter() - began
            store.write(lambda tx: tx.forget_retired(time.time() + 1, 10**6))
            sweep(blobs, store, now=time.time() + 10, grace=0.0)
            print(f"{seq} versions, {_stored(directory) / 1e6:.1f} MB", file=sys.stderr, flush=True)
    times = []
    spent = []
    for seq, digest in list(enumerate(digests, 1))[::read_every]:
        began, cpu = time.perf_counter(), _cpu()
        read = await _read(store, bodies, seq)
        times.append(time.perf_counter() - began)
        spent.append(_cpu() - cpu)
        assert hashlib.sha256(read).digest() == digest, f"version {seq} is not what was written"
    times.sort()
    spent.sort()
    stored = _stored(directory)
    store.close()
    return {
        "versions": versions,
        "bytes_of_one": len(raw),
        "stored_bytes": stored,
        "stored_per_one_body": round(stored / len(raw), 2),
        "read_back": len(times),
        "packings": packed,
        "seconds_per_packing": round(seconds / max(1, packed), 3),
        "read_seconds_median": round(times[len(times) // 2], 3),
        "read_seconds_p99": round(times[len(times) * 99 // 100], 3),
        "read_seconds_most": round(times[-1], 3),
        "read_cpu_seconds_median": round(spent[len(spent) // 2], 3),
        "read_cpu_seconds_most": round(spent[-1], 3),
        "largest_child_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "load_average": os.getloadavg()[0],
    }


async def _write(store: SqliteStore, bodies: Bodies, seq: int, raw: bytes) -> None:
    async def chunks():
        for start in range(0, len(raw), 1 << 20):
            yield raw[start : start + (1 << 20)]

    intake = await take_in(chunks(), bodies, FactsReader(bodies), limit=1 << 30, expect_state=None)
    made = replace(version(seq), at=1.0)
    body = bodies.bind(intake.body, intake.secret, place_of_body(HOME, made.nonce))
    await asyncio.to_thread(store.write, lambda tx: write_version(tx, HOME, replace(made, body=body)))


async def _read(store: SqliteStore, bodies: Bodies, seq: int) -> bytes:
    def look(tx) -> Body:
        return tx.version(tx.state(HOME), seq).body

    given = await give_out(store.read(look), bodies)
    return given if isinstance(given, bytes) else b"".join([piece async for piece in given.chunks()])


def _cpu() -> float:
    """CPU seconds of this process and the children that have ended."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


def _stored(directory: Path) -> int:
    return sum(
        path.stat().st_size for path in directory.rglob("*") if path.is_file() and not path.name.endswith("-shm")
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.history", description="Measure packed history.")
    parser.add_argument("--versions", type=int, default=1000)
    parser.add_argument("--size", type=int, default=10_000_000, help="bytes of one version")
    parser.add_argument("--batch", type=int, default=100, help="versions written between two rounds of packing")
    parser.add_argument("--read-every", type=int, default=1, help="read every n-th version back")
    chosen = parser.parse_args()
    (REPOSITORY / ".data").mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="bench-history-", dir=REPOSITORY / ".data"))
    try:
        found = asyncio.run(measure(directory, chosen.versions, chosen.size, chosen.batch, chosen.read_every))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
