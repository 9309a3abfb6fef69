"""One review from a path to a value: list, scan, join, decide, then findings, permissions, cost and removal."""

from __future__ import annotations

import gc
import posixpath
from dataclasses import replace
from pathlib import Path

from lockhouse.errors import Problem
from lockhouse.review import cost, findings, permissions, prefilter, removal
from lockhouse.review.catalogue import catalogue
from lockhouse.review.files import Listing, list_files
from lockhouse.review.joining import Joined, first_join, second_join
from lockhouse.review.model import FileFacts, Review, Searched, ServiceReview
from lockhouse.review.paths import classify
from lockhouse.review.redaction import shown
from lockhouse.review.scan import Layout, look_at_all, scan
from lockhouse.review.verdicts import decide

_MANIFEST_KINDS = {"manifest", "lock"}


class UnknownService(Problem):
    """The asked-for service is not in the catalogue."""

    code = "review.unknown_service"


def known_service(asked: str) -> str:
    """The id of the service somebody asks for. Raises UnknownService with the nearest names."""
    found = catalogue().find(asked)
    if found is None:
        low = asked.lower()
        near = sorted(s for s in catalogue().names if low[:4] and low[:4] in s)[:6]
        raise UnknownService(
            f"cannot review {shown(asked)!r}: no service of that name is in the catalogue",
            hint="did you mean " + ", ".join(near) + "?"
            if near
            else "name one as aws/NAME, gcp/NAME, azure/NAME or a product",
        )
    return found


def review(path: Path, asked: tuple[str, ...] = (), prices: cost.Prices | None = None) -> Review:
    """Reviews the repository at `path`. Services in `asked` (ids) appear even when they are not present."""
    collecting = gc.isenabled()
    gc.disable()  # hundreds of thousands of small values, no cycles: the collector alone costs seconds
    try:
        return review_listing(list_files(path), asked, prices or cost.shipped_prices())
    finally:
        if collecting:
            gc.enable()


def review_listing(listing: Listing, asked: tuple[str, ...], prices: cost.Prices) -> Review:
    kinds = {p: classify(p) for p in listing.paths}
    manifests = [p for p, kind in kinds.items() if kind.kind == "manifest"]
    programs_in_docs = frozenset(
        folder
        for p in manifests
        for folder in _doc_folders(p)
        if p.endswith(("package.json", "pyproject.toml", "go.mod"))
    )
    if programs_in_docs:
        kinds = {p: classify(p, programs_in_docs) for p in listing.paths}
    lives = {shown(p): kind.life for p, kind in kinds.items()}
    found = scan(listing.root, listing.paths, Layout(programs_in_docs, _local_packages(listing.paths, manifests)))
    facts = {f.file: f for f in found}
    for file in found:
        if file.problem:
            listing.leave_out(file.file, file.problem)
    joined = first_join(facts, lives)
    factories = frozenset(f.name for file in joined.live() for f in file.factories if f.name)
    factories |= frozenset(c.name for file in joined.live() for c in file.pending)
    variables = frozenset(link.variable for link in joined.env_links)
    looks = look_at_all(
        listing.root, listing.paths, variables, factories, frozenset(joined.lock_names | joined.state_buckets)
    )
    components = sorted({shown(posixpath.dirname(p)) for p in manifests})
    second_join(joined, looks, [c for c in components if c])
    services = sorted(set(joined.evidence) | set(asked))
    decided = [decide(s, joined.evidence.get(s, []), joined.places) for s in services]
    decided = [_complete(s, joined, prices) for s in decided]
    order = {s: i for i, s in enumerate(asked)}
    decided.sort(key=lambda s: (order.get(s.service, len(order)), s.service))
    backends = tuple(sorted((b for f in joined.live() for b in f.backends), key=lambda b: (b.file, b.line)))
    return Review(
        shown(str(listing.root)),
        listing.commit,
        tuple(decided),
        findings.find(joined, decided, prices),
        _searched(listing, found),
        tuple(sorted(joined.places, key=lambda p: (p.file, p.line, p.rule))),
        tuple(sorted(listing.skipped)),
        backends,
        asked[0] if len(asked) == 1 else "",
    )


def _local_packages(paths: list[str], manifests: list[str]) -> frozenset[str]:
    """Python packages and modules at the roots that code imports from: the repository, its components, their `src`."""
    roots = {"", "src", *(posixpath.dirname(m) for m in manifests)}
    roots |= {posixpath.join(r, "src") for r in roots if r}
    libraries = {name.split(".")[0] for name in catalogue().table("python")}
    out = set()
    for path in paths:
        if path.endswith(".py"):
            folder, _, name = path.rpartition("/")
            above, _, last = folder.rpartition("/")
            if name == "__init__.py" and above in roots:
                out.add(last)
            elif folder in roots:
                out.add(name[:-3])
    return frozenset(out & libraries)


def _doc_folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: i + 1]) for i, p in enumerate(parts[:-1]) if p.lower() in {"docs", "doc", "documentation"}]


def _complete(service: ServiceReview, joined: Joined, prices: cost.Prices) -> ServiceReview:
    return replace(
        service,
        permissions=permissions.compare(service, joined),
        cost=cost.estimate(service, prices),
        removable=removal.plan(service, joined),
    )


def _searched(listing: Listing, found: list[FileFacts]) -> Searched:
    def count(*kinds: str) -> int:
        return sum(1 for f in found if f.kind in kinds)

    source = count(
        "javascript", "typescript", "tsx", "python", "go", "java", "ruby", "notebook", "markup", "other-source"
    )
    infrastructure = count("hcl", "yaml", "json", "dockerfile")
    scripts = count("shell", "makefile")
    documents = count("document")
    manifests, locks = count("manifest"), count("lock")
    return Searched(
        len(found),
        manifests,
        locks,
        source,
        infrastructure,
        documents,
        scripts,
        len(found) - source - infrastructure - scripts - documents - manifests - locks,
        listing.skipped_count,
        0,
        prefilter.token_count(),
    )
