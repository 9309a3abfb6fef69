"""Asking the APIs of CI systems whether a job has ended: GitHub Actions and GitLab, or what has their API.

Each issuer of ID tokens has the API that the operator names for it, reached over a client that goes nowhere else
(`signin.network`). The token is read from its file at every question, so it can be replaced while the server runs. An
answer counts only when it is about that very run: the ids in it are compared with those of the ID token. Sources:
GitHub REST API "Get a workflow run" (`GET /repos/{owner}/{repo}/actions/runs/{run_id}`: `status`, `conclusion`,
`run_attempt`, `updated_at`), GitLab Jobs API "Get a single job" (`GET /projects/{id}/jobs/{job_id}`: `status`,
`finished_at`).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from lockhouse.auth.signin import network
from lockhouse.core.jobs import UNKNOWN, JobState, Report

T = TypeVar("T")
MAX_TOKEN = 4096
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_GITHUB_WAITING = frozenset({"queued", "in_progress", "waiting", "requested", "pending"})
_GITLAB_ENDED = frozenset({"success", "failed", "canceled", "skipped"})
_GITLAB_WAITING = frozenset(
    {
        "created", "waiting_for_resource", "preparing", "pending", "running", "canceling", "manual", "scheduled",
        "waiting_for_callback",
    }
)  # fmt: skip
_log = logging.getLogger("lockhouse.jobs")


class Check(NamedTuple):
    """How the jobs of one issuer are asked about."""

    issuer: str
    kind: str
    """`github` or `gitlab`."""
    api: str
    """Without a slash at the end, such as `https://api.github.com` or `https://gitlab.com/api/v4`."""
    token_file: Path | None = None


class _Repository(msgspec.Struct, frozen=True):
    id: int


class _GithubRun(msgspec.Struct, frozen=True):
    id: int
    status: str | None
    conclusion: str | None
    updated_at: str
    repository: _Repository
    run_attempt: int = 1
    run_started_at: str | None = None


class _GitlabPipeline(msgspec.Struct, frozen=True):
    project_id: int | None = None


class _GitlabJob(msgspec.Struct, frozen=True):
    id: int
    status: str
    finished_at: str | None = None
    pipeline: _GitlabPipeline | None = None


def github_path(claims: Mapping[str, str]) -> str:
    """Where the run of these claims is; empty: they name none."""
    repository, run = claims.get("repository", ""), claims.get("run_id", "")
    if not _REPOSITORY.fullmatch(repository) or not run.isascii() or not run.isdigit():
        return ""
    return f"/repos/{repository}/actions/runs/{run}"


def read_github(raw: bytes, claims: Mapping[str, str]) -> Report:
    """What "Get a workflow run" says of the attempt that these claims name."""
    run = _decode(raw, _GithubRun)
    if run is None or str(run.id) != claims.get("run_id") or str(run.repository.id) != claims.get("repository_id"):
        return UNKNOWN
    attempt = claims.get("run_attempt", "")
    if attempt.isascii() and attempt.isdigit() and run.run_attempt > int(attempt):
        # A run is run again only after it has ended.
        return _ended(run.run_started_at or run.updated_at, "run again since")
    if run.status == "completed":
        return _ended(run.updated_at, run.conclusion or "completed")
    return Report(JobState.RUNNING) if run.status in _GITHUB_WAITING else UNKNOWN


def gitlab_path(claims: Mapping[str, str]) -> str:
    """Where the job of these claims is; empty: they name none."""
    project, job = claims.get("project_id", ""), claims.get("job_id", "")
    if not all(each.isascii() and each.isdigit() for each in (project, job)):
        return ""
    return f"/projects/{quote(project)}/jobs/{job}"


def read_gitlab(raw: bytes, claims: Mapping[str, str]) -> Report:
    """What "Get a single job" says of the job that these claims name."""
    job = _decode(raw, _GitlabJob)
    if job is None or str(job.id) != claims.get("job_id"):
        return UNKNOWN
    project = job.pipeline.project_id if job.pipeline is not None else None
    if project is not None and str(project) != claims.get("project_id"):
        return UNKNOWN
    if job.status in _GITLAB_ENDED and job.finished_at:
        return _ended(job.finished_at, job.status)
    return Report(JobState.RUNNING) if job.status in _GITLAB_WAITING else UNKNOWN


class JobChecks:
    """`core.jobs.Jobs` over HTTP. It belongs to the event loop on which it is used."""

    def __init__(self, checks: Sequence[Check], *, ca_file: str = "", private: bool = False) -> None:
        """`private`: whether APIs may be in a private network."""
        self._checks = {each.issuer: each for each in checks}
        self._ca_file = ca_file
        self._private = private
        self._clients: dict[str, httpx.AsyncClient] = {}

    def knows(self, issuer: str) -> bool:
        return issuer in self._checks

    async def ask(self, issuer: str, claims: Mapping[str, str]) -> Report:
        check = self._checks[issuer]
        github = check.kind == "github"
        path = github_path(claims) if github else gitlab_path(claims)
        if not path:
            return UNKNOWN
        try:
            async with asyncio.timeout(network.TOTAL_SECONDS):
                answer = await self._client(check).get(check.api + path, headers=_headers(check))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, UnicodeError) as wrong:
            _log.warning("Cannot ask about a CI job issuer=%s error=%s", issuer, type(wrong).__name__)
            return UNKNOWN
        if answer.status_code != 200:
            # 404 too: a token that may not see a job is answered so, and a job that was deleted proves nothing.
            _log.warning("Cannot ask about a CI job issuer=%s status=%d", issuer, answer.status_code)
            return UNKNOWN
        return read_github(answer.content, claims) if github else read_gitlab(answer.content, claims)

    def _client(self, check: Check) -> httpx.AsyncClient:
        client = self._clients.get(check.issuer)
        if client is None:
            reach = network.reach_of(check.api, private=self._private)
            client = self._clients[check.issuer] = network.client(reach, self._ca_file)
        return client


def _headers(check: Check) -> dict[str, str]:
    token = ""
    if check.token_file is not None:
        with check.token_file.open(encoding="ascii") as opened:
            token = opened.read(MAX_TOKEN).strip()
    if check.kind == "github":
        found = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
        return found | {"authorization": f"Bearer {token}"} if token else found
    return {"private-token": token} if token else {}


def _decode(raw: bytes, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _ended(at: str, words: str) -> Report:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return UNKNOWN
    if moment.tzinfo is None:
        return UNKNOWN
    return Report(JobState.ENDED, moment.timestamp(), "".join(each for each in words if each.isprintable())[:50])
