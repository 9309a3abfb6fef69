"""The whole answer for one service, as the document somebody would otherwise write by hand.

Verdict, evidence, what it does not touch, permissions, cost with the arithmetic, can it go, alternatives, questions,
and commands to check everything again by hand.
"""

from __future__ import annotations

from lockhouse.review.model import Evidence, Review, Role, ServiceReview, Status, User
from lockhouse.review.reports.markdown import cell, code, place
from lockhouse.review.reports.pictures import mermaid_lanes, mermaid_sequence
from lockhouse.review.reports.words import LANES, STATUS_WORDS, used_by, verdict


def render(review: Review, service: ServiceReview) -> str:
    out = [f"# {service.name} in this repository", "", f"**{verdict(service)}**", ""]
    if service.because:
        out += [
            f"The answer is open, because {code(service.because.removeprefix('unknown, because '))} could hide a use.",
            "",
        ]
    out += _evidence(service)
    out += _untouched(review, service)
    out += ["## Who uses what", "", "```mermaid", mermaid_lanes(review).rstrip(), "```", ""]
    if User.TOOLING in service.users and service.service in {"aws/dynamodb", "aws/s3"}:
        out += ["## What happens at a run", "", "```mermaid", mermaid_sequence(review).rstrip(), "```", ""]
    out += _permissions(service)
    out += _cost(service)
    out += _removal(service)
    out += _alternatives(service)
    out += _questions(review, service)
    out += _commands(review, service)
    return "\n".join(out)


def _evidence(service: ServiceReview) -> list[str]:
    live = [e for e in service.evidence if e.live]
    other = [e for e in service.evidence if not e.live]
    out = ["## Where it is used", ""] if live else ["## Where it is used", "", "Nowhere.", ""]
    for user, title in LANES.items():
        mine = [e for e in live if e.user is user]
        if mine:
            out += [f"### {title}", ""] + [_item(e) for e in mine] + [""]
    if other:
        out += ["## Where it is only named", ""] + [_item(e) for e in other] + [""]
    return out


def _item(item: Evidence) -> str:
    what = item.purpose or STATUS_ROLE.get(item.role, item.role.value.replace("_", " "))
    link = f" ({cell(item.link)})" if item.link else ""
    return f"- {place(item)} — {what}{link}: {code(item.snippet) if item.snippet else ''}"


STATUS_ROLE = {
    Role.PERMISSION: "a permission, not a use",
    Role.DECLARATION: "declared in a manifest",
    Role.IMPORT: "imported, referred to by nothing",
    Role.COMMENT: "a comment",
    Role.DOCS: "a document",
    Role.LOCK_FILE: "brought by another package",
    Role.EXAMPLE: "an example",
    Role.TEST: "a test",
    Role.EMULATOR: "an emulator",
    Role.UNUSED_RESOURCE: "declared, but nothing makes it",
    Role.ENVIRONMENT: "the name of a variable",
    Role.CLIENT: "called through an SDK",
    Role.RESOURCE: "made by infrastructure code",
    Role.LINK: "reached through an environment variable",
}


def _untouched(review: Review, service: ServiceReview) -> list[str]:
    searched = review.searched
    out = ["## What it does not touch", ""]
    others = [u for u in User if u not in service.users]
    counts = {
        User.APPLICATION: f"{searched.source} source files and {searched.manifests} manifests",
        User.PLATFORM: f"{searched.infrastructure} infrastructure files",
        User.TOOLING: f"{len(review.backends)} backends",
        User.DELIVERY: f"{searched.scripts} scripts and the pipelines",
    }
    for user in others:
        verb = "could hide a use; see above" if service.status is Status.UNKNOWN else "no use found"
        out.append(f"- {LANES[user]}: {counts[user]} searched, {verb}.")
    lane = used_by(review, User.APPLICATION)
    if User.APPLICATION not in service.users and lane:
        names = ", ".join(s.name for s in lane)
        out.append(f"- What the application does use: {names}.")
    out += [f"- {searched.files} files in all, {searched.skipped} left out.", ""]
    return out


