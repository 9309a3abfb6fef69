"""Signing in with real Chromium through a real OpenID Connect provider, and sessions in a real Redis."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import Visitor
from tests.e2e.clouds import Lockhouse
from tests.redis_server import RedisServer
from tests.wire.signin.oidc_provider import CLIENT_ID, CLIENT_SECRET
from tests.wire.signin.providers import ProviderProcess

_SECONDS = 30


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    started: list[RedisServer] = []

    def start(**options) -> RedisServer:
        started.append(RedisServer(tmp_path / f"redis-{len(started)}", **options))
        return started[-1]

    yield start
    for server in started:
        server.kill()


def oidc(provider: ProviderProcess, directory: Path, **more: str) -> dict[str, str]:
    """Settings of a server that trusts the provider."""
    secret = directory / "client-secret"
    secret.write_text(CLIENT_SECRET + "\n")
    return {
        "LOCKHOUSE_SIGNIN": "oidc",
        "LOCKHOUSE_OIDC_ISSUER": provider.issuer,
        "LOCKHOUSE_OIDC_CLIENT_ID": CLIENT_ID,
        "LOCKHOUSE_OIDC_CLIENT_SECRET_FILE": str(secret),
        "LOCKHOUSE_OIDC_LABEL": "Example ID",
        "LOCKHOUSE_SIGNIN_TEAMS": "devs=developers, Platform people=platform",
        "LOCKHOUSE_LOCK_WAIT": "0",
    } | more


def go_in(page: Page, sub: str) -> None:
    """From the sign-in page through the provider and back."""
    page.get_by_role("link", name="Continue with Example ID").click()
    if page.get_by_label("Who are you?").is_visible():
        page.get_by_label("Who are you?").fill(sub)
        page.get_by_role("button", name="Go on").click()


def cookie_of(visitor: Visitor, name: str):
    """The visitor's cookie; the provider has one of its own on the same host."""
    (found,) = [each for each in visitor.context.cookies() if each["name"] == name]
    return found


def shown(server: Lockhouse, *command: str) -> dict:
    return json.loads(server.command(*command, "--json").ok().stdout)


def test_a_user_comes_in_through_the_provider_with_the_teams_of_their_groups_and_goes_when_removed(
    start_lockhouse, provider: ProviderProcess, chromium: Browser, tmp_path: Path
):
    server = start_lockhouse(settings=oidc(provider, tmp_path))
    provider.put("client", [f"{server.endpoint}/console/sign-in/callback"])
    provider.user("ann-1", email="ann@example.com", email_verified=True, name="Ann", groups=["devs", "Platform people"])
    for team in ("developers", "platform"):
        create = ("access", "create", "--kind", "team", "--name", team, "--role", "reader", "--on", f"{team}-states")
        server.command(*create).ok()
    visitor = Visitor(chromium, server, java_script_enabled=False)
    page = visitor.page
    page.goto("/console/traffic")
    expect(page).to_have_url(f"{server.endpoint}/console/sign-in?next=/console/traffic")
    before = cookie_of(visitor, "lockhouse")["value"]
    go_in(page, "ann-1")
    expect(page).to_have_url(f"{server.endpoint}/console/traffic")
    expect(page.get_by_text("ann@example.com")).to_be_visible()
    cookie = cookie_of(visitor, "lockhouse")
    assert cookie["value"] != before
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")

    assert shown(server, "access", "show", "ann@example.com")["teams"] == ["developers", "platform"]
    page.get_by_role("link", name="Sessions").click()
    expect(page.get_by_text("this one")).to_be_visible()
    (session,) = shown(server, "session", "list", "--user", "ann@example.com")
    assert (session["method"], session["name"]) == ("oidc", "ann@example.com")
    assert cookie["value"] not in json.dumps(session)

    server.command("session", "revoke", session["id"]).ok()
    page.goto("/console/sessions")
    expect(page.get_by_role("link", name="Continue with Example ID")).to_be_visible()
    provider.user("ann-1", email="ann@new.example", email_verified=True, name="Ann", groups=["devs"])
    go_in(page, "ann-1")
    expect(page).to_have_url(f"{server.endpoint}/console/sessions")
    expect(page.get_by_text("ann@example.com")).to_be_visible()
    assert shown(server, "access", "show", "ann@example.com")["teams"] == ["developers"]

    server.command("access", "revoke", "ann@example.com").ok()
    page.goto("/console/sessions")
    expect(page.get_by_role("link", name="Continue with Example ID")).to_be_visible()
    go_in(page, "ann-1")
    expect(page.get_by_role("alert")).to_contain_text("an administrator ended this user")
    page.goto("/console/reviews")
    expect(page.get_by_role("link", name="Continue with Example ID")).to_be_visible()
    assert [each for each in visitor.complaints if "Failed to load resource" not in each] == []
    log = json.dumps(shown(server, "audit", "list"))
    for word in ("session.begin", "session.end", "principal.create", "team.change"):
        assert word in log
    assert cookie["value"] not in log


