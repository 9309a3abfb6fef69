"""Which events a webhook is told of, in which words, and when it is asked again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lockhouse
from lockhouse.core.audit import Entry
from lockhouse.core.webhooks import (
    ACTIONS,
    DEFAULT,
    FIRST_RETRY,
    GIVE_UP_SECONDS,
    LAST_RETRY,
    Form,
    Progress,
    Webhook,
    after_failure,
    after_success,
    document,
    kind_of,
)

ROOT = Path(lockhouse.__file__).parent


def webhook(*events: str, **fields) -> Webhook:
    return Webhook("id", "name", "https://example.com", events, 1.0, "ann", b"n", **fields)


BACK = Entry(1.0, "version.write", detail="serial 5, 90 bytes, rollback")
FORCED = Entry(5.0, "lock.forced", name="bob", namespace="acme", key="app/x", subject="id-1", detail="runner died")


@pytest.mark.parametrize(
    ("hook", "entry", "wanted"),
    [
        (webhook("lock.forced"), FORCED, True),
        (webhook("lock"), FORCED, True),
        (webhook("version"), FORCED, False),
        (webhook("lock", namespace="acme", prefix="app/"), FORCED, True),
        (webhook("lock", namespace="other"), FORCED, False),
        (webhook("lock", prefix="web/"), FORCED, False),
        (webhook("state.shrunk"), Entry(1.0, "state.shrunk", count=50), True),
        (webhook("state.shrunk"), Entry(1.0, "state.shrunk", count=49), False),
        (webhook("state.shrunk", shrink_percent=10), Entry(1.0, "state.shrunk", count=10), True),
        (webhook("credential.refused"), Entry(1.0, "http:GET", "refused", "credential.unknown"), True),
        (webhook("credential.refused"), Entry(1.0, "http:GET", "refused", "access.denied", "P1"), False),
        (webhook("credential.refused"), Entry(1.0, "http:GET"), False),
        (webhook("signin"), Entry(1.0, "console:POST /console/sign-in", "refused", "credential.unknown"), True),
        (webhook("signin.failed"), Entry(1.0, "console:GET /console/sign-in/callback", "failed", "503"), True),
        (webhook("signin"), Entry(1.0, "console:GET /console/sign-in/callback"), False),
        (webhook("version.rolled-back"), BACK, True),
        (webhook("version.write"), BACK, True),
        (webhook("version"), BACK, True),
        (webhook("version.rolled-back"), Entry(1.0, "version.write", detail="serial 5, 90 bytes"), False),
        (webhook("session"), Entry(1.0, "session.begin", name="ann"), True),
        (webhook("maintenance", prefix="app/"), Entry(1.0, "maintenance.start", namespace="acme"), True),
        (webhook("maintenance", prefix="app/"), Entry(1.0, "maintenance.end", key="app/one"), True),
        (webhook("maintenance", prefix="app/"), Entry(1.0, "maintenance.start", key="web/"), False),
        (webhook("state", prefix="app/"), Entry(1.0, "state.delete", key="app"), False),
    ],
)
def test_a_webhook_is_told_of_what_it_asked_for(hook, entry, wanted):
    assert hook.wants(entry) == wanted


def test_what_is_told_without_being_asked_can_be_asked_for():
    assert set(DEFAULT) <= set(ACTIONS)


def test_every_event_that_can_be_chosen_is_told_of_by_something():
    """A name that nothing ever writes to the log would be a webhook that stays silent."""
    source = "".join(
        each.read_text() for each in ROOT.rglob("*.py") if each.name != "webhooks.py" or "service" in str(each)
    )
    made_from_requests = {"credential.refused", "signin.failed", "version.rolled-back"}
    for name in ACTIONS.keys() - made_from_requests:
        about, _, verb = name.partition(".")
        told = f'"{name}"' in source if verb else f'"{about}.' in source
        assert told or (about == "lock" and f'"{verb}"' in source), name


def test_the_json_form_has_the_number_that_never_changes():
    told = json.loads(document(Form.JSON, 7, FORCED, "https://here"))
    assert (told["id"], told["event"], told["by"], told["namespace"], told["key"]) == (
        7,
        "lock.forced",
        "bob",
        "acme",
        "app/x",
    )
    assert told["detail"] == "runner died"


def test_the_slack_form_is_one_sentence_without_markup():
    entry = Entry(5.0, "lock.forced", name="<!channel>", namespace="acme", key="{0}&x", detail="why")
    text = json.loads(document(Form.SLACK, 7, entry, "https://here"))["text"]
    assert text == "&lt;!channel&gt; took the lock of acme/{0}&amp;x away (why) — https://here"
    assert json.loads(document(Form.SLACK, 1, Entry(1.0, "team.join", name="ann"), ""))["text"].startswith("team.join")


def test_every_event_has_words():
    for action in ACTIONS:
        assert json.loads(document(Form.SLACK, 1, Entry(1.0, action, namespace="n", key="k"), ""))["text"]


def test_pauses_double_up_to_a_bound_and_end_with_giving_up():
    progress, now = Progress(number=3), 100.0
    pauses = []
    while not progress.skipped:
        progress = after_failure(progress, 4, now, "down")
        pauses.append(progress.next_at - now)
        now = max(now + 1, progress.next_at)
    assert pauses[:4] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY, 8 * FIRST_RETRY]
    assert max(pauses) == LAST_RETRY
    assert now - 100.0 >= GIVE_UP_SECONDS
    assert (progress.number, progress.failures, progress.problem) == (4, 0, "down")


def test_a_success_forgets_the_failures():
    failed = after_failure(Progress(number=3, delivered=2), 4, 100.0, "down")
    assert failed.number == 3
    told = after_success(failed, 4, 200.0)
    assert told == Progress(number=4, delivered=3, delivered_at=200.0)


def test_a_refusal_of_a_stranger_is_another_event_than_that_of_somebody_known():
    assert kind_of(Entry(1.0, "s3:GetObject", "refused", "signature.mismatch")) == "credential.refused"
    assert kind_of(Entry(1.0, "s3:GetObject", "refused", "access.denied", "P1")) == "s3:GetObject"
