"""Workspaces, tags, projects and organizations, as go-tfe and the tfe provider ask for them."""

from __future__ import annotations

import pytest

from lockhouse.core.principals import Grant, Right
from lockhouse.core.workspaces import ADOPTED_FIRST
from lockhouse.errors import ALL_PROBLEMS
from lockhouse.protocols.tfe.wire import STATUSES
from tests.wire.rig import EVERYTHING, state
from tests.wire.tfe.conftest import Client


def put(client: Client, key: str, body: bytes):
    """A state that comes another way."""
    return client.rig.ask("POST", f"/http/acme/{key}", body, client.user.basic)


def test_the_table_answers_every_problem_and_a_refusal_is_never_a_404():
    assert set(STATUSES) == set(ALL_PROBLEMS)
    assert STATUSES["access.denied"] == 403
    assert all(STATUSES[code] != 404 for code in STATUSES if code.startswith(("storage.", "signature.", "write.")))


def test_discovery_names_every_service_and_the_login(rig):
    answer = rig.ask("GET", "/.well-known/terraform.json", headers={"authorization": "Bearer whatever"})
    assert answer.headers["content-type"] == "application/json"
    services = answer.json()
    assert {services[name] for name in ("state.v2", "tfe.v2", "tfe.v2.1", "tfe.v2.2")} == {"/api/v2/"}
    assert services["login.v1"]["grant_types"] == ["authz_code"]
    low, high = services["login.v1"]["ports"]
    assert low < high


def test_ping_says_that_this_is_an_api_that_cloud_blocks_accept(ann):
    answer = ann.ask("GET", "ping")
    assert answer.status == 204
    assert float(answer.headers["tfp-api-version"]) >= 2.6
    assert answer.headers["tfp-appname"] == "HCP Terraform"


def test_nobody_gets_in_without_a_token(rig, ann):
    for headers in ({}, {"authorization": "Bearer lkh_x"}, ann.user.basic):
        answer = rig.ask("GET", "/api/v2/organizations/acme/entitlement-set", headers=headers)
        assert answer.status == 401
        assert answer.json()["errors"][0]["status"] == "401"


def test_entitlements_force_local_execution(ann):
    assert ann.data("GET", "organizations/acme/entitlement-set")["attributes"]["operations"] is False
    assert ann.ask("GET", "organizations/nowhere/entitlement-set").status == 404


def test_a_workspace_has_what_clients_crash_without(ann):
    ann.workspace()
    found = ann.data("GET", "organizations/acme/workspaces/prod")
    assert found["type"] == "workspaces"
    assert found["attributes"]["execution-mode"] == "local"
    assert found["attributes"]["permissions"]["can-force-delete"] is True
    assert found["attributes"]["created-at"].endswith("Z")
    assert found["attributes"]["locked"] is False
    assert found["relationships"]["organization"]["data"] == {"id": "acme", "type": "organizations"}
    assert ann.data("GET", f"workspaces/{found['id']}") == found


def test_a_name_is_taken_once_and_must_be_a_name(ann):
    ann.workspace()
    for name, status in (("prod", 422), ("a b", 422), ("", 422), ("x" * 91, 422)):
        document = {"data": {"type": "workspaces", "attributes": {"name": name}}}
        answer = ann.ask("POST", "organizations/acme/workspaces", document)
        assert answer.status == status
        assert answer.json()["errors"][0]["detail"]


def test_a_state_of_another_protocol_has_the_name_that_its_key_suggests(ann):
    put(ann, "app/prod/terraform.tfstate", state(1))
    found = ann.data("GET", "organizations/acme/workspaces/app-prod")
    assert ann.data("GET", f"workspaces/{found['id']}/current-state-version")["attributes"]["serial"] == 1
    assert found["id"] == ann.data("GET", "organizations/acme/workspaces/app-prod")["id"]


def test_an_ambiguous_name_is_refused_with_the_candidates_and_never_created(ann):
    put(ann, "app/terraform.tfstate", state(1))
    put(ann, "app.tfstate", state(1))
    answer = ann.ask("GET", "organizations/acme/workspaces/app")
    assert answer.status == 422
    assert "app.tfstate, app/terraform.tfstate" in answer.json()["errors"][0]["detail"]
    document = {"data": {"type": "workspaces", "attributes": {"name": "app"}}}
    assert ann.ask("POST", "organizations/acme/workspaces", document).status == 422
    assert ann.data("GET", "organizations/acme/workspaces") == []


