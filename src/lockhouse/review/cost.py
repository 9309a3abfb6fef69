"""What Terraform's own use of a service costs a month, with the arithmetic; "below one cent" beats false precision.

Prices are data with a date (catalogue/prices.toml or `--prices FILE`); older than 180 days they come with a warning.
An application's use depends on its traffic, which a repository does not say: no number is made up for it.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from lockhouse.errors import Problem
from lockhouse.review.model import Cost, CostLine, ServiceReview, Status, User

OLD_DAYS = 180
COMMANDS = ("init", "plan", "apply", "output")


class PricesInvalid(Problem):
    """A prices file lacks a number that the arithmetic needs."""

    code = "review.prices_invalid"


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars per unit; see prices.toml for the units. `warning` is set when `as_of` is old."""

    as_of: str
    region: str
    runs: int
    state_mb: float
    versions: int
    write_million: float
    read_million: float
    put_thousand: float
    get_thousand: float
    s3_gb: float
    kms_key: float
    kms_ten_thousand: float
    kms_free: int
    hcp_free: int
    hcp_tiers: tuple[float, ...]
    counts: dict[str, dict[str, int]]
    warning: str = ""


def parse_prices(text: str, today: dt.date | None = None) -> Prices:
    """Prices from TOML text. Raises PricesInvalid."""
    try:
        d = tomllib.loads(text)
        as_of = d["as_of"] if isinstance(d["as_of"], dt.date) else dt.date.fromisoformat(str(d["as_of"]))
        old = today is not None and (today - as_of).days > OLD_DAYS
        return Prices(
            as_of.isoformat(),
            str(d["region"]),
            int(d["runs_per_month"]),
            float(d["state_size_mb"]),
            int(d["versions_kept"]),
            float(d["dynamodb"]["write_per_million"]),
            float(d["dynamodb"]["read_per_million"]),
            float(d["s3"]["put_list_per_thousand"]),
            float(d["s3"]["get_head_per_thousand"]),
            float(d["s3"]["storage_gb_month"]),
            float(d["kms"]["key_month"]),
            float(d["kms"]["requests_per_ten_thousand"]),
            int(d["kms"]["requests_free"]),
            int(d["hcp-terraform"]["free_resources"]),
            tuple(float(x) for x in d["hcp-terraform"]["per_resource_month"]),
            {c: {k: int(v) for k, v in d["requests"][c].items()} for c in COMMANDS},
            f"prices are of {as_of.isoformat()}, older than {OLD_DAYS} days" if old else "",
        )
    except (ValueError, KeyError, TypeError) as error:
        raise PricesInvalid(f"cannot read the prices: {error}", hint="start from catalogue/prices.toml") from error


def shipped_prices(today: dt.date | None = None) -> Prices:
    text = resources.files("lockhouse.review.catalogue").joinpath("prices.toml").read_text(encoding="utf-8")
    return parse_prices(text, today)


def read_prices(path: Path, today: dt.date | None = None) -> Prices:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise PricesInvalid(f"cannot read the prices file {path.name}", hint="name a TOML file") from error
    return parse_prices(text, today)


def money(amount: float) -> str:
    """An amount as people should read it."""
    if amount == 0:
        return "$0"
    if amount < 0.01:
        return "below one cent"
    return f"${amount:,.2f}"


def per_month(prices: Prices, what: str) -> int:
    """Requests of one kind in a month of `runs` x (init + plan + apply + output)."""
    return prices.runs * sum(prices.counts[c].get(what, 0) for c in COMMANDS)


def lock_table(prices: Prices) -> tuple[CostLine, ...]:
    reads, writes = per_month(prices, "table_reads"), per_month(prices, "table_writes")
    return (
        CostLine(
            "reads of the lock table",
            f"{reads:,}",
            f"${prices.read_million}/million",
            reads * prices.read_million / 1e6,
        ),
        CostLine(
            "writes of the lock table",
            f"{writes:,}",
            f"${prices.write_million}/million",
            writes * prices.write_million / 1e6,
        ),
    )


def state_bucket(prices: Prices) -> tuple[CostLine, ...]:
    puts = per_month(prices, "put") + per_month(prices, "list")
    gets = per_month(prices, "get")
    gigabytes = prices.state_mb * prices.versions / 1024
    return (
        CostLine(
            "PUT and LIST requests", f"{puts:,}", f"${prices.put_thousand}/thousand", puts * prices.put_thousand / 1e3
        ),
        CostLine(
            "GET and HEAD requests", f"{gets:,}", f"${prices.get_thousand}/thousand", gets * prices.get_thousand / 1e3
        ),
        CostLine(
            "old versions kept",
            f"{prices.versions:,} x {prices.state_mb:g} MB",
            f"${prices.s3_gb}/GB-month",
            gigabytes * prices.s3_gb,
        ),
    )


def estimate(service: ServiceReview, prices: Prices) -> Cost:
    """The monthly cost as far as the repository says. Application and platform use is named, not guessed."""
    if service.status is not Status.USED:
        return Cost(
            0.0 if service.status is not Status.UNKNOWN else None,
            "nothing uses it" if service.status is not Status.UNKNOWN else "unknown",
            as_of=prices.as_of,
        )
    tooling = User.TOOLING in service.users
    others = [u.value for u in service.users if u is not User.TOOLING]
    assumptions: tuple[str, ...] = (
        f"{prices.runs} x (init + plan + apply + output) a month",
        f"list prices of {prices.region}",
    )
    lines: tuple[CostLine, ...] = ()
    if tooling and service.service == "aws/dynamodb":
        lines = lock_table(prices)
    elif tooling and service.service == "aws/s3":
        lines = state_bucket(prices)
        assumptions += (f"a state of {prices.state_mb:g} MB with {prices.versions:,} versions kept",)
    elif tooling and service.service == "aws/kms":
        requests = per_month(prices, "get") + per_month(prices, "put")
        paid = max(0, requests - prices.kms_free)
        lines = (
            CostLine("customer key", "1", f"${prices.kms_key}/month", prices.kms_key),
            CostLine(
                "key requests after the free ones",
                f"{paid:,}",
                f"${prices.kms_ten_thousand}/10,000",
                paid * prices.kms_ten_thousand / 1e4,
            ),
        )
    elif tooling and service.service == "hcp-terraform":
        tiers = " / ".join(f"${t:.2f}" for t in prices.hcp_tiers)
        return Cost(
            None,
            f"free to {prices.hcp_free} managed resources, then {tiers} per resource and month by tier",
            as_of=prices.as_of,
            warning=prices.warning,
        )
    total = sum(line.monthly_usd for line in lines) if lines else None
    text = (
        f"{money(total)} a month for Terraform"
        if total is not None
        else "depends on traffic and size; the repository does not say"
    )
    if others and total is not None:
        text += f"; what the {' and '.join(others)} adds depends on traffic"
    return Cost(
        round(total, 6) if total is not None else None,
        text,
        lines,
        assumptions if lines else (),
        prices.as_of,
        prices.warning,
    )