def _permissions(service: ServiceReview) -> list[str]:
    have = service.permissions
    if not (have.needed or have.granted):
        return []
    rows = (
        ("needed", have.needed),
        ("granted", have.granted),
        ("missing", have.missing),
        ("more than needed", have.excessive),
    )
    out = ["## Permissions", "", "| | IAM actions |", "|---|---|"]
    out += [f"| {name} | {', '.join(code(a) for a in actions) or '—'} |" for name, actions in rows]
    return [*out, "", *([f"Note: {have.note}.", ""] if have.note else [])]


def _cost(service: ServiceReview) -> list[str]:
    cost = service.cost
    out = ["## Cost", "", f"{cost.text[:1].upper()}{cost.text[1:]}.", ""]
    if cost.lines:
        out += ["| what | a month | price | dollars |", "|---|---|---|---|"]
        out += [f"| {line.what} | {line.quantity} | {line.price} | {line.monthly_usd:.6f} |" for line in cost.lines]
        out += ["", f"Assumed: {'; '.join(cost.assumptions)}. Prices of {cost.as_of}.", ""]
    if cost.warning:
        out += [f"**{cost.warning}**", ""]
    return out


def _removal(service: ServiceReview) -> list[str]:
    words = {
        "yes": "Yes",
        "after_steps": "Yes, in this order",
        "no": "No",
        "unknown": "Unknown",
        "nothing_to_remove": "There is nothing to delete",
    }
    plan = service.removable
    out = ["## Can it be deleted?", "", f"{words[plan.answer]}: {plan.reason}.", ""]
    out += [f"{n}. {step}" for n, step in enumerate(plan.steps, 1)] + ([""] if plan.steps else [])
    if plan.places and plan.answer != "nothing_to_remove":
        out += ["Every place that still names it:", ""]
        out += [f"- {code(f'{file}:{line}')} ({what.replace('_', ' ')})" for file, line, what in plan.places] + [""]
    return out


def _alternatives(service: ServiceReview) -> list[str]:
    if service.service != "aws/dynamodb" or User.TOOLING not in service.users:
        return []
    return [
        "## Alternatives for the lock",
        "",
        "- `use_lockfile = true` in the S3 backend (Terraform and OpenTofu 1.10 and newer): no table at all.",
        "- Lockhouse: one server that every backend block can point at unchanged; table and lock file are one lock there.",  # noqa: E501 reads better whole
        "- HCP Terraform: `cloud {}`; state and lock leave your account.",
        "",
    ]


def _questions(review: Review, service: ServiceReview) -> list[str]:
    name = service.name
    if User.APPLICATION in service.users:
        first = next(e for e in service.evidence if e.user is User.APPLICATION)
        affects = f"Yes: {code(f'{first.file}:{first.line}')}."
    elif service.status is Status.UNKNOWN:
        affects = "That cannot be known from the repository alone."
    else:
        affects = "No. No application code calls it."
    hidden = [s.name for s in review.services if User.TOOLING in s.users and s.service != service.service]
    out = ["## Questions", "", f"**Does {name} affect the application's speed?** {affects}", ""]
    if service.users == (User.TOOLING,):
        out += [
            f"**Why is {name} in the repository at all?** {service.purpose[:1].upper()}{service.purpose[1:]}; see the places above.",  # noqa: E501 reads better whole
            "",
        ]
    out += [f"**What else does Terraform itself use?** {', '.join(hidden) or 'Nothing else.'}", ""]
    out += [
        "**Are there other services to know about?** "
        + ", ".join(
            f"{s.name} ({'/'.join(u.value for u in s.users)})"
            for s in review.services
            if s.users and s.service != service.service
        )
        + ".",
        "",
    ]
    return out


def _commands(review: Review, service: ServiceReview) -> list[str]:
    word = service.service.rpartition("/")[2]
    files = sorted({e.file for e in service.evidence if e.live})[:5]
    out = ["## Check it by hand", "", "```sh", f"lockhouse review . --ask {service.service}", f"git grep -n -i {word}"]
    out += [f"git grep -n -i {word} -- {_quoted(f)}" for f in files]
    out += [
        "```",
        "",
        (
            f"{STATUS_WORDS[service.status].capitalize()}; certainty: {service.certainty.value}. "
            f"{review.searched.files} files, {review.searched.tokens} names."
        ),
        "",
    ]
    return out


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "'\\''") + "'"
