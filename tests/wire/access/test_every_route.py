"""The table of rights (docs/reference/rights.md) is what the server does: every route is asked by everybody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockhouse.core.principals import Right
from lockhouse.protocols.api import needs as api_needs
from lockhouse.protocols.dynamodb import needs as dynamodb_needs
from lockhouse.protocols.http import needs as http_needs
from lockhouse.protocols.s3 import needs as s3_needs
from lockhouse.protocols.sts import needs as sts_needs
from lockhouse.protocols.tfe import needs as tfe_needs
from tests.wire.access.probes import Probe, all_probes
from tests.wire.access.world import KEY, PARKED, PROJECT, REVIEW, TARGET_TOKEN, WORKSPACE, Answer, Ask, Person, World

PROBES = all_probes()
SIGNED_ADDRESS = "PUT state-uploads/{pass}"
"""The address is the credential; tests/wire/tfe has who may use one."""
EACH = pytest.mark.parametrize("probe", [each for each in PROBES if each.route != SIGNED_ADDRESS], ids=str)
SECRETS = (KEY, WORKSPACE, PROJECT, PARKED, REVIEW, TARGET_TOKEN, "target", "vpc-1", "/src/app")
"""What nobody without a right on it is shown. (The namespace's name is part of most addresses.)"""


def ask(world: World, who: Person, probe: Probe) -> Answer:
    return world.ask(who, world.fill(probe.ask, who))


def is_opaque(probe: Probe) -> bool:
    """Whether the route names something by an id that hides behind 404."""
    return any(each in probe.ask.path for each in ("{id}", "{upload}", "/team-workspaces"))


def is_refused(probe: Probe, answer: Answer) -> bool:
    return answer.refused or (answer.status == 404 and is_opaque(probe))


def is_meant_for_another(probe: Probe, answer: Answer) -> bool:
    """Whoever last read or held another lock there meant that one: an unlock says so before any right is asked."""
    mismatch = answer.status == 409 or b"ConditionalCheckFailedException" in answer.body
    return probe.need.on == "another's lock" and mismatch


@EACH
def test_without_a_credential_nothing_is_answered(world: World, probe: Probe):
    answer = ask(world, world.nobody, probe)
    assert answer.status in (401, 403) or b"MissingAuthenticationToken" in answer.body
    assert not any(secret.encode() in answer.body.replace(probe.ask.path.encode(), b"") for secret in SECRETS[1:])


@EACH
@pytest.mark.parametrize("who", ["revoked", "expired"])
def test_a_credential_that_is_revoked_or_over_is_none(world: World, probe: Probe, who: str):
    answer = ask(world, getattr(world, who), probe)
    known = (b"InvalidAccessKeyId", b"ExpiredToken", b"UnrecognizedClient", b"InvalidClientTokenId")
    unsaid = probe.ask.method == "HEAD" and answer.status == 400  # AWS's status of ExpiredToken, without a body
    assert answer.status in (401, 403) or unsaid or any(each in answer.body for each in known), answer
    assert not world.changed or probe.ask.holding


@EACH
def test_whoever_has_rights_elsewhere_only_changes_nothing_and_sees_nothing(world: World, probe: Probe):
    answer = ask(world, world.foreign, probe)
    if probe.need.groups and probe.need.on not in ("a table", "anything"):
        assert is_refused(probe, answer), answer
    assert not world.changed or probe.ask.holding or probe.need.on == "itself"
    if not probe.need.groups:
        said = answer.body.replace(b"role-of-target", b"")  # the name that was asked for
        assert not any(secret.encode() in said for secret in SECRETS)


@EACH
def test_each_right_alone_does_what_the_table_says_and_nothing_more(world: World, probe: Probe):
    for right in Right:
        answer = ask(world, world.people[right], probe)
        if is_meant_for_another(probe, answer):
            continue
        expected = probe.need.is_met_by(right)
        assert is_refused(probe, answer) != expected, (right, answer)
        assert answer.status in (200, 201, 202, 204, 400, 404, 409, 412, 422, 501) if expected else True, (
            right,
            answer,
        )
        if not expected and not probe.ask.holding:
            assert not world.changed


@pytest.mark.parametrize("probe", [each for each in PROBES if "{id}" in each.ask.path and each.need.groups], ids=str)
def test_the_id_of_another_is_answered_as_one_that_nobody_has(world: World, probe: Probe):
    """Word for word: nobody learns which ids there are."""
    real = world.fill(probe.ask, world.foreign)
    unknown = world.fill(replace(probe.ask, path=probe.ask.path.replace("{id}", "{unknown}")), world.foreign)
    given = next(
        part for part, other in zip(real.path.split("/"), unknown.path.split("/"), strict=True) if part != other
    )
    missing = _like(given)
    unknown = Ask(unknown.method, unknown.path.replace("{unknown}", missing), unknown.body, unknown.headers, "", "")
    one, other = world.ask(world.foreign, replace(real, holding="")), world.ask(world.foreign, unknown)
    assert one.status == other.status
    assert _like(one.body.decode()) == _like(other.body.decode())


def _like(text: str) -> str:
    """Another id of the same form; of a text with such ids, the same text with the others."""
    return text.translate(str.maketrans("A1", "B2"))


def test_every_need_is_probed():
    tables = {
        "s3": s3_needs.NEEDS,
        "dynamodb": dynamodb_needs.NEEDS,
        "sts": sts_needs.NEEDS,
        "http": {str(act): its for act, its in http_needs.NEEDS.items()},
        "cloud": tfe_needs.NEEDS,
        "api": api_needs.NEEDS,
    }
    wanted = {(name, route, each.on) for name, table in tables.items() for route, its in table.items() for each in its}
    assert {(each.protocol, each.route, each.need.on) for each in PROBES} == wanted
