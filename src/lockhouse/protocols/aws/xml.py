"""XML as the AWS query and REST protocols use it: small documents, read with suspicion and written by hand.

Reading forbids document types, entities, more than `MAX_DEPTH` levels and more than `MAX_NODES` elements; namespaces
are dropped, since the SDKs send both with and without. Writing escapes everything, also characters that XML 1.0 cannot
hold (as S3 does: a key may contain them).
"""

from __future__ import annotations

import io
import re
from xml.etree.ElementTree import ParseError

import defusedxml.ElementTree
import msgspec
from defusedxml import DefusedXmlException

from lockhouse.errors import DocumentMalformed

MAX_DEPTH = 16
MAX_NODES = 20_000
S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_SPECIAL = re.compile(r'[<>&"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_NAMED = {"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "\r": "&#13;"}


class Node(msgspec.Struct):
    """One element, without its namespace and attributes."""

    name: str
    text: str = ""
    children: list[Node] = []

    def all(self, name: str) -> list[Node]:
        return [child for child in self.children if child.name == name]

    def first(self, name: str) -> Node | None:
        return next((child for child in self.children if child.name == name), None)

    def value(self, name: str, default: str = "") -> str:
        """The text of the first child of this name."""
        child = self.first(name)
        return default if child is None else child.text


def read_document(raw: bytes, root: str) -> Node:
    """The root element, which must have this name. Errors: DocumentMalformed (`request.document`)."""
    stack: list[Node] = []
    whole: Node | None = None
    count = 0
    try:
        for event, element in defusedxml.ElementTree.iterparse(
            io.BytesIO(raw), events=("start", "end"), forbid_dtd=True
        ):
            if event == "start":
                count += 1
                if len(stack) >= MAX_DEPTH or count > MAX_NODES:
                    raise DocumentMalformed(
                        "cannot read this XML: it is too deep or too large",
                        hint="send less at once, in the form that an AWS SDK writes",
                    )
                node = Node(str(element.tag).rpartition("}")[2], "", [])
                if stack:
                    stack[-1].children.append(node)
                stack.append(node)
            else:
                node = stack.pop()
                node.text = (element.text or "") if node.children == [] else ""
                element.clear()
                whole = node
    except (ParseError, DefusedXmlException, UnicodeError, ValueError, LookupError):
        raise DocumentMalformed(
            "cannot read this XML: it is not well-formed, or declares a document type",
            hint="send it in the form that an AWS SDK writes",
        ) from None
    if whole is None or whole.name != root:
        raise DocumentMalformed(
            f"cannot read this XML: {root} was expected", hint="send it in the form that an AWS SDK writes"
        )
    return whole


def escape(text: str) -> str:
    return _SPECIAL.sub(lambda match: _NAMED.get(match[0]) or f"&#x{ord(match[0]):x};", text)


def element(name: str, *inner: str, attributes: str = "") -> str:
    """An element around what is XML already."""
    return f"<{name}{attributes}>{''.join(inner)}</{name}>"


def field(name: str, value: str | float | bool) -> str:
    """An element around a text."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    return f"<{name}>{escape(str(value))}</{name}>"


def document(name: str, *inner: str, namespace: str = S3_NAMESPACE) -> bytes:
    """A whole document."""
    attributes = f' xmlns="{namespace}"' if namespace else ""
    return _DECLARATION + element(name, *inner, attributes=attributes).encode("utf-8", "xmlcharrefreplace")
