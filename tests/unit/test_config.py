"""Settings: where they come from, which wins, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockhouse.config import SETTINGS, Listen
from lockhouse.config.loading import load
from lockhouse.errors import SettingInvalid


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_anything_every_setting_has_its_default():
    settings = load({}, {})
    assert settings.listen == Listen("127.0.0.1", 7373)
    assert settings.lock_wait == 20.0
    assert settings.max_body == 1 << 30
    assert settings.scheme == "http"


def test_a_flag_wins_over_the_environment_and_that_over_the_file(elsewhere: Path):
    (elsewhere / "lockhouse.toml").write_text('lock_wait = 1\nregion = "eu-north-1"\nlog_level = "debug"\n')
    settings = load({"lock_wait": "3", "region": None}, {"LOCKHOUSE_LOCK_WAIT": "2", "LOCKHOUSE_REGION": "eu-west-1"})
    assert (settings.lock_wait, settings.region, settings.log_level) == (3.0, "eu-west-1", "debug")


def test_the_file_may_be_named_by_the_environment(elsewhere: Path):
    (elsewhere / "other.toml").write_text("require_lock = true\nmax_body = 5242880\n")
    settings = load({}, {"LOCKHOUSE_CONFIG": str(elsewhere / "other.toml")})
    assert settings.require_lock
    assert settings.max_body == 5 << 20


def test_a_named_file_that_is_missing_is_refused():
    with pytest.raises(SettingInvalid, match=r"cannot read nowhere\.toml"):
        load({"config": "nowhere.toml"}, {})


def test_an_unknown_key_is_refused_with_the_nearest_one(elsewhere: Path):
    (elsewhere / "lockhouse.toml").write_text("lock_weight = 1\n")
    with pytest.raises(SettingInvalid) as problem:
        load({}, {})
    assert problem.value.hint == "did you mean lock_wait?"


def test_a_misspelt_variable_is_refused_and_a_strangers_is_not():
    load({}, {"LOCKHOUSE_SERVICE_HOST": "10.0.0.1", "LOCKHOUSE_ENDPOINT": "http://x", "LOCKHOUSE_PORT": "tcp://x"})
    with pytest.raises(SettingInvalid) as problem:
        load({}, {"LOCKHOUSE_LOCKWAIT": "0"})
    assert problem.value.hint == "did you mean LOCKHOUSE_LOCK_WAIT?"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("lock_wait", "51", "from 0 to 50"),
        ("lock_wait", "nan", "from 0 to 50"),
        ("lock_wait", "soon", "from 0 to 50"),
        ("listen", "7373", "HOST:PORT"),
        ("listen", "localhost:99999", "HOST:PORT"),
        ("account_id", "1234", "12 digits"),
        ("max_body", "6GiB", "bytes"),
        ("max_body", "-1", "bytes"),
        ("max_connections", "0", "from 1"),
        ("blobs", "ftp://x", "embedded, database or s3://"),
        ("database_url", "mysql://x", "postgresql://"),
        ("namespace", "x", "3 to 63"),
        ("public_url", "https://a/b", "https://HOST"),
        ("public_host", "a/b", "host name"),
        ("log_format", "xml", "text or json"),
        ("require_lock", "maybe", "true or false"),
        ("data", "", "a path"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(name: str, value: str, said: str):
    with pytest.raises(SettingInvalid, match=said) as problem:
        load({name: value}, {})
    assert problem.value.details == {"setting": name}
    assert SETTINGS[name].flag in problem.value.message


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("0.0.0.0:0", "0.0.0.0", 0), ("[::1]:7373", "::1", 7373), ("states.example:443", "states.example", 443)],
)
def test_addresses_to_listen_on(text: str, host: str, port: int):
    listen = load({"listen": text}, {}).listen
    assert listen == (host, port)
    assert str(listen) == text


def test_a_certificate_needs_its_key_and_excludes_a_self_signed_one():
    with pytest.raises(SettingInvalid, match="only one of") as alone:
        load({"tls_cert": "a.pem"}, {})
    with pytest.raises(SettingInvalid, match="together") as both:
        load({"tls_cert": "a.pem", "tls_key": "b.pem", "tls_self_signed": True}, {})
    assert "--tls-self-signed" in alone.value.hint
    assert both.value.hint
    assert load({"tls_cert": "a.pem", "tls_key": "b.pem"}, {}).scheme == "https"


def test_every_default_passes_its_own_check():
    for setting in SETTINGS.values():
        setting.parse(setting.default)


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"signin": "oidc"}, "oidc_issuer"),
        ({"signin": "oidc", "oidc_issuer": "https://id.example"}, "oidc_client_id"),
        ({"signin": "oidc", "oidc_issuer": "id.example", "oidc_client_id": "c"}, "oidc_issuer"),
        ({"signin": "workos"}, "workos_client_id"),
        ({"signin": "workos", "workos_client_id": "c"}, "workos_api_key"),
        ({"signin": "password"}, "signin"),
        ({"oidc_algorithms": "RS256,HS256"}, "oidc_algorithms"),
        ({"oidc_algorithms": "none"}, "oidc_algorithms"),
        ({"signin_teams": "devs"}, "signin_teams"),
        ({"signin_domains": "exa mple.com, @x"}, "signin_domains"),
        ({"sessions_url": "http://redis"}, "sessions_url"),
        ({"session_idle": "5"}, "session_idle"),
    ],
)
def test_a_way_to_sign_in_that_cannot_work_is_refused_at_the_start(given: dict[str, str], setting: str):
    with pytest.raises(SettingInvalid) as refused:
        load({**given, "config": None}, {})
    assert refused.value.details["setting"] == setting
    assert refused.value.hint


@pytest.mark.parametrize(
    "more", [{"oidc_scopes": "profile"}, {"signin_organizations": "org_1"}, {"oidc_algorithms": ""}]
)
def test_what_oidc_needs_besides_is_asked_for(more: dict[str, str]):
    given = {"signin": "oidc", "oidc_issuer": "https://id.example/", "oidc_client_id": "c", "config": None}
    assert load(given, {}).oidc_issuer == "https://id.example/"
    with pytest.raises(SettingInvalid):
        load(given | more, {})


def test_lists_and_pairs_are_read_with_commas_and_spaces():
    settings = load(
        {"signin_teams": "Platform people=platform, a=b=c", "signin_domains": "Example.com other.example"}, {}
    )
    assert settings.signin_teams == (("Platform people", "platform"), ("a=b", "c"))
    assert settings.signin_domains == ("example.com", "other.example")


def test_a_secret_is_neither_in_a_refusal_nor_in_what_settings_print():
    with pytest.raises(SettingInvalid) as refused:
        load({"sessions_url": "rdis://:hunter2@redis"}, {})
    assert "hunter2" not in refused.value.message
    settings = load({"sessions_url": "redis://:hunter2@redis", "oidc_client_secret": "hunter2"}, {})
    assert settings.oidc_client_secret == "hunter2"
    assert "hunter2" not in repr(settings)
