"""Asking CI systems about jobs, against a real HTTP server with the shape of their APIs."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from lockhouse.auth.jobs import Check, JobChecks
from lockhouse.core.jobs import UNKNOWN, JobState, Report
from tests.e2e.processes import Child
from tests.wire.federation.ci_apis import GITHUB_TOKEN, GITLAB_TOKEN

ROOT = Path(__file__).resolve().parents[3]
GITHUB, GITLAB = "https://ghe.example.com/_services/token", "https://gitlab.example.com"
RUN = {"repository": "acme/app", "repository_id": "1001", "run_id": "77", "run_attempt": "2"}
JOB = {"project_id": "22", "job_id": "302"}
ENDED = "2026-01-22T19:40:00Z"
AT = datetime.fromisoformat(ENDED).timestamp()


class Apis:
    """The process, and what asks it."""

    def __init__(self, directory: Path) -> None:
        environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
        self._child = Child(
            [sys.executable, "-m", "tests.wire.federation.ci_apis"], environment=environment, directory=directory
        )
        self.url = self._child.wait_for(r"CI APIs at (\S+)", seconds=30)[1]
        self.desk = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        self.github, self.gitlab = directory / "github-token", directory / "gitlab-token"
        self.reset()

    def reset(self) -> None:
        self.github.write_text(GITHUB_TOKEN + "\n")
        self.gitlab.write_text(GITLAB_TOKEN + "\n")
        self.world(runs={}, jobs={}, mode="")

    def world(self, **changes: object) -> None:
        self.desk.put("/-/world", json=changes).raise_for_status()

    def asked(self) -> list[dict]:
        return self.desk.get("/-/asked").json()

    def ask(self, issuer: str, claims: dict[str, str], *, api: str = "") -> Report:
        checks = [
            Check(GITHUB, "github", api or f"{self.url}/api/v3", self.github),
            Check(GITLAB, "gitlab", api or f"{self.url}/api/v4", self.gitlab),
        ]
        return asyncio.run(JobChecks(checks).ask(issuer, claims))

    def stop(self) -> None:
        self.desk.close()
        self._child.end()


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    apis = Apis(tmp_path_factory.mktemp("apis"))
    yield apis
    apis.stop()


@pytest.fixture
def apis(started):
    started.reset()
    return started


@pytest.mark.parametrize("status", ["queued", "in_progress", "waiting", "requested", "pending"])
def test_a_run_of_github_that_has_not_completed_is_running(apis, status):
    apis.world(runs={"acme/app/77": {"status": status, "run_attempt": 2}})
    assert apis.ask(GITHUB, RUN) == Report(JobState.RUNNING)


@pytest.mark.parametrize("conclusion", ["success", "failure", "cancelled", "timed_out"])
def test_a_run_of_github_that_completed_has_ended_with_its_conclusion(apis, conclusion):
    run = {"status": "completed", "conclusion": conclusion, "updated_at": ENDED, "run_attempt": 2}
    apis.world(runs={"acme/app/77": run})
    assert apis.ask(GITHUB, RUN) == Report(JobState.ENDED, AT, conclusion)
    headers = apis.asked()[-1]["headers"]
    assert headers["authorization"] == f"Bearer {GITHUB_TOKEN}"
    assert headers["accept"] == "application/vnd.github+json"
    assert headers["x-github-api-version"] == "2022-11-28"


def test_an_attempt_that_was_followed_by_another_has_ended(apis):
    apis.world(runs={"acme/app/77": {"status": "in_progress", "run_attempt": 3, "run_started_at": ENDED}})
    assert apis.ask(GITHUB, RUN) == Report(JobState.ENDED, AT, "run again since")


@pytest.mark.parametrize("status", ["created", "pending", "running", "canceling", "waiting_for_resource"])
def test_a_job_of_gitlab_that_has_not_finished_is_running(apis, status):
    apis.world(jobs={"22/302": {"status": status}})
    assert apis.ask(GITLAB, JOB) == Report(JobState.RUNNING)


@pytest.mark.parametrize("status", ["success", "failed", "canceled"])
def test_a_job_of_gitlab_that_finished_has_ended(apis, status):
    apis.world(jobs={"22/302": {"status": status, "finished_at": ENDED}})
    assert apis.ask(GITLAB, JOB) == Report(JobState.ENDED, AT, status)
    assert apis.asked()[-1]["headers"]["private-token"] == GITLAB_TOKEN


DONE = {"status": "completed", "conclusion": "success", "updated_at": ENDED, "run_attempt": 2}


@pytest.mark.parametrize(
    "run",
    [
        DONE | {"repository": {"id": 6666}},
        DONE | {"id": 78},
        DONE | {"status": "a word of the future"},
        DONE | {"status": None},
        DONE | {"updated_at": "yesterday"},
        DONE | {"updated_at": "2026-01-22T19:40:00"},
        DONE | {"updated_at": None},
        DONE | {"run_attempt": "many"},
    ],
)
def test_an_answer_about_another_run_or_in_unknown_words_proves_nothing(apis, run):
    apis.world(runs={"acme/app/77": DONE})
    assert apis.ask(GITHUB, RUN).state is JobState.ENDED
    apis.world(runs={"acme/app/77": run})
    assert apis.ask(GITHUB, RUN) == UNKNOWN


@pytest.mark.parametrize(
    "job",
    [
        {"status": "success"},
        {"status": "success", "finished_at": ENDED, "id": 303},
        {"status": "success", "finished_at": ENDED, "pipeline": {"id": 6, "project_id": 23}},
        {"status": "unheard of", "finished_at": ENDED},
    ],
)
def test_an_answer_about_another_job_or_without_an_end_proves_nothing(apis, job):
    apis.world(jobs={"22/302": job})
    assert apis.ask(GITLAB, JOB) == UNKNOWN


@pytest.mark.parametrize("mode", ["redirect", "broken", "huge", "down"])
def test_what_a_broken_api_says_proves_nothing_and_no_redirect_is_followed(apis, mode):
    apis.world(runs={"acme/app/77": DONE}, jobs={"22/302": {"status": "success", "finished_at": ENDED}}, mode=mode)
    assert apis.ask(GITHUB, RUN) == UNKNOWN
    assert apis.ask(GITLAB, JOB) == UNKNOWN


def test_a_job_that_the_token_may_not_see_proves_nothing_and_a_new_token_is_read_at_once(apis):
    apis.world(runs={"acme/app/77": DONE})
    apis.github.write_text("ghs_revoked")
    assert apis.ask(GITHUB, RUN) == UNKNOWN
    apis.github.unlink()
    assert apis.ask(GITHUB, RUN) == UNKNOWN
    apis.github.write_text(GITHUB_TOKEN)
    assert apis.ask(GITHUB, RUN).state is JobState.ENDED


@pytest.mark.parametrize(
    "claims", [{}, RUN | {"run_id": "../1"}, RUN | {"repository": "acme/app/../../user"}, RUN | {"run_id": "٧٧"}]
)
def test_claims_that_are_no_run_are_not_asked_about(apis, claims):
    before = len(apis.asked())
    assert apis.ask(GITHUB, claims) == UNKNOWN
    assert apis.ask(GITLAB, claims) == UNKNOWN
    assert len(apis.asked()) == before


def test_an_api_that_is_named_elsewhere_cannot_lead_inwards(apis):
    """Loopback and private addresses only where the operator names them himself, and never those of metadata."""
    apis.world(runs={"acme/app/77": DONE})
    port = apis.url.rpartition(":")[2]
    for api in (f"https://localtest.example:{port}/api/v3", "http://169.254.169.254/api", "https://10.0.0.1/api/v3"):
        assert apis.ask(GITHUB, RUN, api=api) == UNKNOWN
