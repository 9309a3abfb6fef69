"""The lexical level that all expressions share: tokens, and a cursor that refuses with DynamoDB's wording.

Source: developer guide, "Using expressions in DynamoDB". An expression has at most 4 KB.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum, auto
from typing import NoReturn

import msgspec

from lockhouse.errors import AwsRefusal

MAX_EXPRESSION_BYTES = 4096
MAX_DEPTH = 60
"""Parentheses, NOT and functions within each other: far more than people write, far less than the stack holds."""
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<placeholder>[#:][A-Za-z0-9_]+)|(?P<index>[0-9]+)"
    r"|(?P<operator><>|<=|>=|[=<>()\[\],.+-]))",
    re.ASCII,
)
_SPACE = re.compile(r"\s*", re.ASCII)
END = "<EOF>"


class Wrong(Enum):
    """What can be wrong in a text that follows the grammar."""

    PARENTHESES = auto()
    FUNCTION = auto()
    """There is no function of this name."""
    MISUSED = auto()
    RESERVED = auto()
    SECTION = auto()
    NAME = auto()
    VALUE = auto()
    PATHS = auto()
    COUNT = auto()
    DISTINCT = auto()
    KIND = auto()


class Token(msgspec.Struct, frozen=True):
    """One token and where it stands in the text; `text` is `<EOF>` at the end."""

    text: str
    start: int
    end: int

    @property
    def keyword(self) -> str:
        return self.text.upper()


class Cursor:
    """Walks over the tokens of one expression. `kind` is the parameter's name, for messages.

    A text that breaks the grammar is refused for that alone, so whatever else is wrong is noted until it was read to
    its end; `settle` then refuses it. `keywords` can be no names.
    """

    def __init__(self, kind: str, text: str, keywords: frozenset[str] = frozenset()) -> None:
        self.kind = kind
        self.text = text
        self.keywords = keywords
        self._noted: list[tuple[Wrong, str]] = []
        self._at = 0
        self._depth = 0
        if not text or text.isspace():
            self.refuse("The expression can not be empty;")
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > MAX_EXPRESSION_BYTES:
            self.refuse(f"Expression size has exceeded the maximum allowed size; expression size: {size}")
        self._tokens = self._split(text)

    def _split(self, text: str) -> list[Token]:
        tokens: list[Token] = []
        at = 0
        while found := _TOKEN.match(text, at):
            at = found.end()
            group = found.lastgroup
            assert group is not None
            tokens.append(Token(found[group], found.start(group), at))
        blank = _SPACE.match(text, at)
        assert blank is not None
        if blank.end() < len(text):
            wrong = blank.end()
            start = tokens[-1].start if tokens else wrong
            self.refuse(f'Syntax error; token: "{text[wrong]}", near: "{text[start : wrong + 2]}"')
        tokens.append(Token(END, len(text), len(text)))
        return tokens

    @property
    def token(self) -> Token:
        return self._tokens[self._at]

    def following(self) -> Token:
        """The token after the current one."""
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def advance(self) -> Token:
        token = self._tokens[self._at]
        if token.text != END:
            self._at += 1
        return token

    def accept(self, text: str) -> bool:
        """Step over this operator if it is next."""
        if self.token.text == text:
            self._at += 1
            return True
        return False

    def accept_keyword(self, keyword: str) -> bool:
        if self.token.keyword == keyword:
            self._at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            self.refuse_syntax()

    def finish(self) -> None:
        if self.token.text != END:
            self.refuse_syntax()

    def deeper(self) -> None:
        """One level down; every call has its `shallower`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self.refuse("The expression is nested too deeply;")

    def shallower(self) -> None:
        self._depth -= 1

    def note(self, wrong: Wrong, message: str) -> None:
        """What is wrong here, if it is not the grammar."""
        self._noted.append((wrong, message))

    def settle(self, order: Sequence[frozenset[Wrong]]) -> None:
        """Refuse for what was noted: the first of the first kind."""
        for group in order:
            for wrong, message in self._noted:
                if wrong in group:
                    self.refuse(message)

    def refuse_syntax(self) -> NoReturn:
        token = self.token
        start = self._tokens[self._at - 1].start if self._at else token.start
        near = self.text[start : self.following().end]
        self.refuse(f'Syntax error; token: "{token.text}", near: "{near}"')

    def refuse(self, message: str) -> NoReturn:
        raise AwsRefusal(f"Invalid {self.kind}: {message}")
