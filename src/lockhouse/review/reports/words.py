"""Sentences and orders that several reports share."""

from __future__ import annotations

from lockhouse.review.model import Review, ServiceReview, Status, User

LANES = {
    User.APPLICATION: "Application",
    User.PLATFORM: "Platform",
    User.TOOLING: "Terraform tooling",
    User.DELIVERY: "Delivery",
}
STATUS_WORDS = {
    Status.USED: "used",
    Status.PERMISSION_ONLY: "permission only",
    Status.DECLARED_UNUSED: "declared but unused",
    Status.EXAMPLE_ONLY: "examples or tests only",
    Status.DOCS_ONLY: "documents or comments only",
    Status.LOCK_FILE_ONLY: "lock file only",
    Status.NOT_PRESENT: "not present",
    Status.UNKNOWN: "unknown",
}


def used_by(review: Review, user: User) -> list[ServiceReview]:
    return sorted((s for s in review.services if user in s.users), key=lambda s: s.service)


def not_used(review: Review) -> list[ServiceReview]:
    return sorted((s for s in review.services if not s.users), key=lambda s: (list(Status).index(s.status), s.service))


def verdict(service: ServiceReview) -> str:
    """The verdict on one service in one sentence."""
    name = service.name
    if service.status is Status.USED:
        who = " and ".join(LANES[u].lower() if u is not User.TOOLING else "Terraform tooling" for u in service.users)
        if service.users == (User.TOOLING,):
            return f"{name} is used only by Terraform tooling ({service.purpose}). The application does not use it."
        if User.APPLICATION not in service.users:
            return f"{name} is used by {who} ({service.purpose}). No application code uses it."
        return f"{name} is used by {who} ({service.purpose})."
    if service.status is Status.UNKNOWN:
        return f"Whether {name} is used is {service.because or 'unknown'}."
    if service.status is Status.NOT_PRESENT:
        return f"{name} is not in this repository."
    return f"{name} is not used: {service.purpose}."
