"""`terraform login` against a server with TLS, found by service discovery; no browser is needed."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import uuid
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.e2e.blocks import CloudBlock
from tests.e2e.scenarios.life import resource

_SECONDS = 30


def ask(url: str, method: str = "GET", form: dict[str, str] | None = None, context: ssl.SSLContext | None = None):
    """One request, no redirect followed: (status, headers, text)."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.netloc, timeout=_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=_SECONDS)
    body = urlencode(form) if form else None
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
    connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read().decode()
    connection.close()
    return found


def test_a_login_by_the_browser_page_gives_terraform_a_token_that_works_until_it_is_revoked(start_lockhouse, developer):
    server = start_lockhouse(flags=("--tls-self-signed",))
    certificate = server.data / "development-certificate.pem"
    context = ssl.create_default_context(cafile=str(certificate))
    port = urlsplit(server.endpoint).port
    host = f"localhost:{port}"
    ann = developer("ann")
    ann.environment["BROWSER"] = "true"  # no browser is opened where one is installed
    ann.environment["SSL_CERT_FILE"] = str(certificate)
    del ann.environment["TF_CLI_CONFIG_FILE"]  # with it set, saved logins are not read
    (ann.directory.parent / "home" / ".terraform.d").mkdir(exist_ok=True)

    login = ann.start("login", host)
    login.answer("yes")
    url = login.wait_for(r"(https://localhost:\d+/oauth/authorization\?[^\s'\"]+)[\s'\"]", seconds=_SECONDS)[1]
    status, _, page = ask(url, context=context)
    assert status == 200
    form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.replace("&amp;", "&")))
    status, _, refused = ask(
        f"https://{host}/oauth/authorization", "POST", form | {"user": "", "password": "wrong"}, context
    )
    assert (status, "not known" in refused) == (401, True)
    key = server.cloud.credentials
    form |= {"user": key.access_key_id, "password": key.secret_access_key}
    status, headers, _ = ask(f"https://{host}/oauth/authorization", "POST", form, context)
    assert status == 303
    back = headers["Location"]
    assert parse_qs(urlsplit(back).query)["state"] == [form["state"]]
    assert ask(back)[0] == 200
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
    assert ask(f"https://{host}/api/v2/account/details", context=context)[0] == 401
