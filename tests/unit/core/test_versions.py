"""The id of a version as clients see it: there and back, and what cannot be one."""

from __future__ import annotations

import pytest

from lockhouse.core.versions import Origin, Version, parse_version_id, version_id


@pytest.mark.parametrize(("seq", "text"), [(1, "1.n"), (16, "10.n"), (255, "ff.n"), (2**62 - 1, "3fffffffffffffff.n")])
def test_a_version_id_names_its_number_and_its_nonce(seq, text):
    assert version_id(seq, "n") == text
    assert parse_version_id(text) == (seq, "n")


def test_a_version_id_has_up_to_40_characters():
    assert parse_version_id("1." + "n" * 38) == (1, "n" * 38)
    assert parse_version_id("1." + "n" * 39) is None


@pytest.mark.parametrize(
    "text", ["", "1", "1.", ".n", "0.n", "-1.n", "+1.n", "g.n", "1_0.n", "FF.n", "١.n", " 1.n", "4000000000000000.n"]
)
def test_another_text_is_no_version_id(text):
    assert parse_version_id(text) is None


def test_a_delete_marker_has_no_bytes():
    marker = Version(3, "nonce", 1.0, Origin())
    assert (marker.id, marker.is_delete_marker, marker.size) == ("3.nonce", True, 0)
