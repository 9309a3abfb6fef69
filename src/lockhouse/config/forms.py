"""What one setting is, and the forms that its value may have: each form answers the typed value, or a ValueError that
says what would be right."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

Scalar = str | int | float | bool
PREFIX = "LOCKHOUSE_"
EMBEDDED = "embedded"


class Listen(NamedTuple):
    """Where the server accepts connections; port 0 picks a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Setting:
    """How one setting reads, and what people are told of it."""

    name: str
    help: str
    unit: str
    """What the value is counted in, or its form."""
    default: Scalar
    parse: Callable[[Scalar], object]
    """The typed value, or a ValueError that says what would be right."""
    secret: bool = False
    """Whether the value must not be repeated to anybody."""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def is_switch(self) -> bool:
        return isinstance(self.default, bool)


def string(value: Scalar) -> str:
    if not isinstance(value, str):
        raise ValueError("it must be a text")  # noqa: TRY004 - one kind of error for every wrong value
    return value


def path(value: Scalar) -> Path:
    text = string(value)
    if not text:
        raise ValueError("it must name a path")
    return Path(text).expanduser()


def optional_path(value: Scalar) -> Path | None:
    return path(value) if value else None


def switch(value: Scalar) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    found = known.get(str(value).lower())
    if found is None:
        raise ValueError("it must be true or false")
    return found


def number(value: Scalar, low: float, high: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if isinstance(value, bool) or not low <= number <= high:
        raise ValueError(f"it must be a number from {low:g} to {high:g}")
    return number


def seconds(low: float, high: float) -> Callable[[Scalar], float]:
    return lambda value: number(value, low, high)


def count(low: int, high: int) -> Callable[[Scalar], int]:
    return lambda value: int(number(value, low, high))


def number_of_days(value: Scalar) -> float:
    return number(value, 0, 3650)


_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?")
_UNITS = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def size(low: int, high: int) -> Callable[[Scalar], int]:
    def parse(value: Scalar) -> int:
        match = _SIZE.fullmatch(str(value)) if not isinstance(value, bool) else None
        size = int(match[1]) * _UNITS[match[2]] if match else -1
        if not low <= size <= high:
            raise ValueError(f"it must be a size from {low} to {high} bytes, such as 512MiB")
        return size

    return parse


def listen(value: Scalar) -> Listen:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:]+)\]|([^:\[\]]+)):(\d{1,5})", string(value))
    if match is None or int(match[3]) > 65535:
        raise ValueError("it must be HOST:PORT, such as 127.0.0.1:7373 or [::1]:7373")
    return Listen(match[1] or match[2], int(match[3]))


def matching(pattern: str, said: str) -> Callable[[Scalar], str]:
    def parse(value: Scalar) -> str:
        text = str(value)
        if not re.fullmatch(pattern, text):
            raise ValueError(f"it must be {said}")
        return text

    return parse


def one_of(*words: str) -> Callable[[Scalar], str]:
    def parse(value: Scalar) -> str:
        if value not in words:
            raise ValueError("it must be " + " or ".join(words))
        return str(value)

    return parse


def blobs(value: Scalar) -> str:
    text = string(value)
    if not re.fullmatch(r"embedded|database|s3://[^\s/?#@]+(/[^\s?#]*)?(\?\S*)?", text):
        raise ValueError("it must be embedded, database or s3://BUCKET/PREFIX?OPTION=…")
    return text


def encryption_key(value: Scalar) -> str:
    text = string(value)
    if text.startswith("lhkek_"):
        raise ValueError("it says where keys are and must not be one: put the key into a file or variable")
    if not re.fullmatch(r"|off|file:.+|env:[A-Za-z_][A-Za-z0-9_]*|aws-kms:[^\s?]+(\?\S*)?", text):
        raise ValueError("it must be file:PATH, env:NAME, aws-kms:KEY or off")
    return text


