"""Can it be deleted? An answer with ordered steps and every place that still names it.

The order for a lock table is measured: `use_lockfile` beside `dynamodb_table` first, all clients at 1.10 or newer, then
the argument out of every place, then the table. The trap: once one client writes with the lock file only, a client
that still names the table fails on the stale digest. So every place is listed before the answer is "yes".
"""

from __future__ import annotations

from lockhouse.review.joining import Joined
from lockhouse.review.model import LIVE_ROLES, PURPOSE_LOCK_CLIENT, Removal, Role, ServiceReview, Status, User

LOCK_STEPS = (
    "Add `use_lockfile = true` beside `dynamodb_table` in every backend, and run `terraform init -reconfigure` "  # noqa: ISC004 reads better whole
    "everywhere.",
    "Bring every client that opens these states to Terraform 1.10 (or OpenTofu 1.10) or newer; an older one does not "  # noqa: ISC004 reads better whole
    "know the lock file.",
    (
        "Remove `dynamodb_table` from every place below in one change: a client that still names the table after another "  # noqa: E501 reads better whole
        "one wrote without it fails on a stale digest."
    ),
    "Run `terraform plan` from each place once and see it lock with the `.tflock` object.",
    "Delete the table, and then its permissions in the policies.",
)


def places_of(service: ServiceReview, joined: Joined) -> tuple[tuple[str, int, str], ...]:
    """Every place that names the service or its lock table, live places first, then comments and documents."""
    found: dict[tuple[str, int], str] = {}
    for item in service.evidence:
        if item.role is not Role.UNKNOWN:
            found.setdefault((item.file, item.line), item.role.value)
    if service.service == "aws/dynamodb" and User.TOOLING in service.users:
        for path in sorted(joined.named):
            for name, line in joined.named[path]:
                if name in joined.lock_names:
                    found.setdefault((path, line), "names the table")
    return tuple((file, line, role) for (file, line), role in sorted(found.items()))


def plan(service: ServiceReview, joined: Joined) -> Removal:
    if service.status is Status.NOT_PRESENT:
        return Removal("nothing_to_remove", "it is not in the repository")
    places = places_of(service, joined)
    if service.status is Status.UNKNOWN:
        return Removal("unknown", service.because or "a place in the repository could hide a use", (), places)
    if service.status is not Status.USED:
        return Removal("yes", f"nothing uses it ({service.purpose})", (_loose_end(service.status),), places)
    live = [e for e in service.evidence if e.role in LIVE_ROLES]
    if set(service.users) == {User.TOOLING} and service.service == "aws/dynamodb":
        if any(e.purpose == PURPOSE_LOCK_CLIENT for e in live) and not any(e.role is Role.LOCK for e in live):
            return Removal("no", "the program itself is a client of Terraform's lock tables", (), places)
        return Removal("after_steps", "it only locks Terraform's state, and S3 can do that itself", LOCK_STEPS, places)
    if set(service.users) == {User.TOOLING}:
        steps = (
            "Move the state: add the new backend block, run `terraform init -migrate-state`, and check with `terraform plan`.",  # noqa: E501 reads better whole
            "Remove what is left of it in the places below.",
        )
        return Removal("after_steps", "it keeps Terraform's state; move the state first", steps, places)
    if User.APPLICATION in service.users:
        first = next(e for e in live if e.user is User.APPLICATION)
        return Removal("no", f"the application uses it ({first.file}:{first.line})", (), places)
    who = " and ".join(u.value for u in service.users)
    steps = (
        "Remove it from the infrastructure code or pipeline below and apply the change.",
        "Remove its permissions from the policies.",
    )
    return Removal("after_steps", f"no application code uses it; the {who} does", steps, places)


def _loose_end(status: Status) -> str:
    return {
        Status.PERMISSION_ONLY: "Remove the permission from the policies below.",
        Status.DECLARED_UNUSED: "Remove the declaration or unused import below.",
        Status.LOCK_FILE_ONLY: "Nothing to do: another package brings it; it goes when that package goes.",
    }.get(status, "Nothing to do but to correct the words.")
