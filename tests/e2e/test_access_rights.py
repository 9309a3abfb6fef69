"""Each right on each protocol, with real Terraform: what it lets through, and that what it refuses leaves nothing behind.

One state is written over http by its owner; everybody else comes to it through the block under test.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass

import pytest

from tests.e2e.blocks import Block, CloudBlock, HttpBackend, RemoteBackend, connect, use
from tests.e2e.clouds import Credentials, Lockhouse, Place
from tests.e2e.scenarios.configurations import resources
from tests.e2e.terraform import LockMode, S3Backend, Terraform
from tests.eventually import eventually

PROTOCOLS = ("table", "lockfile", "http", "cloud", "remote")
KEY = "app.tfstate"


def over(*always: str) -> pytest.MarkDecorator:
    """Every protocol; those not named only in the long form."""
    return pytest.mark.parametrize(
        "protocol", [each if each in always else pytest.param(each, marks=pytest.mark.soak) for each in PROTOCOLS]
    )


@dataclass(frozen=True)
class Actor:
    """A principal with an access key and a token."""

    name: str
    credentials: Credentials
    token: str


class Stage:
    """A namespace with one state, and those who come to it."""

    def __init__(self, lockhouse: Lockhouse, developer, protocol: str) -> None:
        self.lockhouse = lockhouse
        self.protocol = protocol
        self._developer = developer
        self.place = lockhouse.cloud.new_place(f"rights-{protocol}")
        self.namespace = self.place.bucket
        owner = use(connect(developer("owner"), lockhouse), lockhouse, HttpBackend(self.namespace, KEY))
        owner.write("main.tf", resources("one") + 'output "vpc" {\n  value = "vpc-1"\n}\n')
        owner.init()
        owner.apply()
        self.before = self.versions()

    def actor(self, role: str) -> Actor:
        name = f"{role}-{uuid.uuid4().hex[:8]}"
        made = self.lockhouse.json("key", "create", "--name", name, "--role", role, "--on", self.namespace)
        token = self.lockhouse.json("token", "create", "--name", name)["token"]
        return Actor(name, Credentials(made["access_key_id"], made["secret_access_key"]), token)

    def block(self) -> Block | S3Backend:
        if self.protocol == "http":
            return HttpBackend(self.namespace, KEY)
        if self.protocol == "cloud":
            return CloudBlock(self.namespace, 'name = "app"')
        if self.protocol == "remote":
            return RemoteBackend(self.namespace, "app")
        return S3Backend(Place(self.namespace, self.place.table), KEY, LockMode(self.protocol))

    def terraform(self, actor: Actor, *names: str) -> Terraform:
        """A developer with this actor's credentials and this configuration, who has not run init."""
        made = self._developer(actor.name, cloud=self.lockhouse.cloud, credentials=actor.credentials)
        use(connect(made, self.lockhouse, actor.token), self.lockhouse, self.block())
        return made.write("main.tf", resources(*names) + 'output "vpc" {\n  value = "vpc-1"\n}\n')

    def ready(self, actor: Actor, *names: str) -> Terraform:
        """As `terraform`, after init."""
        made = self.terraform(actor, *names)
        made.init()
        return made

    def versions(self) -> list[str]:
        return [each["id"] for each in self.lockhouse.json("state", "versions", self.namespace, KEY)]

    def locks(self) -> list[str]:
        return [each["name"] for each in self.lockhouse.json("lock", "list") if each["namespace"] == self.namespace]

    def untouched(self) -> bool:
        return self.versions() == self.before and self.locks() == []

    def hold(self) -> str:
        """Somebody else takes the lock over http; the id that force-unlock names over this protocol."""
        lock_id = str(uuid.uuid4())
        document = {"ID": lock_id, "Operation": "OperationTypeApply", "Who": "somebody@else", "Path": ""}
        call(self.lockhouse, "LOCK", f"/http/{self.namespace}/{KEY}", self.lockhouse.token, document)
        return f"{self.namespace}/app" if self.protocol in ("cloud", "remote") else lock_id


