"""Lost answers, cut bodies and remote execution over `cloud {}`, with real Terraform."""

from __future__ import annotations

import uuid

import pytest

from tests.e2e.blocks import CloudBlock, RemoteBackend, connect, use
from tests.e2e.scenarios.configurations import outputs


def named(kind: str, namespace: str, name: str) -> CloudBlock | RemoteBackend:
    return RemoteBackend(namespace, name) if kind == "remote" else CloudBlock(namespace, f'name = "{name}"')


@pytest.mark.parametrize("kind", ["cloud", "remote"])
def test_every_lost_answer_but_that_of_the_lock_ends_well(lockhouse, developer, proxy, kind):
    """The protocol sends no lock id, so a lock whose answer was lost is a conflict that names the way out."""
    name = f"lost-{uuid.uuid4().hex[:8]}"
    line = proxy(lockhouse.endpoint)
    block = named(kind, lockhouse.namespace, name)
    ann = use(connect(developer("ann"), lockhouse, endpoint=line.endpoint), lockhouse, block)
    ann.write("main.tf", outputs(turn="0")).init()
    ann.apply()
    line.behave()
    ann.write("main.tf", outputs(turn="start")).apply()
    titles = [seen.target.partition("?")[0] for seen in line.seen()]
    assert sum("state-uploads" in title for title in titles) == {"cloud": 2, "remote": 1}[kind]
    retried = 0
    for position, title in enumerate(titles, 1):
        ann.write("main.tf", outputs(turn=str(position)))
        line.lose_answer(position)
        ended = ann.run("apply", "-auto-approve", "-input=false")
        line.behave()
        if title.endswith("actions/lock"):
            assert ended.code == 1
            assert "workspace already locked" in ended.text
            ann.ok("force-unlock", "-force", f"{lockhouse.namespace}/{name}")
        elif ended.code == 0:
            retried += 1
            assert ann.state()["outputs"]["turn"]["value"] == str(position)
        else:
            # Before it has read the entitlements the client does not repeat a request: nothing was locked then.
            assert title.endswith(("ping", "entitlement-set")), f"{position} {title} {ended.report()}"
    assert retried >= 8
    ann.apply()


def test_a_state_that_is_cut_off_on_the_way_is_sent_again_whole(lockhouse, developer, proxy):
    line = proxy(lockhouse.endpoint)
    block = CloudBlock(lockhouse.namespace, f'name = "cut-{uuid.uuid4().hex[:8]}"')
    ann = use(connect(developer("ann"), lockhouse, endpoint=line.endpoint), lockhouse, block)
    ann.write("main.tf", outputs(turn="0")).init()
    line.behave()
    ann.apply()
    positions = [seen.number for seen in line.seen() if "state-uploads" in seen.target]
    for number, position in enumerate(positions, 1):
        ann.write("main.tf", outputs(turn=str(number)))
        line.cut_body(position, 40)
        ann.apply()
        line.behave()
        assert ann.state()["outputs"]["turn"]["value"] == str(number)