def test_a_state_that_is_only_locked_so_far_is_not_given_an_empty_twin(rig, ann):
    body = b'{"ID":"l-1","Operation":"OperationTypeApply"}'
    rig.ask("LOCK", "/http/acme/app/terraform.tfstate", body, ann.user.basic)
    found = ann.data("GET", "organizations/acme/workspaces/app")
    assert found["attributes"]["locked"] is True


def test_a_deleted_state_that_is_locked_to_be_written_again_is_not_given_an_empty_twin(rig, ann, bob):
    place = "/http/acme/app/prod/terraform.tfstate"
    put(ann, "app/prod/terraform.tfstate", state(1))
    assert rig.ask("DELETE", place, b"", ann.user.basic).status == 200
    rig.ask("LOCK", place, b'{"ID":"l-1","Operation":"OperationTypeApply"}', ann.user.basic)
    made = bob.workspace("app-prod")
    held = bob.lock(made)
    assert (held.status, b"workspace already locked" in held.body) == (409, True)
    assert bob.data("GET", "organizations/acme/workspaces/app-prod")["attributes"]["locked"] is True
    assert rig.ask("POST", f"{place}?ID=l-1", state(2), ann.user.basic).status == 200
    rig.ask("UNLOCK", place, b'{"ID":"l-1"}', ann.user.basic)
    assert bob.lock(made).status == 200
    assert bob.data("GET", f"workspaces/{made}/current-state-version")["attributes"]["serial"] == 2


def test_a_missing_workspace_is_404_to_who_might_create_it_and_403_to_who_may_see_nothing(rig, ann):
    assert ann.ask("GET", "organizations/acme/workspaces/nothing").status == 404
    ann.workspace("prod")
    stranger = Client(rig, "stranger", Grant("acme", "elsewhere/", EVERYTHING))
    for name in ("prod", "nothing"):
        assert stranger.ask("GET", f"organizations/acme/workspaces/{name}").status == 403
    other = Client(rig, "other", Grant("other", "", EVERYTHING))
    assert other.ask("GET", "organizations/acme/workspaces/prod").status == 403
    workspace = ann.data("GET", "organizations/acme/workspaces/prod")["id"]
    assert stranger.ask("GET", f"workspaces/{workspace}").status == 404
    assert stranger.data("GET", "organizations/acme/workspaces") == []


def test_a_run_that_lost_its_grant_is_never_told_that_there_is_no_state(rig, ann):
    workspace = ann.workspace()
    ann.lock(workspace)
    ann.save(workspace, state(1))
    stranger = Client(rig, "stranger", Grant("acme", "elsewhere/", EVERYTHING))
    hidden, absent = (
        stranger.ask("GET", f"workspaces/{each}/current-state-version") for each in (workspace, "ws-nobodyhasthisid")
    )
    assert (hidden.status, absent.status) == (403, 403)
    assert hidden.body.replace(workspace.encode(), b"ID") == absent.body.replace(b"ws-nobodyhasthisid", b"ID")
    assert ann.ask("GET", f"workspaces/{ann.workspace('empty')}/current-state-version").status == 404
    ann.unlock(workspace)
    assert ann.ask("DELETE", "organizations/acme/workspaces/prod").status == 204
    assert ann.ask("GET", f"workspaces/{workspace}/current-state-version").status == 403


def test_the_first_list_names_all_states_that_came_another_way(ann):
    count = 2 * ADOPTED_FIRST + 1  # more than one command looks at
    for number in range(count):
        assert put(ann, f"w{number:03}/terraform.tfstate", state(1)).status == 200
    page = ann.ask("GET", "organizations/acme/workspaces?page%5Bsize%5D=100").json()
    assert len(page["data"]) == count
    assert ann.ask("GET", "organizations/acme/workspaces?page%5Bsize%5D=100").json() == page


