"""The verdict on each service: users, status, certainty and purpose, from evidence alone.

Live evidence is use; without any, the strongest kind of non-use is the status; and where a place could hide a use
(a module from elsewhere, a client named at run time) a "no" becomes "unknown, because FILE:LINE".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lockhouse.review.catalogue import catalogue
from lockhouse.review.model import (
    LIVE_ROLES,
    NON_USE_ORDER,
    PURPOSE_LOCK,
    PURPOSE_STATE,
    STATUS_OF_ROLE,
    Certainty,
    Cost,
    Evidence,
    Permissions,
    Place,
    Removal,
    Role,
    ServiceReview,
    Status,
    User,
)

_PURPOSE_OF_ROLE = {
    Role.CLIENT: "called through an SDK",
    Role.LINK: "reached through an environment variable",
    Role.HTTP: "called over HTTP",
    Role.CONNECTION: "connected to by URL",
    Role.CONFIGURATION: "configured as a back end",
    Role.RESOURCE: "infrastructure",
    Role.MODULE: "infrastructure through a module",
    Role.COMMAND: "operated by commands",
    Role.ACTION: "operated by a pipeline",
    Role.IMAGE: "run as a container",
    Role.INTEGRATION: "integrated with by another service",
    Role.BACKEND: PURPOSE_STATE,
    Role.LOCK: PURPOSE_LOCK,
}
_ORDER = {user: index for index, user in enumerate(User)}


def decide(service: str, evidence: list[Evidence], places: list[Place]) -> ServiceReview:
    """The verdict on one service. `places` are all unknown places of the repository."""
    live = [e for e in evidence if e.role in LIVE_ROLES and e.user is not None]
    users = tuple(sorted({e.user for e in live if e.user is not None}, key=_ORDER.__getitem__))
    hiding = [p for p in places if hides(p, service)]
    because = ""
    if live:
        status = Status.USED
        certainty = Certainty.CERTAIN if any(e.certainty is Certainty.CERTAIN for e in live) else Certainty.PROBABLE
    else:
        found = {STATUS_OF_ROLE[e.role] for e in evidence if e.role in STATUS_OF_ROLE}
        status = next((s for s in NON_USE_ORDER if s in found), Status.NOT_PRESENT)
        certainty = Certainty.CERTAIN
        if hiding:
            status = Status.UNKNOWN
        if status is Status.UNKNOWN:
            certainty = Certainty.UNKNOWN
            evidence = evidence + [_of_place(p) for p in hiding]
            first = next((e for e in evidence if e.role is Role.UNKNOWN), None)
            if first is not None:
                because = f"unknown, because {first.file}:{first.line}"
    return ServiceReview(
        service,
        catalogue().name(service),
        users,
        status,
        certainty,
        _purpose(status, live),
        tuple(evidence),
        Permissions(),
        Cost(None, ""),
        Removal("unknown", ""),
        because,
    )


def hides(place: Place, service: str) -> bool:
    return place.scope == service or service.startswith(place.scope + "/")


def _of_place(place: Place) -> Evidence:
    return Evidence(
        None, Role.UNKNOWN, place.file, place.line, 1, place.snippet, place.rule, ".", place.reason, Certainty.UNKNOWN
    )


def _purpose(status: Status, live: list[Evidence]) -> str:
    if status is not Status.USED:
        return {
            Status.PERMISSION_ONLY: "allowed in a policy, called by nothing",
            Status.DECLARED_UNUSED: "declared, referred to by nothing",
            Status.EXAMPLE_ONLY: "in examples or tests only",
            Status.DOCS_ONLY: "in documents or comments only",
            Status.LOCK_FILE_ONLY: "in a lock file only",
            Status.UNKNOWN: "cannot be known from the repository",
        }.get(status, "")
    parts = [purpose_for(user, live) for user in User]
    return "; ".join(dict.fromkeys(p for p in parts if p))


def purpose_for(user: User, live: Iterable[Evidence]) -> str:
    """For what one user uses the service, or an empty string when it does not."""
    mine = [e for e in live if e.user is user]
    named = Counter(e.purpose for e in mine if e.purpose)
    roles = Counter(_PURPOSE_OF_ROLE[e.role] for e in mine if not e.purpose)
    words = [w for w, _ in sorted((named or roles).items(), key=lambda item: (-item[1], item[0]))]
    return ", ".join(words[:3])
