"""`terraform login` against a server with TLS, found by service discovery; no browser is needed."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import uuid
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.e2e.blocks import CloudBlock
from tests.e2e.scenarios.life import resource

_SECONDS = 30


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.replace("&amp;", "&")))


def test_a_login_by_the_browser_page_gives_terraform_a_token_that_works_until_it_is_revoked(start_lockhouse, developer):
    server = start_lockhouse(flags=("--tls-self-signed",))
    certificate = server.data / "development-certificate.pem"
    context = ssl.create_default_context(cafile=str(certificate))
    port = urlsplit(server.endpoint).port
    host = f"localhost:{port}"
    ann = developer("ann")
    login, url = ann.start_login(host, certificate)
    own = {"origin": f"https://{host}"}
    with httpx.Client(verify=context, timeout=_SECONDS, trust_env=False) as browser:
        form = browser.get(url, follow_redirects=True)
        assert form.url.path == "/console/sign-in"
        fields = hidden(form.text) | {"user": "", "token": "wrong"}
        refused = browser.post(form.url.copy_with(query=None), data=fields, headers=own)
        assert (refused.status_code, "unknown, revoked" in refused.text) == (403, True)
        key = server.cloud.credentials
        fields |= {"user": key.access_key_id, "token": key.secret_access_key}
        page = browser.post(form.url.copy_with(query=None), data=fields, headers=own, follow_redirects=True)
        assert page.url.path == "/oauth/authorization"
        asked = hidden(page.text)
        back = browser.post(page.url.copy_with(query=None), data=asked, headers=own).headers["location"]
        assert parse_qs(urlsplit(back).query)["state"] == [asked["state"]]
        with contextlib.suppress(httpx.RemoteProtocolError):  # Terraform may end before its page is sent
            assert browser.get(back).status_code == 200
    ann.finish(login).ok()

    token = json.loads((ann.directory.parent / "home" / ".terraform.d" / "credentials.tfrc.json").read_text())
    token = token["credentials"][host]["token"]
    name = f"login-{uuid.uuid4().hex[:8]}"
    block = CloudBlock(server.namespace, f'name = "{name}"')
    ann.write("backend.tf", block.hcl(server.endpoint, host)).write("main.tf", resource("one"))
    ann.init()
    ann.apply()
    ann.ok("logout", host)
    assert ann.run("plan", "-input=false").code == 1
    public = token.split("_")[1]
    server.command("token", "revoke", public, "--ca-file", str(certificate)).ok()
    details = httpx.get(
        f"https://{host}/api/v2/account/details", verify=context, headers={"authorization": f"Bearer {token}"}
    )
    assert details.status_code == 401