def test_lists_have_pages_searches_and_filters(ann):
    ids = {}
    for name, tags in (("app-dev", ["a"]), ("app-prod", ["a", "b"]), ("web", [])):
        relation = {"tags": {"data": [{"type": "tags", "attributes": {"name": tag}} for tag in tags]}}
        document = {"data": {"type": "workspaces", "attributes": {"name": name}, "relationships": relation}}
        ids[name] = ann.data("POST", "organizations/acme/workspaces", document, 201)["id"]
    pairs = {"data": [{"type": "tag-bindings", "attributes": {"key": "team", "value": "core"}}]}
    ann.data("PATCH", f"workspaces/{ids['web']}/tag-bindings", pairs)

    def names(query: str) -> list[str]:
        return [each["attributes"]["name"] for each in ann.data("GET", f"organizations/acme/workspaces?{query}")]

    assert names("") == ["app-dev", "app-prod", "web"]
    assert names("sort=-name") == ["web", "app-prod", "app-dev"]
    assert names("search%5Btags%5D=a%2Cb") == ["app-prod"]
    assert names("search%5Bexclude-tags%5D=b") == ["app-dev", "web"]
    assert names("search%5Bname%5D=app-") == ["app-dev", "app-prod"]
    assert names("search%5Bwildcard-name%5D=%2Aprod") == ["app-prod"]
    tagged = "filter%5Btagged%5D%5B0%5D%5Bkey%5D=team&filter%5Btagged%5D%5B0%5D%5Bvalue%5D="
    assert names(f"{tagged}core&TagBindings=%7B+team+core%7D&search%5Btags%5D=team") == ["web"]
    assert names(f"{tagged}other") == []
    page = ann.ask("GET", "organizations/acme/workspaces?page%5Bnumber%5D=2&page%5Bsize%5D=2").json()
    assert [each["attributes"]["name"] for each in page["data"]] == ["web"]
    assert page["meta"]["pagination"] == {
        "current-page": 2, "page-size": 2, "prev-page": 1, "next-page": None, "total-pages": 2, "total-count": 3,
    }  # fmt: skip
    assert ann.ask("GET", "organizations/acme/workspaces?page%5Bnumber%5D=0").status == 422


def test_includes_are_given_once_each(ann):
    ann.workspace("one")
    ann.workspace("two")
    answer = ann.ask("GET", "organizations/acme/workspaces?include=organization,project").json()
    assert [(each["type"], each["id"][:3]) for each in answer["included"]] == [
        ("organizations", "acm"),
        ("projects", "prj"),
    ]


def test_a_workspace_is_renamed_and_changed_and_keeps_its_state(ann):
    workspace = ann.workspace("old")
    ann.lock(workspace)
    ann.save(workspace, state(1))
    ann.unlock(workspace)
    document = {
        "data": {"type": "workspaces", "attributes": {"name": "new", "terraform-version": "1.15.5", "description": "x"}}
    }
    changed = ann.data("PATCH", f"workspaces/{workspace}", document)
    assert (changed["id"], changed["attributes"]["name"]) == (workspace, "new")
    assert changed["attributes"]["terraform-version"] == "1.15.5"
    assert ann.ask("GET", "organizations/acme/workspaces/old").status == 404
    assert ann.data("GET", f"workspaces/{workspace}/current-state-version")["attributes"]["serial"] == 1
    again = ann.workspace("old")
    assert ann.ask("GET", f"workspaces/{again}/current-state-version").status == 404


@pytest.mark.parametrize(
    "attributes", [{"execution-mode": "remote"}, {"execution-mode": "agent"}, {"operations": True}]
)
def test_remote_execution_is_refused_in_words(ann, attributes):
    document = {"data": {"type": "workspaces", "attributes": {"name": "x", **attributes}}}
    answer = ann.ask("POST", "organizations/acme/workspaces", document)
    assert answer.status == 422
    assert "remote execution is not offered here" in answer.json()["errors"][0]["detail"]


def test_runs_configuration_versions_and_variables_are_answered_for_local_execution(ann):
    workspace = ann.workspace()
    for path in ("runs", "configuration-versions", "vars", "all-vars", "varsets"):
        assert ann.data("GET", f"workspaces/{workspace}/{path}") == []
    assert ann.data("GET", "organizations/acme/runs/queue") == []
    for path in ("runs", f"workspaces/{workspace}/configuration-versions", f"workspaces/{workspace}/vars"):
        assert ann.ask("POST", path, {"data": {}}).status == 422


def test_safe_delete_is_refused_while_resources_remain_and_the_versions_outlive_a_deletion(ann):
    workspace = ann.workspace()
    ann.lock(workspace)
    ann.save(workspace, state(1))
    assert "locked" in ann.ask("POST", f"workspaces/{workspace}/actions/safe-delete").json()["errors"][0]["detail"]
    ann.unlock(workspace)
    answer = ann.ask("POST", "organizations/acme/workspaces/prod/actions/safe-delete")
    assert answer.status == 409
    detail = answer.json()["errors"][0]["detail"]
    assert "locked" not in detail and "being processed" not in detail
    assert ann.ask("DELETE", "organizations/acme/workspaces/prod").status == 204
    assert ann.ask("GET", "organizations/acme/workspaces/prod").status == 404
    again = ann.workspace()
    assert ann.ask("GET", f"workspaces/{again}/current-state-version").status == 404
    assert len(ann.data("GET", f"workspaces/{again}/state-versions")) == 1


