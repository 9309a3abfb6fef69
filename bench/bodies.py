"""What is sent: Terraform states of a wanted size and plain objects: a short changing beginning and a fixed rest each.

A state has the layout of state format 4, with resources whose attributes are random enough that nobody compresses them
by a miracle. Above 2 MB the resources repeat every 2 MB. Only the serial at the beginning changes, so many versions
of 100 MB cost 100 MB of the generator's memory.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from dataclasses import dataclass
from functools import cache

FIRST_SERIAL = 1_000_000
_BLOCK = 2_000_000
_TAIL = b'],"check_results":null}'


@dataclass(frozen=True)
class Body:
    """One body, in two parts."""

    parts: tuple[bytes, memoryview]

    @property
    def size(self) -> int:
        return sum(len(part) for part in self.parts)

    def sha256(self) -> str:
        """The digest that is signed, in hex."""
        digest = hashlib.sha256(self.parts[0])
        digest.update(self.parts[1])
        return digest.hexdigest()

    def whole(self) -> bytes:
        return b"".join(self.parts)


def state(size: int, name: str, number: int) -> Body:
    """A state of about `size` bytes (never more than 1 KB over); `number` makes the serial, `name` the lineage."""
    lineage = uuid.uuid5(uuid.NAMESPACE_URL, name)
    beginning = (
        f'{{"version":4,"terraform_version":"1.15.5","serial":{FIRST_SERIAL + number},"lineage":"{lineage}",'
        '"outputs":{},"resources":['
    )
    return Body((beginning.encode(), _resources(size - len(beginning))))


def plain(size: int, number: int) -> Body:
    """An object that is no state."""
    return Body((f"object {number:09d}\n".encode(), _noise(size - 17)))


@cache
def _resources(size: int) -> memoryview:
    block = b",".join(_block(min(size, _BLOCK)))
    times = max(1, size // (len(block) + 1))
    return memoryview(b",".join([block] * times) + _TAIL)


def _block(size: int) -> list[bytes]:
    chance = random.Random(size)
    made: list[bytes] = []
    total = 0
    while total < size - 700 or not made:
        one = _resource(chance, len(made)).encode()
        made.append(one)
        total += len(one) + 1
    return made


def _resource(chance: random.Random, number: int) -> str:
    words = [f"{chance.getrandbits(64):016x}" for _ in range(6)]
    return (
        f'{{"mode":"managed","type":"aws_instance","name":"node_{number}",'
        '"provider":"provider[\\"registry.terraform.io/hashicorp/aws\\"]","instances":[{"schema_version":1,"attributes":'
        f'{{"ami":"ami-{words[0]}","arn":"arn:aws:ec2:us-east-1:123456789012:instance/i-{words[1]}","id":"i-{words[1]}",'
        f'"availability_zone":"us-east-1{chance.choice("abc")}","private_ip":"10.{chance.randrange(256)}.'
        f'{chance.randrange(256)}.{chance.randrange(256)}","subnet_id":"subnet-{words[2]}","tags":{{"Name":"{words[3]}"}},'
        f'"user_data":"{words[4]}{words[5]}","vpc_security_group_ids":["sg-{words[2]}"]}},"sensitive_attributes":[],'
        f'"private":"{words[5]}"}}]}}'
    )


@cache
def _noise(size: int) -> memoryview:
    return memoryview(random.Random(size).randbytes(size))
