"""The server's own word on "can the lock table go?": who still locks through it. Asked for, never by itself."""

from __future__ import annotations

from lockhouse.clients.client import Client


def table_clients(client: Client, days: int = 30) -> tuple[str, ...]:
    """One line for each client that locked through the DynamoDB table in the last days, the newest first; empty: none.

    Errors: as `Client`. The server counts only what the caller may see."""
    found = [each for each in client.traffic_locks(days).clients if each.facet == "table"]
    found.sort(key=lambda each: each.last_at, reverse=True)
    return tuple(
        f"{each.name} in {each.namespace}"
        f"{f' ({each.who})' if each.who else ''}: {each.locks} locks on {each.states} states, last {each.last_at}"
        f"{', version ' + ', '.join(each.versions) if each.versions else ''}"
        for each in found
    )