def test_an_empty_workspace_can_be_deleted_safely_and_does_not_come_back(ann):
    workspace = ann.workspace()
    assert ann.ask("POST", f"workspaces/{workspace}/actions/safe-delete").status == 204
    assert ann.data("GET", "organizations/acme/workspaces") == []
    assert ann.ask("DELETE", f"workspaces/{workspace}").status == 404


def test_tags_are_added_listed_and_removed(ann):
    workspace = ann.workspace()
    where = f"workspaces/{workspace}/relationships/tags"
    body = {"data": [{"type": "tags", "attributes": {"name": name}} for name in ("B", "a")]}
    assert ann.ask("POST", where, body).status == 204
    tags = ann.data("GET", where)
    assert [each["attributes"]["name"] for each in tags] == ["b", "a"]
    assert ann.data("GET", f"workspaces/{workspace}")["attributes"]["tag-names"] == ["b", "a"]
    assert ann.data("GET", "organizations/acme/tags")[0]["attributes"] == {"name": "a", "instance-count": 1}
    assert ann.ask("DELETE", where, {"data": [{"type": "tags", "id": tags[0]["id"]}]}).status == 204
    assert [each["attributes"]["name"] for each in ann.data("GET", where)] == ["a"]


def test_projects_group_workspaces_and_the_default_one_is_always_there(ann):
    (default,) = ann.data("GET", "organizations/acme/projects")
    assert default["attributes"]["name"] == "Default Project"
    body = {"data": {"type": "projects", "attributes": {"name": "net", "description": "d"}}}
    project = ann.data("POST", "organizations/acme/projects", body, 201)["id"]
    assert ann.ask("POST", "organizations/acme/projects", body).status == 422
    relation = {"project": {"data": {"type": "projects", "id": project}}}
    document = {"data": {"type": "workspaces", "attributes": {"name": "w"}, "relationships": relation}}
    found = ann.data("POST", "organizations/acme/workspaces", document, 201)
    assert found["relationships"]["project"]["data"]["id"] == project
    assert len(ann.data("GET", f"organizations/acme/workspaces?filter%5Bproject%5D%5Bid%5D={project}")) == 1
    assert [each["id"] for each in ann.data("GET", "organizations/acme/projects?filter%5Bnames%5D=net")] == [project]
    assert ann.ask("DELETE", f"projects/{project}").status == 422
    ann.ask("DELETE", f"workspaces/{found['id']}")
    renamed = ann.data("PATCH", f"projects/{project}", {"data": {"attributes": {"name": "network"}}})
    assert renamed["attributes"]["name"] == "network"
    pairs = {"data": [{"type": "tag-bindings", "attributes": {"key": "team", "value": "core"}}]}
    ann.data("PATCH", f"projects/{project}/tag-bindings", pairs)
    assert ann.data("GET", f"projects/{project}/tag-bindings")[0]["attributes"] == {"key": "team", "value": "core"}
    assert ann.ask("DELETE", f"projects/{project}").status == 204
    assert ann.ask("GET", f"projects/{project}").status == 404
    assert ann.data("GET", f"projects/{default['id']}")["id"] == default["id"]
    assert ann.ask("DELETE", f"projects/{default['id']}").status == 422


def test_remote_state_consumers_are_kept(ann):
    one, two = ann.workspace("one"), ann.workspace("two")
    where = f"workspaces/{one}/relationships/remote-state-consumers"
    body = {"data": [{"type": "workspaces", "id": two}]}
    assert ann.ask("POST", where, body).status == 204
    assert [each["id"] for each in ann.data("GET", where)] == [two]
    assert ann.ask("PATCH", where, {"data": []}).status == 204
    assert ann.ask("POST", where, body).status == 204
    assert ann.ask("DELETE", where, body).status == 204
    assert ann.data("GET", where) == []
    assert ann.ask("POST", where, {"data": [{"type": "workspaces", "id": "ws-nothing"}]}).status == 404


