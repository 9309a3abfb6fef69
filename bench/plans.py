"""Wall time of a `terraform plan` that changes nothing: each backend beside `backend "local"`, in rotating order."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from tests.e2e.clouds import Cloud, Credentials, Place
from tests.e2e.terraform import LockMode, S3Backend, Terraform

from bench.servers import BUCKET, OURS, TABLE, Server

_RESOURCES = "".join(f'resource "terraform_data" "r{number}" {{ input = "value {number}" }}\n' for number in range(5))


@dataclass(frozen=True)
class Plan:
    """Wall times of one backend, in seconds."""

    backend: str
    median: float
    lower: float
    upper: float
    count: int


def measure_plans(directory: Path, servers: list[Server], repetitions: int, say: Callable[[str], object]) -> list[Plan]:
    """Plan with every backend in turn, `repetitions` times, beginning with another one each time.

    A peer on which Terraform cannot apply (one that closes a connection loses an answer, and the client is then refused
    by its own lock) is left out, and `say` is told; what we measured of the others is not lost for it."""
    developers = {"local": _local(directory)}
    for server in servers:
        if not (server.tables and server.objects):
            continue
        modes = (LockMode.TABLE, LockMode.LOCKFILE) if server.name == OURS else (LockMode.TABLE,)
        for mode in modes:
            try:
                developers[f"s3 with a {mode} on {server.name}"] = _s3(directory, server, mode)
            except AssertionError as problem:
                if server.name == OURS:
                    raise
                say(f"{server.name} cannot be planned with: {problem}")
    times: dict[str, list[float]] = {name: [] for name in developers}
    names = list(developers)
    for turn in range(repetitions):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            begin = time.perf_counter()
            developers[name].ok("plan", "-input=false", "-detailed-exitcode")
            times[name].append(time.perf_counter() - begin)
    plans = []
    for name, walls in times.items():
        cuts = quantiles(walls, n=4)
        plans.append(Plan(name, median(walls), cuts[0], cuts[2], len(walls)))
    return plans


def _local(directory: Path) -> Terraform:
    terraform = Terraform(directory / "local").write("main.tf", _RESOURCES)
    terraform.init()
    terraform.apply()
    return terraform


def _s3(directory: Path, server: Server, mode: LockMode) -> Terraform:
    key = server.key
    cloud = Cloud(server.name, server.endpoint, Credentials(key.access_key_id, key.secret_access_key))
    terraform = Terraform(directory / f"{server.name}-{mode}", cloud=cloud).write("main.tf", _RESOURCES)
    options = {} if server.name == "lockhouse" else {"skip_requesting_account_id": True}
    terraform.backend(S3Backend(Place(BUCKET, TABLE), key=f"plan-{mode}/terraform.tfstate", mode=mode, options=options))
    terraform.init()
    terraform.apply()
    return terraform


def as_json(plans: list[Plan]) -> list[dict[str, object]]:
    """For the results file."""
    return json.loads(json.dumps([plan.__dict__ for plan in plans]))
