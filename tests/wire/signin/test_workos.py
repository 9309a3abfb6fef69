"""Through the WorkOS SDK against a server with WorkOS's shape: people, organizations, directory groups."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from lockhouse.auth.signin import pledge
from lockhouse.auth.signin.person import Ask, Group, Person
from lockhouse.auth.signin.workos import WorkosProvider, WorkosSettings
from lockhouse.errors import CredentialUnknown, ProviderUnavailable
from tests.e2e.processes import Child
from tests.wire.signin.providers import BACK, KEY, ROOT
from tests.wire.signin.workos_server import API_KEY, CLIENT_ID

SECONDS = 30
ANN = {"id": "user_ann", "email": "ann@example.com", "first_name": "Ann", "last_name": "Lee"}
GROUPS = [{"id": f"directory_group_{number}", "name": f"Group {number}"} for number in range(5)]
DIRECTORIES = {
    "directory_1": {
        "organization_id": "org_1",
        "users": [
            {"id": "directory_user_ann", "email": "ann@example.com", "groups": GROUPS},
            {"id": "directory_user_bob", "email": "bob@example.com", "state": "suspended", "groups": GROUPS},
        ],
    },
    "directory_2": {
        "organization_id": "org_2",
        "users": [{"id": "directory_user_x", "email": "ann@example.com", "groups": [{"id": "dg_x", "name": "Admins"}]}],
    },
}


class WorkOS:
    """The server process and a browser's way through it."""

    def __init__(self, directory: Path) -> None:
        environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
        self._child = Child(
            [sys.executable, "-m", "tests.wire.signin.workos_server"], environment=environment, directory=directory
        )
        self.url = self._child.wait_for(r"WorkOS at (\S+)", seconds=SECONDS)[1]
        self.desk = httpx.Client(base_url=self.url, timeout=SECONDS, trust_env=False)
        self.put(redirects=[BACK], directories=DIRECTORIES)

    def put(self, **world: object) -> None:
        self.desk.put("/-/world", json=world).raise_for_status()

    def provider(self, **changes: object) -> WorkosProvider:
        given = {"api_key": API_KEY, "client_id": CLIENT_ID, "url": self.url} | changes
        return WorkosProvider(WorkosSettings(**given))

    def sign_in(self, person: dict[str, object], **changes: object) -> Person:
        self.put(people={"them": person}, who="them")

        async def run() -> Person:
            provider = self.provider(**changes)
            ask = begun()
            return await provider.identify(ask, self.code(await provider.authorize(ask), ask), "")

        return asyncio.run(run())

    def code(self, address: str, ask: Ask) -> str:
        answer = self.desk.get(address)
        assert answer.status_code == 302, answer.text
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        assert query["state"] == [ask.state]
        return query["code"][0]

    def stop(self) -> None:
        self.desk.close()
        self._child.end()


def begun(number: int = 1) -> Ask:
    salt = number.to_bytes(16, "big")
    return pledge.make(KEY, f"{number:064x}", target="/", redirect_uri=BACK, now=1_800_000_000.0, salt=salt)


@pytest.fixture(scope="module")
def workos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkOS]:
    started = WorkOS(tmp_path_factory.mktemp("workos"))
    yield started
    started.stop()


def test_somebody_of_an_organization_comes_with_the_groups_of_its_directory(workos: WorkOS):
    person = workos.sign_in(ANN, organization="org_1")
    assert (person.issuer, person.subject) == (f"{workos.url}/{CLIENT_ID}", "user_ann")
    assert (person.email, person.name, person.organization) == ("ann@example.com", "Ann Lee", "org_1")
    assert person.groups == tuple(Group(each["id"], each["name"]) for each in GROUPS)


def test_authkit_asks_for_the_organization_and_tells_it(workos: WorkOS):
    assert workos.sign_in(ANN | {"organization_id": "org_2"}).groups == (Group("dg_x", "Admins"),)


def test_without_an_organization_or_a_directory_nothing_is_said_of_groups(workos: WorkOS):
    assert workos.sign_in(ANN).groups is None
    assert workos.sign_in(ANN, organization="org_3").groups is None


def test_somebody_whom_the_directory_does_not_know_or_has_suspended_is_in_no_group(workos: WorkOS):
    for email in ("bob@example.com", "eve@example.com"):
        assert workos.sign_in(ANN | {"email": email}, organization="org_1").groups == ()


def test_an_address_that_is_not_verified_is_no_address_and_finds_no_groups(workos: WorkOS):
    person = workos.sign_in(ANN | {"email_verified": False}, organization="org_1")
    assert (person.email, person.groups) == ("", None)


def test_a_code_works_once_for_who_began_and_with_the_right_key(workos: WorkOS):
    workos.put(people={"them": ANN}, who="them")

    async def run() -> None:
        provider, ask = workos.provider(), begun()
        code = workos.code(await provider.authorize(ask), ask)
        with pytest.raises(CredentialUnknown):
            await workos.provider(api_key="sk_wrong_key_of_somebody").identify(ask, code, "")
        assert (await provider.identify(ask, code, "")).subject == "user_ann"
        with pytest.raises(CredentialUnknown):
            await provider.identify(ask, code, "")
        code = workos.code(await provider.authorize(ask), ask)
        with pytest.raises(CredentialUnknown):
            await provider.identify(begun(2), code, "")

    asyncio.run(run())


def test_a_workos_that_does_not_answer_is_said_to_be_so(workos: WorkOS):
    async def run() -> None:
        gone = workos.provider(url="http://127.0.0.1:1")
        with pytest.raises(ProviderUnavailable):
            await gone.identify(begun(), "code", "")

    asyncio.run(run())
