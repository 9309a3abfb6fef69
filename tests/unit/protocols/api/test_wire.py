"""Documents of the API on their way out."""

from __future__ import annotations

import json

from lockhouse.errors import RequestInvalid
from lockhouse.protocols.api import wire


def test_a_problem_that_repeats_bytes_which_are_no_text_is_told_all_the_same():
    said = "cannot find 'a\udcff'"
    status, raw = wire.encode_problem(RequestInvalid(said, hint="a\udcff", argument="\udcff"), "r1")
    error = json.loads(raw)["error"]
    assert status == 400
    assert (error["message"], error["hint"], error["details"]) == ("cannot find 'a?'", "a?", {"argument": "?"})
