"""AWS's front-door validation: what is missing or out of bounds, all told in one message.

Source: the wording that AWS gives, "N validation errors detected: Value … at '…' failed to satisfy constraint: …".
"""

from __future__ import annotations

from collections.abc import Collection, Sized

from lockhouse.core.items import TABLE_NAME
from lockhouse.errors import RequestInvalid

_MAX_ERRORS = 10
_ARN_PREFIX = "arn:"


class Constraints:
    """Collects what is wrong with one input; `check` refuses if anything is."""

    def __init__(self) -> None:
        self._errors: list[str] = []

    def _add(self, value: object, field: str, rule: str) -> None:
        named = value if isinstance(value, str | int) else f"{len(value)} members" if isinstance(value, Sized) else ""
        shown = "null" if value is None else f"'{str(named)[:300]}'"
        self._errors.append(f"Value {shown} at '{field}' failed to satisfy constraint: {rule}")

    def required(self, value: object, field: str) -> None:
        if value is None:
            self._add(None, field, "Member must not be null")

    def table_name(self, value: str | None, field: str = "tableName") -> None:
        if value is None:
            self._add(None, field, "Member must not be null")
            return
        name = table_name(value)
        if not TABLE_NAME.fullmatch(name):
            if len(name) < 3:
                self._add(value, field, "Member must have length greater than or equal to 3")
            elif len(name) > 255:
                self._add(value, field, "Member must have length less than or equal to 255")
            else:
                self._add(value, field, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")

    def one_of(self, value: str | None, field: str, allowed: Collection[str]) -> None:
        if value is not None and value not in allowed:
            self._add(value, field, f"Member must satisfy enum value set: [{', '.join(allowed)}]")

    def between(self, value: int | None, field: str, low: int, high: int | None = None) -> None:
        if value is None:
            return
        if value < low:
            self._add(value, field, f"Member must have value greater than or equal to {low}")
        if high is not None and value > high:
            self._add(value, field, f"Member must have value less than or equal to {high}")

    def length(self, value: Sized | None, field: str, low: int, high: int) -> None:
        if value is None:
            return
        if len(value) < low:
            self._add(value, field, f"Member must have length greater than or equal to {low}")
        if len(value) > high:
            self._add(value, field, f"Member must have length less than or equal to {high}")

    def check(self) -> None:
        """RequestInvalid (`request.invalid`) with everything that was found."""
        if self._errors:
            errors = self._errors[:_MAX_ERRORS]
            plural = "s" if len(errors) > 1 else ""
            raise RequestInvalid(f"{len(errors)} validation error{plural} detected: {'; '.join(errors)}")


def table_name(value: str) -> str:
    """The name in a TableName, which may also be the table's ARN."""
    if value.startswith(_ARN_PREFIX):
        return value.rpartition(":table/")[2]
    return value
