"""The cloud room and the HTTP room on one house."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockhouse.core.principals import Grant
from lockhouse.protocols.http.room import HttpRoom
from lockhouse.protocols.tfe.room import PATHS, TfeRoom
from lockhouse.runtime.entrance import Entrance
from tests.wire.rig import MASTER, Answer, Rig, User

JSON_API = {"content-type": "application/vnd.api+json", "accept": "application/vnd.api+json"}


class Client:
    """One user of the API, as go-tfe acts for them."""

    def __init__(self, rig: Rig, name: str, *grants: Grant, peer: str = "192.0.2.1") -> None:
        self.rig, self.peer = rig, peer
        self.user: User = rig.user(name, *grants)

    def ask(self, method: str, path: str, document: object = None) -> Answer:
        body = b"" if document is None else json.dumps(document).encode()
        headers = JSON_API | self.user.bearer
        return self.rig.ask(method, f"/api/v2/{path}", body, headers, peer=self.peer)

    def data(self, method: str, path: str, document: object = None, status: int = 200):
        answer = self.ask(method, path, document)
        assert answer.status == status, (answer.status, answer.body)
        return answer.json()["data"]

    def workspace(self, name: str = "prod", **attributes: object) -> str:
        """Create one; its id."""
        document = {"data": {"type": "workspaces", "attributes": {"name": name, **attributes}}}
        return self.data("POST", "organizations/acme/workspaces", document, 201)["id"]

    def lock(self, workspace: str) -> Answer:
        return self.ask("POST", f"workspaces/{workspace}/actions/lock", {"reason": "Locked by Terraform"})

    def unlock(self, workspace: str) -> Answer:
        return self.ask("POST", f"workspaces/{workspace}/actions/unlock")

    def announce(self, workspace: str, body: bytes, **attributes: object) -> Answer:
        facts = json.loads(body)
        attributes = {
            "serial": facts["serial"],
            "lineage": facts["lineage"],
            "md5": hashlib.md5(body).hexdigest(),
            "force": False,
        } | attributes
        document = {"data": {"type": "state-versions", "attributes": attributes}}
        return self.ask("POST", f"workspaces/{workspace}/state-versions", document)

    def upload(self, announced: Answer, body: bytes, which: str = "hosted-state-upload-url", **options) -> Answer:
        url = announced.json()["data"]["attributes"][which]
        assert url.startswith("https://lock.test/api/v2/")
        return self.rig.ask("PUT", url.removeprefix("https://lock.test"), body, peer=self.peer, **options)

    def save(self, workspace: str, body: bytes, **attributes: object) -> Answer:
        """Announce and upload, as Terraform since 1.6 does."""
        announced = self.announce(workspace, body, **attributes)
        assert announced.status == 201, announced.body
        return self.upload(announced, body)

    def save_inline(self, workspace: str, body: bytes, **attributes: object) -> Answer:
        """As Terraform before 1.6 does."""
        return self.announce(workspace, body, state=base64.b64encode(body).decode(), **attributes)


def mounted(made: Rig) -> Rig:
    made.entrance = Entrance(made.house, made.authenticator, MASTER)
    room = TfeRoom(made.house, made.authenticator, MASTER, lambda: made.now, made.entrance)
    for path in PATHS:
        made.mount(path, room)
    made.mount(b"/http/", HttpRoom(made.house, made.authenticator, lambda: made.now))
    return made


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = mounted(Rig(tmp_path))
    yield made
    made.close()


@pytest.fixture
def ann(rig: Rig) -> Client:
    return Client(rig, "ann")


@pytest.fixture
def bob(rig: Rig) -> Client:
    return Client(rig, "bob")