def test_organizations_are_the_namespaces_that_the_caller_sees(rig, ann):
    assert [each["id"] for each in ann.data("GET", "organizations")] == ["acme"]
    assert ann.data("GET", "organizations/acme")["attributes"]["default-execution-mode"] == "local"
    other = Client(rig, "other", Grant("other", "", EVERYTHING))
    assert other.data("GET", "organizations") == []
    assert other.ask("GET", "organizations/acme").status == 403
    body = {"data": {"type": "organizations", "attributes": {"name": "fresh", "email": "x@example.com"}}}
    assert ann.ask("POST", "organizations", body).status == 403
    admin = Client(rig, "admin", Grant("*", "", (Right.ADMIN,)))
    assert admin.data("POST", "organizations", body, 201)["id"] == "fresh"


def test_tokens_are_made_shown_once_listed_and_revoked(rig, ann, bob):
    me = ann.data("GET", "account/details")
    assert me["attributes"]["username"] == "ann"
    made = ann.data("POST", f"users/{me['id']}/authentication-tokens", {"data": {}}, 201)
    text = made["attributes"]["token"]
    use = {"authorization": f"Bearer {text}"}
    assert rig.ask("GET", "/api/v2/account/details", headers=use).status == 200
    assert [each["attributes"]["token"] for each in ann.data("GET", f"users/{me['id']}/authentication-tokens")] == [
        None,
        None,
    ]
    assert ann.data("GET", f"authentication-tokens/{made['id']}")["id"] == made["id"]
    assert bob.ask("DELETE", f"authentication-tokens/{made['id']}").status == 404
    assert bob.ask("GET", f"users/{me['id']}/authentication-tokens").status == 404
    assert ann.ask("DELETE", f"authentication-tokens/{made['id']}").status == 204
    assert rig.ask("GET", "/api/v2/account/details", headers=use).status == 401


def test_an_organization_has_one_token_which_a_new_one_replaces(rig, ann):
    where = "organizations/acme/authentication-token"
    assert ann.ask("POST", where, {}).status == 403
    admin = Client(rig, "admin", Grant("acme", "", (Right.ADMIN,)))
    assert admin.ask("GET", where).status == 404
    first = admin.data("POST", where, {}, 201)["attributes"]["token"]
    second = admin.data("POST", where, {}, 201)["attributes"]["token"]
    assert admin.data("GET", where)["attributes"]["token"] is None

    def status(text: str) -> int:
        headers = {"authorization": f"Bearer {text}"}
        return rig.ask("GET", "/api/v2/organizations/acme/workspaces", headers=headers).status

    assert (status(first), status(second)) == (401, 200)
    assert admin.ask("DELETE", where).status == 204
    assert status(second) == 401


def test_a_workspace_is_changed_by_its_name_too_and_shows_the_tags_of_its_project(ann):
    workspace = ann.workspace()
    document = {"data": {"attributes": {"description": "text", "auto-apply": None}}}
    changed = ann.data("PATCH", "organizations/acme/workspaces/prod", document)
    assert changed["attributes"]["description"] == "text"
    assert (
        ann.ask("PATCH", "organizations/acme/workspaces/prod", {"data": {"attributes": {"description": 1}}}).status
        == 422
    )
    body = {"data": {"attributes": {"name": "net"}, "relationships": {"tag-bindings": {"data": [pair("a", "1")]}}}}
    project = ann.data("POST", "organizations/acme/projects", body, 201)["id"]
    relation = {"project": {"data": {"type": "projects", "id": project}}, "tag-bindings": {"data": [pair("b", "2")]}}
    ann.data("PATCH", f"workspaces/{workspace}", {"data": {"attributes": {}, "relationships": relation}})

    def tags(which: str):
        return [tuple(each["attributes"].values()) for each in ann.data("GET", f"workspaces/{workspace}/{which}")]

    assert tags("tag-bindings") == [("b", "2")]
    assert tags("effective-tag-bindings") == [("a", "1"), ("b", "2")]
    assert ann.data("GET", "organizations/acme/varsets") == []


def pair(key: str, value: str):
    return {"type": "tag-bindings", "attributes": {"key": key, "value": value}}


def test_what_is_not_here_is_404_in_the_words_of_the_api(ann):
    for path in ("teams/team-1", "organizations/acme/organization-memberships", "runs/run-1", "nothing", ""):
        answer = ann.ask("GET", path)
        assert answer.status == 404
        assert answer.json()["errors"][0]["title"] == "not found"
    assert ann.ask("POST", "organizations/acme/workspaces", None).status == 422
    answer = ann.rig.ask("POST", "/api/v2/organizations/acme/workspaces", b"{", ann.user.bearer)
    assert answer.status == 400
