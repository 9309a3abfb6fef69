"""What whoever traces learns of commands and queries; and that nobody pays who does not trace."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from lockhouse.errors import StateNotFound
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.tracing import Watched, is_wanted
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore


@pytest.mark.parametrize(
    ("endpoint", "environment", "wanted"),
    [
        ("", {}, False),
        ("http://collector:4318", {}, True),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ("", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ("", {"OTEL_SERVICE_NAME": "lockhouse"}, False),
        ("http://collector:4318", {"OTEL_SDK_DISABLED": "true"}, False),
        ("http://collector:4318", {"OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_sent_only_where_somebody_said_where_to(endpoint: str, environment: dict[str, str], wanted: bool):
    assert is_wanted(endpoint, environment) is wanted


def test_each_command_and_query_is_told_of_once_when_it_is_answered(tmp_path: Path):
    told: list[Watched] = []

    def fail(_: object) -> None:
        raise StateNotFound("cannot find it", hint="lockhouse state list")

    async def play() -> None:
        engine = Engine(MemoryStore(), FileBlobs(tmp_path))
        engine.start()
        engine.watch = lambda kind: Watched(kind, told.append)
        assert await engine.write(lambda _: 1) == 1
        assert await engine.read(lambda _: 2) == 2
        for act in (engine.write, engine.read):
            with pytest.raises(StateNotFound):
                await act(fail)
        engine.watch = lambda _: None
        assert await engine.write(lambda _: 3) == 3
        assert await engine.read(lambda _: 4) == 4

    asyncio.run(play())
    assert [each.kind for each in told] == ["transaction", "query", "transaction", "query"]
    for each in told:
        assert each.runs == 1
        assert 0 < each.handed <= each.began <= each.ended <= each.answered


def test_without_the_extra_the_setting_says_what_to_install():
    script = (
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "from lockhouse.errors import SettingInvalid\n"
        "try:\n"
        "    import lockhouse.telemetry\n"
        "except SettingInvalid as problem:\n"
        "    print(problem.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert "pip install 'lockhouse[otel]'" in done.stdout
