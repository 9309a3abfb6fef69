"""A credential that ends in the middle of an apply, with real Terraform: it saves, unlocks, and is over."""

from __future__ import annotations

import uuid

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.e2e.blocks import CloudBlock, HttpBackend, connect, use
from tests.e2e.clouds import Credentials, Lockhouse
from tests.e2e.scenarios.configurations import resources
from tests.e2e.terraform import LockMode, S3Backend, Terraform
from tests.eventually import eventually

KEY = "app.tfstate"


class Run:
    """An apply that stands at its hold, with a credential of its own."""

    def __init__(self, server: Lockhouse, developer, hold, protocol: str) -> None:
        self.server = server
        self.place = server.cloud.new_place(f"grace-{protocol}")
        name = f"run-{uuid.uuid4().hex[:8]}"
        made = server.json("key", "create", "--name", name, "--role", "writer", "--on", self.place.bucket)
        self.credentials = Credentials(made["access_key_id"], made["secret_access_key"])
        token = server.json("token", "create", "--name", name)
        self.token = token["token"]
        self.credential = token["id"] if protocol in ("http", "cloud") else self.credentials.access_key_id
        self.hold = hold(name)
        self.terraform: Terraform = developer(name, cloud=server.cloud, credentials=self.credentials)
        block = {
            "http": HttpBackend(self.place.bucket, KEY),
            "cloud": CloudBlock(self.place.bucket, 'name = "app"'),
            "s3": S3Backend(self.place, KEY, LockMode.BOTH),
        }[protocol]
        use(connect(self.terraform, server, self.token), server, block)
        self.terraform.write("main.tf", resources("one", "two", waiting={"two": self.hold.command}))
        self.terraform.init()
        self.apply = self.terraform.start_apply()
        self.hold.wait(self.apply)

    def end(self) -> None:
        """Let the credential end, by giving it less than a second more, and wait until it has."""
        self.server.command("token", "rotate", self.credential, "--grace", "0.0002").ok()
        eventually(lambda: not self._is_known(), 60)

    def _is_known(self) -> bool:
        if self.credential != self.credentials.access_key_id:
            headers = {"authorization": f"Bearer {self.token}"}
            status = httpx.get(f"{self.server.endpoint}/lockhouse/v1/status", headers=headers, trust_env=False)
            return status.status_code == 200
        try:
            self.server.cloud.sdk("s3", self.credentials).list_buckets()
        except ClientError as refused:
            assert refused.response["Error"]["Code"] == "ExpiredToken"
            return False
        return True

    def held(self) -> list[str]:
        return [each["key"] for each in self.server.json("lock", "list", self.place.bucket)]


@pytest.mark.parametrize("protocol", ["http", "s3", "cloud"])
def test_an_apply_whose_credential_ends_finishes_and_nothing_more(lockhouse, developer, hold, protocol):
    run = Run(lockhouse, developer, hold, protocol)
    assert len(run.held()) == 1
    run.end()
    run.hold.release()
    run.terraform.finish(run.apply).ok()
    assert not (run.terraform.directory / "errored.tfstate").exists()
    assert run.held() == []
    (state,) = lockhouse.json("state", "list", run.place.bucket)
    assert state["resources"] == 2
    again = run.terraform.run("plan", "-input=false")
    assert again.code == 1, again.report()
    told = lockhouse.json("audit", "list", "--namespace", run.place.bucket)
    finished = {each["action"] for each in told if each.get("detail", "").startswith("in grace")}
    assert {"version.write", "lock.released"} <= finished


@pytest.mark.parametrize("protocol", ["http", "s3"])
def test_without_grace_the_state_stays_with_the_run(start_lockhouse, developer, hold, protocol):
    server = start_lockhouse(settings={"LOCKHOUSE_LOCK_WAIT": "0", "LOCKHOUSE_EXPIRY_GRACE": "0"})
    run = Run(server, developer, hold, protocol)
    run.end()
    run.hold.release()
    ended = run.terraform.finish(run.apply)
    assert ended.code == 1, ended.report()
    assert (run.terraform.directory / "errored.tfstate").exists()
    assert len(run.held()) == 1
