"""Real Terraform in a CI job without stored secrets: the S3 backend with an ID token, the http backend with what it
was exchanged for."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.e2e.clouds import Lockhouse
from tests.e2e.scenarios.configurations import resources
from tests.e2e.terraform import Terraform
from tests.wire.federation.test_exchange import created, exchange, mint


@pytest.fixture(scope="module")
def server(tmp_path_factory, issuer):
    running = Lockhouse(tmp_path_factory.mktemp("ci"), settings={"LOCKHOUSE_CI_ISSUERS": issuer.issuer})
    running.command(*created("deploy", running, issuer)).ok()
    yield running
    try:
        running.stop()
    finally:
        running.abandon()


def test_the_s3_backend_works_from_init_to_destroy_with_an_id_token_alone(server, issuer, tmp_path):
    token = tmp_path / "id-token"
    token.write_text(mint(issuer))
    arn = server.json("trust", "show", "deploy")["trust"]["role_arn"]
    job = Terraform(tmp_path / "job", environment={"AWS_ENDPOINT_URL": server.endpoint})
    job.write(
        "backend.tf",
        f"""terraform {{
  backend "s3" {{
    bucket       = "{server.namespace}"
    key          = "app/prod.tfstate"
    region       = "us-east-1"
    use_lockfile = true
    assume_role_with_web_identity = {{
      role_arn                = "{arn}"
      web_identity_token_file = "{token}"
    }}
  }}
}}
""",
    ).write("main.tf", resources("one"))
    job.init()
    job.apply()
    assert job.resources() == ["terraform_data.one"]
    token.write_text(mint(issuer, run_id="11"))
    job.ok("destroy", "-auto-approve", "-input=false")
    versions = server.command("state", "versions", server.namespace, "app/prod.tfstate").text
    assert "deploy/987654.2" in versions
    assert "deploy/11.2" in versions
    token.write_text(mint(issuer, repository_id="1002"))
    refused = job.run("plan", "-input=false")
    assert refused.code == 1
    assert "AccessDenied" in refused.text


def test_the_http_backend_works_with_an_exchanged_token(server, issuer, tmp_path):
    given = exchange(server, mint(issuer)).json()["token"]
    address = f"{server.endpoint}/http/{server.namespace}/app/over-http"
    environment = {
        "TF_HTTP_ADDRESS": address,
        "TF_HTTP_LOCK_ADDRESS": address,
        "TF_HTTP_UNLOCK_ADDRESS": address,
        "TF_HTTP_USERNAME": "ci",
        "TF_HTTP_PASSWORD": given,
    }
    job = Terraform(tmp_path / "job", environment=environment)
    job.write("backend.tf", 'terraform {\n  backend "http" {}\n}\n').write("main.tf", resources("one"))
    job.init()
    job.apply()
    assert job.resources() == ["terraform_data.one"]
    assert httpx.get(address, trust_env=False).status_code == 401


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_an_apply_that_outlasts_its_id_token_and_its_credentials_saves_and_unlocks(server, issuer, tmp_path, hold):
    """The SDK renews its credentials by itself when those of a quarter of an hour end, with an ID token of five minutes."""
    server.command(*created("short", server, issuer, minutes="15")).ok()
    token, point = tmp_path / "id-token", hold("long")
    token.write_text(mint(issuer, run_id="313"))
    arn = server.json("trust", "show", "short")["trust"]["role_arn"]
    job = Terraform(tmp_path / "job", environment={"AWS_ENDPOINT_URL": server.endpoint})
    job.write(
        "backend.tf",
        f"""terraform {{
  backend "s3" {{
    bucket       = "{server.namespace}"
    key          = "app/long.tfstate"
    region       = "us-east-1"
    use_lockfile = true
    assume_role_with_web_identity = {{
      role_arn                = "{arn}"
      web_identity_token_file = "{token}"
    }}
  }}
}}
""",
    ).write("main.tf", resources("one", "two", waiting={"two": point.command}))
    job.init()
    apply = job.start_apply()
    point.wait(apply)
    (held,) = [each for each in server.json("lock", "list") if each["key"] == "app/long.tfstate"]
    ends = time.time() + 900
    while time.time() < ends + 20:
        time.sleep(5)
    point.release()
    job.finish(apply).ok()
    assert not (job.directory / "errored.tfstate").exists()
    assert [each for each in server.json("lock", "list") if each["key"] == "app/long.tfstate"] == []
    told = server.json("audit", "list", "--namespace", server.namespace, "--prefix", "app/long")
    finished = {each["action"] for each in told if each.get("detail", "").startswith("in grace")}
    assert {"version.write", "lock.released"} <= finished
    assert held["name"] == "short/313.2"
    again = server.json("audit", "list", "--action", "credential.exchange")
    assert any(each["detail"].startswith("to finish for") for each in again)
    assert job.run("plan", "-input=false").code == 1
