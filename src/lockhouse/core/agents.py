"""What a client calls itself (`User-Agent`): which part of that people know, and which stays the same.

SDKs add to each request what it makes use of (`m/G`, `ft/s3-transfer`), so that the whole text differs between two
requests of one client. It is told by the client and proves nothing: no right hangs on it.
"""

from __future__ import annotations

_PROGRAMS = ("Terraform/", "OpenTofu/", "terraform/", "opentofu/")
MAX_CHARACTERS = 64


def program(agent: str) -> str:
    """Name and version of the program. Terraform's is behind those of its libraries; other programs come first."""
    words = agent.split()
    known = (word for word in words if word.startswith(_PROGRAMS))
    return next(known, words[0] if words else "")[:MAX_CHARACTERS]
