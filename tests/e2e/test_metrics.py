"""The numbers of a real server are all described, and hold nobody's name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from lockhouse.errors import ALL_PROBLEMS
from tests.e2e.clouds import Lockhouse

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
DESCRIBED = {
    name.removesuffix("_total"): (kind, frozenset(re.findall(r"`(\w+)`", labels)))
    for name, kind, labels in re.findall(r"^\| `(lockhouse_\w+)` \| (\w+) \|([^|]*)\|", PAGE, re.MULTILINE)
}
LOCK = {
    "ID": "5f0c2b1e-0000-4000-8000-000000000001",
    "Operation": "OperationTypeApply",
    "Info": "",
    "Who": "secretperson@host",
    "Version": "1.9.0",
    "Created": "2026-01-02T03:04:05Z",
    "Path": "",
}
VALUES = {
    "protocol": {"aws", "http", "cloud", "api", "console"},
    "limit": {"address", "principal", "failures"},
    "code": set(ALL_PROBLEMS),
}


def test_every_number_is_described_and_names_nobody(start_lockhouse: Callable[..., Lockhouse]):
    server = start_lockhouse()
    mine = ("secretuser", server.token)
    with httpx.Client(base_url=server.endpoint) as client:
        locked = client.request("LOCK", "/http/terraform-state/secretstate", auth=mine, json=LOCK)
        assert locked.status_code == 200, locked.text
        assert client.get("/http/secretnamespace/secretstate", auth=("secretuser", "wrong")).status_code == 401
        client.get("/tfs/secretstate")
        client.get("/api/v2/ping")
        client.get("/console/reviews")
        text = client.get("/metrics").text
    families = {each.name: each for each in text_string_to_metric_families(text)}
    ours = {name: family for name, family in families.items() if name.startswith("lockhouse_")}
    assert set(ours) == set(DESCRIBED)
    for name, family in ours.items():
        kind, labels = DESCRIBED[name]
        assert family.type == kind, name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels, name
            for label, value in sample.labels.items():
                assert value in VALUES.get(label, {value}), (name, value)
    assert ours["lockhouse_locks_held"].samples[0].value == 1
    assert ours["lockhouse_storage_up"].samples[0].value == 1
    assert "secret" not in text
    assert "127.0.0.1" not in text