def test_a_callback_is_worth_nothing_in_another_browser_a_second_time_or_with_a_forged_token(
    start_lockhouse, provider: ProviderProcess, chromium: Browser, tmp_path: Path
):
    server = start_lockhouse(settings=oidc(provider, tmp_path))
    provider.put("client", [f"{server.endpoint}/console/sign-in/callback"])
    provider.user("bob-1", email="bob@example.com", email_verified=True)
    visitor, thief = (Visitor(chromium, server) for _ in range(2))
    addresses: list[str] = []
    visitor.page.on("request", lambda asked: addresses.append(asked.url) if "callback?" in asked.url else None)
    visitor.page.goto("/console/reviews")
    provider.put("fault", {"how": "none"})
    go_in(visitor.page, "bob-1")
    expect(visitor.page.get_by_role("alert")).to_contain_text("cannot believe", ignore_case=True)
    visitor.page.goto("/console/reviews")
    go_in(visitor.page, "bob-1")
    expect(visitor.page.get_by_text("bob@example.com")).to_be_visible()
    assert len(addresses) == 2
    for page in (thief.page, visitor.page):
        for address in tuple(addresses):
            page.goto(address)
            expect(page.get_by_role("alert")).to_contain_text("it was not begun in this browser")
    thief.page.goto("/console/reviews")
    expect(thief.page.get_by_role("link", name="Continue with Example ID")).to_be_visible()
    visitor.page.goto("/console/reviews")
    expect(visitor.page.get_by_text("bob@example.com")).to_be_visible()


def test_an_administrator_comes_in_with_a_token_when_the_provider_is_down_and_nobody_else_does(
    start_lockhouse, chromium: Browser, tmp_path: Path
):
    gone = ProviderProcess(tmp_path / "gone")
    settings = oidc(gone, tmp_path)
    gone.stop()
    server = start_lockhouse(settings=settings)
    server.command("key", "create", "--name", "ci").ok()
    token = server.command("token", "create", "--name", "ci").ok().stdout.strip()
    visitor = Visitor(chromium, server)
    page = visitor.page
    page.goto("/console/reviews")
    assert Axe().run(page).response["violations"] == []
    page.get_by_role("link", name="Continue with Example ID").click()
    expect(page.get_by_role("alert")).to_contain_text("an administrator can still sign in with an API token")
    page.get_by_label("API token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("here that is for administrators")
    visitor.sign_in()
    expect(page.get_by_text("administrator")).to_be_visible()
    page.goto("/console/sessions")
    assert Axe().run(page).response["violations"] == []


def test_terraform_login_goes_through_the_provider_and_asks_for_consent(
    start_lockhouse, developer, provider: ProviderProcess, chromium: Browser, tmp_path: Path
):
    server = start_lockhouse(flags=("--tls-self-signed",), settings=oidc(provider, tmp_path))
    certificate = server.data / "development-certificate.pem"
    host = f"localhost:{urlsplit(server.endpoint).port}"
    provider.put("client", [f"https://{host}/console/sign-in/callback"])
    provider.user("cat-1", email="cat@example.com", email_verified=True)
    cat = developer("cat")
    login, url = cat.start_login(host, certificate)
    visitor = Visitor(chromium, server, ignore_https_errors=True)
    page = visitor.page
    page.goto(url)
    go_in(page, "cat-1")
    expect(page.get_by_role("heading", name="Let Terraform act as you?")).to_be_visible()
    cookie = cookie_of(visitor, "__Host-lockhouse")
    assert (cookie["secure"], cookie["httpOnly"], cookie["path"]) == (True, True, "/")
    assert Axe().run(page).response["violations"] == []
    page.get_by_role("button", name="Give Terraform a token").click()
    cat.finish(login).ok()
    saved = json.loads((cat.directory.parent / "home" / ".terraform.d" / "credentials.tfrc.json").read_text())
    token = saved["credentials"][host]["token"]

    def account() -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"}
        trusted = ssl.create_default_context(cafile=str(certificate))
        return httpx.get(f"https://{host}/api/v2/account/details", verify=trusted, headers=headers)

    assert account().json()["data"]["attributes"]["username"] == "cat@example.com"
    trusted = ("--ca-file", str(certificate))
    kept = shown(server, "access", "show", "cat@example.com", *trusted)["credentials"]
    assert [each["description"] for each in kept] == ["terraform login"]
    assert kept[0]["expires_at"]
    server.command("access", "revoke", "cat@example.com", *trusted).ok()
    assert account().status_code == 401
    complaints = [each for each in visitor.complaints if "localhost:100" not in each]
    assert complaints == []


def test_while_redis_is_down_only_signed_in_pages_are_and_what_it_forgets_is_signed_out(
    start_lockhouse, redis: Callable[..., RedisServer], chromium: Browser
):
    for durable in (True, False):
        store = redis(durable=durable)
        server = start_lockhouse(settings={"LOCKHOUSE_SESSIONS_URL": store.url, "LOCKHOUSE_LOCK_WAIT": "0"})
        visitor = Visitor(chromium, server)
        page = visitor.page
        page.goto("/console/reviews")
        visitor.sign_in()
        place = server.cloud.new_place("redis")
        store.kill()
        for path in ("/console/reviews", "/console/sessions"):
            answer = page.goto(path)
            assert answer is not None
            assert answer.status == 503
            expect(page.get_by_text("states and locks are not concerned")).to_be_visible()
        server.cloud.sdk("s3").put_object(Bucket=place.bucket, Key="plain.txt", Body=b"x")
        headers = {"authorization": f"Bearer {server.token}"}
        address = f"{server.endpoint}/http/{place.bucket}/app.tfstate"
        locked = httpx.request("LOCK", address, content=b'{"ID": "one"}', headers=headers)
        assert locked.status_code == 200
        assert httpx.get(f"{server.endpoint}/readyz").status_code == 200
        assert httpx.get(f"{server.endpoint}/console/style.css").status_code == 200
        store.start()
        page.goto("/console/sessions")
        if durable:
            expect(page.get_by_text("this one")).to_be_visible()
        else:
            expect(page.get_by_label("API token")).to_be_visible()
        assert httpx.get(f"{server.endpoint}/lockhouse/v1/sessions", headers=headers).status_code == 200