def call(lockhouse: Lockhouse, method: str, path: str, token: str, document: object = None) -> tuple[int, bytes]:
    request = urllib.request.Request(
        lockhouse.endpoint + path,
        method=method,
        data=json.dumps(document).encode() if document is not None else None,
        headers={"authorization": f"Bearer {token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


@pytest.fixture
def stage(lockhouse, developer, protocol) -> Stage:
    return Stage(lockhouse, developer, protocol)


@over("http")
def test_a_reader_reads_and_gets_no_lock(stage: Stage):
    reader = stage.ready(stage.actor("reader"), "one", "two")
    assert reader.resources() == ["terraform_data.one"]
    assert "2 to add" not in reader.ok("plan", "-input=false", "-lock=false").text
    for arguments in (("plan", "-input=false"), ("apply", "-input=false", "-auto-approve")):
        refused = reader.run(*arguments)
        assert refused.code == 1
        assert "acquiring the state lock" in refused.text
    assert stage.untouched()


@over(*PROTOCOLS)
def test_a_planner_plans_and_cannot_apply(stage: Stage):
    planner = stage.ready(stage.actor("planner"), "one", "two")
    assert "1 to add" in planner.ok("plan", "-input=false").text
    assert stage.untouched()
    refused = planner.run("apply", "-input=false", "-auto-approve")
    assert refused.code == 1
    if stage.protocol in ("cloud", "remote"):
        # The workspace lock does not say what it is for, so Terraform learns only when it saves; and then it keeps the
        # lock, because it may have made something that no state knows.
        assert (stage.versions(), stage.locks()) == (stage.before, [planner.environment["USER"]])
        operator = stage.ready(stage.actor("operator"), "one")
        operator.ok("force-unlock", "-force", f"{stage.namespace}/app")
    else:
        assert "acquiring the state lock" in refused.text
        assert "Creating..." not in refused.text
    assert stage.untouched()
    assert "1 to add" in planner.ok("plan", "-input=false").text
    stage.hold()
    assert planner.run("force-unlock", "-force", "some-id").code == 1
    assert stage.locks() == ["administrator"]


@pytest.mark.parametrize("protocol", ["table"])
def test_an_applier_applies_and_pushes_nothing_over_the_state(stage: Stage, tmp_path):
    applier = stage.ready(stage.actor("applier"), "one", "two")
    before = applier.ok("state", "pull").stdout
    applier.apply()
    assert applier.resources() == ["terraform_data.one", "terraform_data.two"]
    file = tmp_path / "before.tfstate"
    file.write_text(before)
    refused = applier.run("state", "push", "-force", str(file))
    assert refused.code == 1
    assert "needs the right 'write' there" in refused.text
    assert applier.resources() == ["terraform_data.one", "terraform_data.two"]
    assert stage.locks() == []
    stage.ready(stage.actor("writer"), "one").ok("state", "push", "-force", str(file))
    assert applier.resources() == ["terraform_data.one"]


@over("lockfile")
def test_a_writer_applies_and_takes_no_lock_from_others_and_an_operator_does(stage: Stage):
    writer = stage.ready(stage.actor("writer"), "one", "two")
    writer.apply()
    assert writer.resources() == ["terraform_data.one", "terraform_data.two"]
    lock_id = stage.hold()
    assert writer.run("apply", "-input=false", "-auto-approve").code == 1
    assert writer.run("force-unlock", "-force", lock_id).code == 1
    assert stage.locks() == ["administrator"]
    operator = stage.ready(stage.actor("operator"), "one")
    operator.ok("force-unlock", "-force", lock_id)
    assert stage.locks() == []
    operator.apply()
    assert operator.resources() == ["terraform_data.one"]


@over()
def test_an_administrator_of_a_namespace_gives_what_is_there_and_nothing_else(stage: Stage):
    actor = stage.actor("administrator")
    grant = {"namespace": stage.namespace, "role": "writer"}
    path = "/lockhouse/v1/keys"
    for name, asked, status in (("inside", grant, 201), ("outside", grant | {"namespace": "other"}, 403)):
        document = {"name": f"{name}-{uuid.uuid4().hex[:8]}", "grants": [asked]}
        assert call(stage.lockhouse, "POST", path, actor.token, document)[0] == status
    stage.ready(actor, "one", "two").apply()


@over("remote")
def test_outputs_alone_make_no_backend(stage: Stage):
    spy = stage.terraform(stage.actor("outputs"), "one")
    spy.run("init", "-input=false")
    assert "terraform_data" not in spy.run("state", "list").text
    assert spy.run("plan", "-input=false").code == 1
    assert spy.run("apply", "-input=false", "-auto-approve").code == 1
    assert stage.untouched()


@over("http")
@pytest.mark.parametrize("how", ["revoked", pytest.param("expired", marks=pytest.mark.soak)])
def test_a_credential_that_ends_in_the_middle_of_an_apply_writes_nothing_any_more(stage: Stage, hold, how: str):
    actor, point = stage.actor("writer"), hold("ann")
    ann = stage.terraform(actor, "one")
    ann.init()
    if how == "expired":
        actor = _ending(stage, actor, seconds=20)
        ann = stage.ready(Actor(f"{actor.name}-2", actor.credentials, actor.token), "one")
    ann.write("main.tf", resources("one", "two", waiting={"two": point.command}))
    running = ann.start_apply()
    point.wait(running)
    if how == "revoked":
        stage.lockhouse.command("key", "revoke", actor.name).ok()
    _until_refused(stage, actor)
    point.release()
    ended = ann.finish(running)
    assert ended.code == 1
    assert (ann.directory / "errored.tfstate").exists()
    assert stage.versions() == stage.before
    assert stage.locks() == [actor.name]
    operator = stage.ready(stage.actor("operator"), "one", "two")
    held = stage.lockhouse.json("lock", "show", stage.namespace, KEY)["held"]["id"]
    operator.ok("force-unlock", "-force", f"{stage.namespace}/app" if stage.protocol in ("cloud", "remote") else held)
    (operator.directory / "saved.tfstate").write_bytes((ann.directory / "errored.tfstate").read_bytes())
    operator.ok("state", "push", "saved.tfstate")
    assert operator.resources() == ["terraform_data.one", "terraform_data.two"]


def _ending(stage: Stage, actor: Actor, seconds: int) -> Actor:
    """The same principal with an access key and a token that end soon."""
    path, asked = "/lockhouse/v1", {"name": actor.name, "expires_in": seconds}
    key = json.loads(call(stage.lockhouse, "POST", f"{path}/access-keys", stage.lockhouse.token, asked)[1])
    token = json.loads(call(stage.lockhouse, "POST", f"{path}/tokens", stage.lockhouse.token, asked)[1])["token"]
    return Actor(actor.name, Credentials(key["access_key_id"], key["secret_access_key"]), token)


def _until_refused(stage: Stage, actor: Actor) -> None:
    """Come back when the server refuses the token. It ends no earlier than the access key that was made before it."""
    eventually(lambda: call(stage.lockhouse, "GET", "/lockhouse/v1/status", actor.token)[0] != 200, 60, every=0.2)