def database(value: Scalar) -> str:
    text = string(value)
    if text != EMBEDDED and not re.match(r"postgres(ql)?://", text):
        raise ValueError(f"it must be {EMBEDDED!r} (SQLite in the data directory) or postgresql://USER@HOST:PORT/NAME")
    return text


def url(value: Scalar) -> str:
    text = string(value).rstrip("/")
    if text and not re.fullmatch(r"https?://[^\s/?#@]+", text):
        raise ValueError("it must be http://HOST[:PORT] or https://HOST[:PORT]")
    return text


def words(pattern: str, said: str, *, lower: bool = False) -> Callable[[Scalar], tuple[str, ...]]:
    """Words with commas or spaces between them."""

    def parse(value: Scalar) -> tuple[str, ...]:
        text = string(value)
        found = tuple(dict.fromkeys(re.split(r"[,\s]+", (text.lower() if lower else text).strip())))
        if not all(re.fullmatch(pattern, each) for each in found if each):
            raise ValueError(f"it must be {said}, with commas between them")
        return tuple(each for each in found if each)

    return parse


def networks(value: Scalar) -> tuple[str, ...]:
    found = words(r"[0-9A-Fa-f.:/]{2,49}", "addresses or networks")(value)
    for each in found:
        try:
            ipaddress.ip_network(each)
        except ValueError as wrong:
            raise ValueError(f"{wrong}; it must be addresses or networks, with commas between them") from None
    return found


def pairs(value: Scalar) -> tuple[tuple[str, str], ...]:
    """`GROUP=TEAM, GROUP=TEAM`; a group's name may hold spaces, commas not."""
    found: list[tuple[str, str]] = []
    for piece in string(value).split(","):
        left, sign, right = (part.strip() for part in piece.rpartition("="))
        if piece.strip():
            if not sign or not left or not right:
                raise ValueError("it must be GROUP=TEAM, with commas between them")
            found.append((left, right))
    return tuple(found)


class JobCheck(NamedTuple):
    """How the jobs of one issuer are asked about."""

    issuer: str
    kind: str
    api: str
    token_file: Path | None


def job_checks(value: Scalar) -> tuple[JobCheck, ...]:
    """`ISSUER KIND API-URL [TOKEN-FILE]`, with commas between them."""
    found: list[JobCheck] = []
    for piece in string(value).split(","):
        parts = piece.split()
        if not parts:
            continue
        if len(parts) not in (3, 4) or parts[1] not in ("github", "gitlab"):
            raise ValueError("it must be ISSUER github|gitlab API-URL [TOKEN-FILE], with commas between them")
        if not re.fullmatch(r"https?://[^\s?#@]+", parts[2]):
            raise ValueError("the API must be https://HOST/…")
        token_file = Path(parts[3]).expanduser() if len(parts) == 4 else None
        found.append(JobCheck(parts[0], parts[1], parts[2].rstrip("/"), token_file))
    return tuple(found)


def links(value: Scalar) -> tuple[tuple[str, str], ...]:
    """`ISSUER TEMPLATE, ISSUER TEMPLATE`."""
    found: list[tuple[str, str]] = []
    for piece in string(value).split(","):
        parts = piece.split()
        if parts and len(parts) != 2:
            raise ValueError("it must be ISSUER TEMPLATE, with commas between them")
        if parts:
            if not re.fullmatch(r"https?://[^\s/?#@{}]+/([^\s{}]|\{[A-Za-z0-9_:./-]+\})*", parts[1]):
                raise ValueError("a template must be https://HOST/…, with {claim} where a claim of the token goes")
            found.append((parts[0], parts[1]))
    return tuple(found)


def issuer(value: Scalar) -> str:
    text = string(value)
    if text and not re.fullmatch(r"https?://[^\s?#@]+", text):
        raise ValueError("it must be https://HOST/…, exactly as the provider names itself")
    return text


def redis(value: Scalar) -> str:
    text = string(value)
    if text and not re.match(r"(rediss?|unix)://", text):
        raise ValueError("it must be redis://, rediss:// or unix://")
    return text
