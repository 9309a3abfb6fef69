"""Whatever comes to http, the cloud API and the login, the answer is a refusal in words and never an internal error."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockhouse.protocols.tfe.routes import ROUTES
from tests.model.clients import make_rig
from tests.wire.rig import Rig, state

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "LOCK", "UNLOCK")
SEGMENT = st.sampled_from(
    [
        "acme",
        "prod",
        "%ff",
        "%00",
        "..",
        ".",
        "",
        "ws-1",
        "sv-1.1.x",
        "sv-" + "u" * 17,
        "wsout-x.1.y.z",
        "%2f",
        "a" * 300,
        "ä",
    ]
)
BODY = st.sampled_from(
    [
        b"", b"{}", b"[]", b"null", b'{"data":1}', b'{"data":{"attributes":[]}}', b'{"data":{"attributes":{"name":1}}}',
        b'{"data":[1,{}]}', b'{"ID":"\\ud800"}', b'{"ID":"x"}', b'{"ID":1}', b"\xff", b"[" * 5000, state(1),
        b'{"data":{"attributes":{"serial":-1,"md5":"x"}}}', b'{"data":{"attributes":{"serial":1e400}}}',
        b'{"data":{"attributes":{"name":"n"},"relationships":{"project":{"data":[]},"tags":{"data":[{}]}}}}',
        b'{"data":{"attributes":{"name":"\\u0000"}}}', b'{"version":4,"serial":1,"lineage":"\\ud800"}',
    ]
)  # fmt: skip
QUERY = st.sampled_from(
    ["", "?page%5Bnumber%5D=x", "?page%5Bsize%5D=99999999999", "?ID=%ff", "?version=%ff", "?serial=1e5", "?serial=-1",
     "?include=%ff,outputs", "?filter%5Btagged%5D%5B999%5D%5Bkey%5D=a", "?search%5Btags%5D=,,,", "?reason=%00"]
)  # fmt: skip


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    made = make_rig(Path(tmp_path_factory.mktemp("hostile")))
    yield made
    made.close()


@pytest.fixture(scope="module")
def user(rig):
    return rig.user("user")


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_request_is_an_internal_error(rig, user, data):
    draw = data.draw
    kind = draw(st.sampled_from(["http", "route", "api", "oauth"]))
    if kind == "http":
        path = "/http/" + "/".join(draw(st.lists(SEGMENT, min_size=1, max_size=4)))
    elif kind == "oauth":
        path = draw(st.sampled_from(["/oauth/authorization", "/oauth/token", "/oauth/", "/.well-known/terraform.json"]))
    elif kind == "api":
        path = "/api/v2/" + "/".join(draw(st.lists(SEGMENT, max_size=5)))
    else:
        route = draw(st.sampled_from(ROUTES))
        path = "/api/v2/" + "/".join(draw(SEGMENT) if part.startswith("{") else part for part in route.path.split("/"))
    method = draw(st.sampled_from(METHODS)) if kind != "route" else route.method
    headers = user.basic if kind == "http" else user.bearer
    answer = rig.ask(method, path + draw(QUERY), draw(BODY), headers)
    assert answer.status < 500, (method, path, answer.body)


def test_a_bearer_or_basic_header_of_any_form_is_only_a_stranger(rig):
    for scheme, text in itertools.product(
        ("Basic", "Bearer", "basic", "Token", ""), ("", "!", "%ff", "\xff", "a" * 5000, "Og==")
    ):
        for path in ("/http/acme/prod", "/api/v2/organizations"):
            assert rig.ask("GET", path, headers={"authorization": f"{scheme} {text}".strip() or " "}).status == 401
