"""AWS's front-door validation: what is missing or out of bounds, all told in one message.

Source: the wording that AWS gives, "N validation errors detected: Value … at '…' failed to satisfy constraint: …".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sized

from lockhouse.core.items import TABLE_NAME
from lockhouse.errors import AwsRefusal

_MAX_ERRORS = 10
_MAX_SHOWN = 300
_ARN_PREFIX = "arn:"
_MIN_NAME, _MAX_NAME = 3, 255
_NAME_CHARACTERS = re.compile(r"[a-zA-Z0-9_.-]+")


class Constraints:
    """Collects what is wrong with one input; `check` refuses if anything is."""

    def __init__(self) -> None:
        self._errors: list[str] = []

    def _add(self, value: object, field: str, rule: str) -> None:
        shown = "null" if value is None else f"'{_named(value)}'"
        self._errors.append(f"Value {shown} at '{field}' failed to satisfy constraint: {rule}")

    def required(self, value: object, field: str) -> None:
        if value is None:
            self._add(None, field, "Member must not be null")

    def table_name(self, value: str | None, field: str = "tableName") -> None:
        if value is None:
            self._add(None, field, "Member must not be null")
            return
        name = table_name(value)
        if not _NAME_CHARACTERS.fullmatch(name):
            self._add(value, field, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
        if len(name) < _MIN_NAME:
            self._add(value, field, f"Member must have length greater than or equal to {_MIN_NAME}")
        if len(name) > _MAX_NAME:
            self._add(value, field, f"Member must have length less than or equal to {_MAX_NAME}")

    def own_table_name(self, value: str | None) -> None:
        """The name in a request about the table itself, which AWS looks at before everything else.

        RequestInvalid (`request.invalid`) at once."""
        if value is None:
            raise AwsRefusal("The parameter 'TableName' is required but was not present in the request")
        if not _MIN_NAME <= len(table_name(value)) <= _MAX_NAME:
            raise AwsRefusal(
                f"TableName must be at least {_MIN_NAME} characters long and at most {_MAX_NAME} characters long"
            )
        self.table_name(value)

    def table_names(self, tables: Mapping[str, object], field: str) -> None:
        """The names that a batch has as keys."""
        if not all(TABLE_NAME.fullmatch(table_name(name)) for name in tables):
            self._add(
                tables,
                field,
                f"Map keys must satisfy constraint: [Member must have length less than or equal to {_MAX_NAME}, Member "
                f"must have length greater than or equal to {_MIN_NAME}, Member must satisfy regular expression "
                "pattern: [a-zA-Z0-9_.-]+]",
            )

    def lengths(self, values: Mapping[str, Sized], field: str, low: int, high: int) -> None:
        """How much each table of a batch has to do."""
        if not all(low <= len(each) <= high for each in values.values()):
            self._add(
                values,
                field,
                f"Map value must satisfy constraint: [Member must have length less than or equal to {high}, Member "
                f"must have length greater than or equal to {low}]",
            )

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
            raise AwsRefusal(f"{len(errors)} validation error{plural} detected: {'; '.join(errors)}")


def _named(value: object) -> str:
    """A value in a message; of a collection only how much it has, since all of it helps nobody."""
    if isinstance(value, Mapping):
        members = (f"{name}={_named(each)}" for name, each in value.items())
        return ("{" + ", ".join(members) + "}")[:_MAX_SHOWN]
    if isinstance(value, Sized) and not isinstance(value, str):
        return f"[{len(value)} members]" if len(value) else "[]"
    return str(value)[:_MAX_SHOWN] if isinstance(value, str | int) else "..."


def table_name(value: str) -> str:
    """The name in a TableName, which may also be the table's ARN."""
    if value.startswith(_ARN_PREFIX):
        return value.rpartition(":table/")[2]
    return value
