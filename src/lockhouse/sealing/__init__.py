"""Sealing: bodies are encrypted before a store, a disk or a network sees them.

`frames` is the format of sealed bytes, `ring` holds the key-encryption keys, `sources` says where these come from, and
`bodies` joins them: what a `Body` refers to, as plain bytes. None of them knows a protocol, a request or a database.
Specification: docs/reference/sealed-bodies.md. Decision: docs/decisions/0105.
"""
