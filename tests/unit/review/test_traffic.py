"""The review beside a server's traffic: which states it asks for. The answers are tested against a real server."""

from __future__ import annotations

import pytest

from lockhouse.review.review import review
from lockhouse.review.traffic import TrafficUnavailable, addresses, seen

from .fixtures import FOLDER

REPO = FOLDER / "origin-shape" / "repo"


def test_the_addresses_are_those_that_the_backends_name():
    assert addresses(review(REPO)) == (("classla-terraform-state", "infrastructure/terraform.tfstate"),)


def test_without_an_endpoint_or_a_token_nothing_is_asked():
    for endpoint, token in (("", "t"), ("ftp://x", "t"), ("http://x", "")):
        with pytest.raises(TrafficUnavailable):
            seen(review(REPO), endpoint, token)
