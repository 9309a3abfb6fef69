"""Maintenance, as real Terraform meets it over each protocol."""

from __future__ import annotations

import re

import pytest

from tests.e2e.blocks import Block, CloudBlock, HttpBackend, connect, use
from tests.e2e.clouds import Lockhouse, Place
from tests.e2e.scenarios.configurations import resources
from tests.e2e.terraform import LockMode, S3Backend

KEY = "app.tfstate"
REASON = "moving accounts, ask #platform"


def block_of(protocol: str, place: Place) -> Block | S3Backend:
    if protocol == "http":
        return HttpBackend(place.bucket, KEY)
    if protocol == "cloud":
        return CloudBlock(place.bucket, 'name = "app"')
    return S3Backend(place, KEY, LockMode(protocol))


@pytest.mark.parametrize("protocol", ["table", "lockfile", "http", "cloud"])
def test_a_run_under_way_finishes_and_nobody_begins_until_it_ends(lockhouse: Lockhouse, developer, hold, protocol):
    place = lockhouse.cloud.new_place(f"maintenance-{protocol}")
    namespace, point = place.bucket, hold("ann")
    ann, bob = (
        use(connect(developer(name, cloud=lockhouse.cloud), lockhouse), lockhouse, block_of(protocol, place))
        for name in ("ann", "bob")
    )
    ann.write("main.tf", resources("one", waiting={"one": point.command})).init()
    bob.write("main.tf", resources("one", "two")).init()
    running = ann.start_apply()
    point.wait(running)
    lockhouse.command("maintenance", "start", f"{namespace}/app", "--reason", REASON, "--for", "2h").ok()
    point.release()
    ann.finish(running).ok()
    assert ann.resources() == ["terraform_data.one"]

    assert "1 to add" in bob.ok("plan", "-input=false", "-lock=false").text
    refused = bob.run("apply", "-input=false", "-auto-approve")
    assert refused.code == 1
    assert "Creating..." not in refused.text
    shown = lockhouse.json("lock", "show", namespace, KEY)
    if protocol == "cloud":
        # Terraform prints words of its own for a locked workspace, and the requester's data.
        assert f'workspace already locked (lock ID: "{namespace}/app")' in refused.text
        force = f"{namespace}/app"
    else:
        for line in (f"Path: +{namespace}/{KEY}", "Operation: +maintenance", "Who: +administrator", "Created: +20"):
            assert re.search(line, refused.text), line
        assert re.search(rf"Info: +{REASON} \(until 20", refused.text)
        force = re.search(r"ID: +(maintenance-\S+)", refused.text)[1]
        assert force == shown["maintenance"]["id"]
    assert shown["held"] is None
    assert shown["maintenance"]["reason"] == REASON

    assert bob.run("force-unlock", "-force", force).code == 1
    if protocol != "cloud":
        before = lockhouse.json("state", "versions", namespace, KEY)
        unlocked = bob.run("apply", "-input=false", "-auto-approve", "-lock=false")
        assert unlocked.code == 1
        assert (bob.directory / "errored.tfstate").exists()
        assert lockhouse.json("state", "versions", namespace, KEY) == before
        parked = lockhouse.json("state", "parked", "list", namespace, KEY)
        assert [each["reason"] for each in parked] == ["write.maintenance"]
        assert REASON in parked[0]["message"]

    lockhouse.command("maintenance", "end", f"{namespace}/app").ok()
    bob.apply()
    assert bob.resources() == ["terraform_data.one", "terraform_data.two"]
    assert [each["namespace"] for each in lockhouse.json("maintenance", "list")] == []
