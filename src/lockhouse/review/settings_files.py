"""Configuration that is neither code nor infrastructure: `.env`, TOML, INI, properties, Prisma, Rails YAML.

A variable's name announces a service (a declaration); a connection string or endpoint as its value is a use by the
application that is configured so. Values are never kept.
"""

from __future__ import annotations

import re

from lockhouse.review.catalogue import catalogue
from lockhouse.review.model import Certainty, FileFacts, Role, User
from lockhouse.review.shell import comment_facts, url_service

_ENV = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*[=:]\s*(.*)$")
_URL = re.compile(r"(?:jdbc:)?[a-z][a-z0-9+]*://[^\s\"'`<>)]+", re.IGNORECASE)


def _add(facts: FileFacts, service: str, role: Role, rule: str, line: int, text: str, user: User | None) -> None:
    certainty = Certainty.PROBABLE if user else Certainty.CERTAIN
    if not any(f.service == service and f.line == line and f.role is role for f in facts.facts):
        facts.add(service, role, rule, line, text, user, certainty=certainty)


def read_env(facts: FileFacts, text: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("#"):
            comment_facts(facts, number, line)
            continue
        match = _ENV.match(line[:2000])
        if match is None:
            continue
        service = catalogue().environment(match[1])
        if service:
            _add(facts, service, Role.ENVIRONMENT, "environment.name", number, line, None)
        _urls(facts, number, line)


def read_settings(facts: FileFacts, text: str) -> None:
    """TOML, INI, properties, XML and Prisma: line by line, comments aside."""
    prisma = facts.file.endswith(".prisma")
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if bare.startswith(("#", "//", ";", "<!--", "!")):
            comment_facts(facts, number, bare)
            continue
        if len(line) > 4000:
            continue
        if prisma and (match := re.match(r"provider\s*=\s*\"(\w+)\"", bare)):
            service = catalogue().find(match[1]) or {
                "postgresql": "postgresql",
                "mongodb": "mongodb",
                "mysql": "mysql",
            }.get(match[1])
            if service and match[1] != "sqlite":
                _add(facts, service, Role.CONFIGURATION, "settings.prisma", number, line, User.APPLICATION)
        _urls(facts, number, line)


def _urls(facts: FileFacts, number: int, line: str) -> None:
    for match in _URL.finditer(line):
        service = url_service(match[0].removeprefix("jdbc:"))
        if service:
            _add(facts, service, Role.CONNECTION, "configuration.url", number, line, User.APPLICATION)
    host = re.search(r"(?<![/\w.-])[\w-]+(?:\.[\w-]+)*\.(?:rds|cache|es|redshift)\.amazonaws\.com", line)
    if host and "://" not in line and (service := catalogue().host(host[0])):
        _add(facts, service, Role.CONNECTION, "configuration.host", number, line, User.APPLICATION)


_RAILS = (
    (
        re.compile(r"^\s*adapter:\s*[\"']?(postgresql|postgis|mysql2|trilogy|redis)"),
        {"postgresql": "postgresql", "postgis": "postgresql", "mysql2": "mysql", "trilogy": "mysql", "redis": "redis"},
    ),
    (
        re.compile(r"^\s*service:\s*[\"']?(S3|GCS|AzureStorage)"),
        {"S3": "aws/s3", "GCS": "gcp/storage", "AzureStorage": "azure/storage"},
    ),
)


def read_rails(facts: FileFacts, text: str) -> None:
    """config/database.yml, storage.yml and cable.yml of Rails."""
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, services in _RAILS:
            match = pattern.match(line)
            if match:
                _add(facts, services[match[1]], Role.CONFIGURATION, "settings.rails", number, line, User.APPLICATION)
