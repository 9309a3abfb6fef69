"""Finds in one pass over a file's bytes every name that the catalogue knows.

One automaton per process over some thousands of lower-case tokens (Aho-Corasick in Rust; a regular expression of that
size is unusable). A hit says only "look here": what it means is decided by the readers. *Strong* tokens make a source
file worth parsing; *words* are names in prose.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import ahocorasick_rs

from lockhouse.review.catalogue import catalogue

STRONG = "strong"
WORD = "word"
HOST = "host"
SCHEME = "scheme"
TEXT = "text"

# What starts a closer look at any file, besides the catalogue's own packages, hosts and schemes.
_ALWAYS = (
    "sst.aws.",
    "typeorm",
    "sequelize",
    '"knex"',
    "'knex'",
    "policystatement",
    "community.aws.",
    "boto",
    "aws-sdk",
    "@aws-sdk",
    "awssdk",
    "amazonaws",
    "aws::",
    "aws_cdk",
    "aws-cdk",
    "awscdk",
    "pulumi",
    "cdktf",
    "lockid",
    "states:::",
    "dynamodb_table",
    "backend-config",
    "remote_state",
    "lambda-go",
    "com.amazonaws",
    "arn:aws",
    '"statement"',
    "terraform {",
    "google.cloud",
    "google-cloud",
    "@azure/",
    "azure.",
    "amazon.",
    "sdk-for-go",
    "aws_",
    '.client("',
    ".client('",
    '.resource("',
    ".resource('",
    "storages.backends",
    "services.k8s.aws",
    "crossplane",
    "cnrm.cloud",
    "upbound.io",
    "amazon_",
    "serverless",
    'provider = "',
)
_MAX_PER_TOKEN = 400


@dataclass(frozen=True, slots=True)
class Hit:
    start: int
    end: int
    token: str
    kind: str
    service: str


def _import_tokens(family: str) -> list[tuple[str, str]]:
    """(token, service): how a package's name appears in an import of this family, so that short names stay quiet."""
    known = catalogue()
    out: list[tuple[str, str]] = []
    if family == "javascript":
        for name, service in known.table("npm").items():
            bare = name.removesuffix("*")
            if bare.startswith("@"):
                out.append((bare, service))
            else:
                out += [(f"{quote}{bare}{end}", service) for quote in "\"'" for end in (quote, "/")]
    elif family == "python":
        for name, service in known.table("python").items():
            root = name.split(".")[0]
            out += [(f"import {root}", service), (f"from {root}", service)]
            if "." in name:
                out.append((name, service))
    elif family == "ruby":
        for name, service in known.table("ruby").items():
            out += [(f"{name}.", service), (f"{name}::", service), (f"< {name}", service)]
        for name, service in known.table("gems").items():
            out += [(f'"{name}"', service), (f"'{name}'", service)]
    elif family in {"go", "java"}:
        out += list(known.table(family).items())
    if family in {"javascript", "python"}:
        out += list(known.table("symbols").items())
    return out


FAMILIES = ("javascript", "python", "go", "java", "ruby", "plain")


@functools.cache
def _automaton(family: str) -> tuple[ahocorasick_rs.BytesAhoCorasick, list[tuple[str, str, str, str]]]:
    known = catalogue()
    entries: dict[tuple[str, str], tuple[str, str, str, str]] = {}

    def add(token: str, kind: str, service: str, original: str = "") -> None:
        low = token.lower()
        if len(low) >= 2:
            entries.setdefault(
                (low, kind + (original if kind == WORD else "")), (low, kind, service, original or token)
            )

    for token in _ALWAYS:
        add(token, STRONG, "")
    for token, service in _import_tokens(family):
        add(token, STRONG, service)
    for column, kind in (("hosts", HOST), ("strings", TEXT), ("string_prefixes", TEXT)):
        for name, service in known.table(column).items():
            add(name, kind, service)
    add(".amazonaws.com", HOST, "")
    for name, service in known.table("schemes").items():
        add(f"{name}://", SCHEME, service)
    for name, service in known.words.items():
        add(name, WORD, service, name)
    rows = list(entries.values())
    return ahocorasick_rs.BytesAhoCorasick([row[0].encode() for row in rows]), rows


def token_count() -> int:
    return len({row[0] for family in FAMILIES for row in _automaton(family)[1]})


def find(data: bytes, family: str = "plain") -> list[Hit]:
    """Every hit in order of position; word hits are checked for case and borders. At most 400 a token."""
    automaton, rows = _automaton(family)
    counts: dict[int, int] = {}
    hits: list[Hit] = []
    for index, start, end in automaton.find_matches_as_indexes(data.lower(), overlapping=True):
        _, kind, service, original = rows[index]
        if kind == WORD and not _is_word(data, start, end, original):
            continue
        seen = counts.get(index, 0)
        if seen >= _MAX_PER_TOKEN:
            continue
        counts[index] = seen + 1
        hits.append(Hit(start, end, original, kind, service))
    return hits


def _is_word(data: bytes, start: int, end: int, original: str) -> bool:
    if data[start:end] != original.encode():
        return False
    before = data[start - 1 : start]
    after = data[end : end + 1]
    return not (before.isalnum() or (after.isalnum() and after != b"s"))


@functools.cache
def _names_automaton(names: tuple[str, ...]) -> ahocorasick_rs.BytesAhoCorasick:
    return ahocorasick_rs.BytesAhoCorasick([name.encode() for name in names])


def find_names(data: bytes, names: tuple[str, ...]) -> list[tuple[str, int]]:
    """(name, offset) of each of `names` in `data`, whole words only, case kept: for names that other files taught."""
    if not names:
        return []
    found = []
    for index, start, end in _names_automaton(names).find_matches_as_indexes(data, overlapping=True):
        before, after = data[start - 1 : start], data[end : end + 1]
        if not (before.isalnum() or before == b"_" or after.isalnum() or after == b"_"):
            found.append((names[index], start))
    return found
