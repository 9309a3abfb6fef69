"""Packed bodies: a version kept as its difference from a newer one, and how its bytes are had back.

`child` is the program that packs and unpacks in a process of its own, `workers` speaks with it, `chains` says what a
body is made of. Which versions are packed against which is decided by `core.packing`. Specification:
docs/reference/history.md.
"""
