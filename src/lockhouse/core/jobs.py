"""The port to CI systems: is a job still running? One adapter for each provider's API (`auth.jobs`). Pure.

An answer is a fact or nothing: whatever cannot be read as "running" or "ended" is UNKNOWN, and proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec


class JobState(StrEnum):
    """What a provider says of a job."""

    RUNNING = "running"
    """Or waiting to run."""
    ENDED = "ended"
    UNKNOWN = "unknown"


class Report(msgspec.Struct, frozen=True):
    """A provider's answer."""

    state: JobState
    ended_at: float = 0.0
    """Seconds since 1970."""
    words: str = ""
    """How it ended, in the provider's word: `success`, `cancelled`, `failed`."""


UNKNOWN = Report(JobState.UNKNOWN)


class Jobs(Protocol):
    """Asks providers."""

    def knows(self, issuer: str) -> bool:
        """Whether the jobs of this issuer of ID tokens can be asked about."""
        ...

    async def ask(self, issuer: str, claims: Mapping[str, str]) -> Report:
        """About the job with these claims. Never raises: what goes wrong is UNKNOWN."""
        ...
