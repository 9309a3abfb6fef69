"""The numbered steps: one that was taken somewhere is never edited, and from wherever data comes, it ends at one schema."""

from __future__ import annotations

import hashlib
from pathlib import Path

import apsw
import pytest

from lockhouse.storage.sql import migrations, postgres_schema, sqlite_schema
from lockhouse.storage.sql.sqlite import SqliteStore

TAKEN = {
    "tables": [
        "7dfdb457fb3f",
        "1f5410cd075a",
        "20439e0052d1",
        "5d317ce0ed4c",
        "afb654c41883",
        "e1ea223ff2be",
        "c4ab02b18040",
        "cedd7d1cc1e2",
        "02147f962472",
        "75b2432ee5c9",
        "3d5f747ac42e",
        "72626ff00d23",
        "169ea02c36c1",
        "de11dd0e8a3a",
        "f7eef189494c",
    ],
    "sqlite": ["80508672ae73", "4f04046883eb"],
    "postgres": ["c725fe5dbb76", "0503b0876a75"],
}
"""The digest of each step. A new step is a new line at the end; a line that changes is data that nobody can open."""
STEPS = {"tables": migrations.SQLITE, "sqlite": sqlite_schema.STEPS, "postgres": postgres_schema.OWN}


@pytest.mark.parametrize("series", TAKEN)
def test_a_step_that_was_taken_is_never_edited(series: str):
    assert [digest("\n".join(step)) for step in STEPS[series]] == TAKEN[series]


@pytest.mark.parametrize("number", range(1, len(migrations.SQLITE)))
def test_data_of_every_older_schema_ends_at_the_newest(tmp_path: Path, number: int):
    old = apsw.Connection(str(tmp_path / "old"))
    migrations.migrate(lambda sql, values: old.execute(sql, values).fetchall(), migrations.SQLITE[:number])
    old.close()
    SqliteStore(tmp_path / "old").close()
    SqliteStore(tmp_path / "new").close()
    assert schema(tmp_path / "old") == schema(tmp_path / "new")


def digest(step: str) -> str:
    return hashlib.sha256(" ".join(step.split()).encode()).hexdigest()[:12]


def schema(path: Path) -> list[tuple[object, ...]]:
    connection = apsw.Connection(str(path))
    found = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    connection.close()
    return found
