"""The resources that a state body lists, without their attributes (typed decoding skips those).

Source: Terraform state format version 4: `resources[]` with `module`, `mode`, `type`, `name`, `provider` and
`instances[].index_key`; addresses as `terraform state list` prints them.
"""

from __future__ import annotations

import msgspec


class Instance(msgspec.Struct, frozen=True):
    """One resource instance."""

    address: str
    module: str
    """`root`, or the module's address without `module.` in front of each step."""
    type: str
    name: str
    provider: str
    """The provider's source address, e.g. `registry.terraform.io/hashicorp/aws`."""
    index: str
    """The instance key as text; empty where there is none."""


class _Instance(msgspec.Struct):
    index_key: int | float | str | None = None


class _Resource(msgspec.Struct):
    type: str = ""
    name: str = ""
    mode: str = "managed"
    module: str = ""
    provider: str = ""
    instances: list[_Instance] = []


class _State(msgspec.Struct):
    resources: list[_Resource] | None = None


_decode = msgspec.json.Decoder(_State).decode


def read_instances(body: bytes) -> list[Instance] | None:
    """Every instance in the order of the body, or None when the body is not such a state (an encrypted one has none
    to show and gives an empty list)."""
    try:
        resources = _decode(body).resources or []
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return [_instance(resource, each) for resource in resources for each in resource.instances]


def address(module: str, mode: str, kind: str, name: str, key: float | str | None) -> str:
    """The address of an instance, as `terraform state list` prints it."""
    shown = "" if key is None else f"[{msgspec.json.encode(key).decode()}]"
    return f"{f'{module}.' if module else ''}{'data.' if mode == 'data' else ''}{kind}.{name}{shown}"


def _instance(resource: _Resource, instance: _Instance) -> Instance:
    key = instance.index_key
    return Instance(
        address=address(resource.module, resource.mode, resource.type, resource.name, key),
        module=resource.module.replace("module.", "") or "root",
        type=resource.type,
        name=resource.name,
        provider=resource.provider.partition('["')[2].rpartition('"]')[0] or resource.provider,
        index="" if key is None else str(key),
    )
