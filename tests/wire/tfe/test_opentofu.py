"""What OpenTofu sends otherwise than Terraform (PROTOCOLS 3 and 4, from its source): agents, headers, encrypted state."""

from __future__ import annotations

import json

import pytest

from tests.wire.tfe.conftest import JSON_API

ENCRYPTED = json.dumps(
    {
        "serial": 1,
        "lineage": "line",
        "meta": {"key_provider.pbkdf2.main": "eyJz"},
        "encrypted_data": "c2VjcmV0",
        "encryption_version": "v0",
    }
).encode()
VERSIONS = ("OpenTofu/1.6.3", "OpenTofu/1.11.14")


@pytest.mark.parametrize("agent", VERSIONS)
def test_a_run_by_opentofu_over_cloud_needs_no_header_that_only_terraform_sends(rig, ann, agent):
    headers = JSON_API | ann.user.bearer | {"user-agent": agent}

    def ask(method: str, path: str, document: object = None):
        body = b"" if document is None else json.dumps(document).encode()
        return rig.ask(method, f"/api/v2/{path}", body, headers)

    assert ask("GET", "organizations/acme/entitlement-set").status == 200
    workspace = ann.workspace("tofu")
    assert ask("POST", f"workspaces/{workspace}/actions/lock", {"reason": "Locked by OpenTofu"}).status == 200
    announced = ann.announce(workspace, ENCRYPTED)
    upload = announced.json()["data"]["attributes"]["hosted-state-upload-url"].removeprefix("https://lock.test")
    assert rig.ask("PUT", upload, ENCRYPTED, {"content-type": "application/octet-stream"}).status == 200
    version = ask("GET", f"workspaces/{workspace}/current-state-version").json()["data"]
    download = version["attributes"]["hosted-state-download-url"].removeprefix("https://lock.test")
    assert rig.ask("GET", download, headers=headers).body == ENCRYPTED
    assert ask("POST", f"workspaces/{workspace}/actions/unlock").status == 200


def test_the_headers_argument_of_opentofus_http_block_may_carry_the_token(rig, ann):
    own = ann.user.bearer | {"user-agent": "OpenTofu/1.11.14 (+https://opentofu.org)", "x-team": "platform"}
    document = b'{"ID":"t-1","Operation":"OperationTypeApply","Info":"","Who":"a@b","Version":"1.11.14"}'
    assert rig.ask("LOCK", "/http/acme/tofu", document, own).status == 200
    assert rig.ask("POST", "/http/acme/tofu?ID=t-1", ENCRYPTED, own).status in (200, 201, 204)
    assert rig.ask("GET", "/http/acme/tofu", headers=own).body == ENCRYPTED
    assert rig.ask("UNLOCK", "/http/acme/tofu", document, own).status == 200
