"""How a command ends: what it says of a problem, and the exit code of every problem. They are an interface,
on which scripts rely (docs/reference/commands.md)."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from enum import IntEnum

from lockhouse.errors import Problem, Refusal


class Exit(IntEnum):
    """What an exit code means."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    LOCKED = 4
    REFUSED = 5
    CONFLICT = 6
    INTERRUPTED = 130
    ENDED = 143


MEANINGS: dict[Exit, str] = {
    Exit.OK: "done",
    Exit.FAILED: "failed: the server, the network or the disk",
    Exit.USAGE: "the command, an argument or a setting is wrong",
    Exit.NOT_FOUND: "what is named does not exist",
    Exit.LOCKED: "somebody else holds the lock",
    Exit.REFUSED: "not permitted, or not known to the server",
    Exit.CONFLICT: "it conflicts with what is there; refused bytes are parked",
    Exit.INTERRUPTED: "interrupted from the keyboard",
    Exit.ENDED: "ended by SIGTERM, as timers do; a server that serves drains instead, and ends with 0",
}

_USAGE = (
    "body.digest_invalid",
    "body.invalid",
    "body.length_missing",
    "body.too_large",
    "encryption.key",
    "namespace.invalid",
    "range.unsatisfiable",
    "request.document",
    "request.invalid",
    "request.method",
    "request.unsupported",
    "setting.invalid",
    "upload.part_invalid",
)
_NOT_FOUND = (
    "lock.not_found",
    "maintenance.not_found",
    "namespace.document_not_found",
    "namespace.not_found",
    "parked.not_found",
    "principal.not_found",
    "project.not_found",
    "review.not_found",
    "webhook.not_found",
    "state.deleted",
    "state.not_found",
    "table.not_found",
    "upload.not_found",
    "version.not_found",
    "workspace.not_found",
)
_LOCKED = ("delete.locked", "lock.held", "lock.maintenance", "write.locked", "write.maintenance")
_REFUSED = (
    "access.denied",
    "credential.expired",
    "credential.unknown",
    "delete.resources",
    "principal.needed",
    "signature.expired",
    "signature.malformed",
    "signature.mismatch",
    "signature.missing",
    "signature.skewed",
    "signature.unsupported",
)
_CONFLICT = (
    "condition.failed",
    "lock.mismatch",
    "namespace.conflict",
    "namespace.exists",
    "namespace.not_empty",
    "principal.exists",
    "project.exists",
    "table.exists",
    "workspace.ambiguous",
    "webhook.exists",
    "workspace.exists",
    "write.fenced",
    "write.lineage",
    "write.lock_required",
    "write.serial",
)
_FAILED = (
    "audit.broken",
    "body.digest",
    "body.incomplete",
    "data.invalid",
    "server.unreachable",
    "provider.unavailable",
    "slow_down",
    "storage.full",
    "storage.unavailable",
)

EXIT_CODES: dict[str, Exit] = {
    **dict.fromkeys(_USAGE, Exit.USAGE),
    **dict.fromkeys(_NOT_FOUND, Exit.NOT_FOUND),
    **dict.fromkeys(_LOCKED, Exit.LOCKED),
    **dict.fromkeys(_REFUSED, Exit.REFUSED),
    **dict.fromkeys(_CONFLICT, Exit.CONFLICT),
    **dict.fromkeys(_FAILED, Exit.FAILED),
}
"""Every code of `lockhouse.errors`; a test proves it complete."""


def exit_code(code: str) -> Exit:
    """The exit code for a problem's code; what a newer server says that we do not know is a failure."""
    return EXIT_CODES.get(code, Exit.FAILED)


def run(act: Callable[[], None]) -> Exit:
    """How it ended, after `error:` and `hint:` where it ended with a problem."""
    try:
        act()
    except (Problem, Refusal) as problem:
        say_problem(problem.message, problem.hint)
        return exit_code(problem.code)
    except KeyboardInterrupt:
        say_problem("interrupted", "")
        return Exit.INTERRUPTED
    except UnicodeEncodeError as wrong:
        # Bytes of the command line that no text has; or text that this terminal's encoding has not.
        say_problem(f"cannot write {wrong.object[wrong.start : wrong.end]!a} as {wrong.encoding}", "use UTF-8")
        return Exit.USAGE
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone (`| head`): nothing is wrong, nobody is to be told
    except OSError as error:
        named = f"cannot use {error.filename}" if error.filename else "cannot go on"
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = "make room, or write elsewhere" if full else "is it there, and may this user read and write it?"
        say_problem(f"{named}: {error.strerror or type(error).__name__}", hint)
        return Exit.FAILED
    return Exit.OK


def say_mistake(mistake: Exception) -> None:
    """What nobody thought of, in the form of every other problem, with the places that whoever mends it needs.

    People paste such lines. An exception's own text may hold what it failed on, such as a URL with its password or a
    piece of a state, and nobody has looked what: it is told only where its class is ours."""
    import traceback
    from pathlib import Path

    names: list[str] = []
    told: BaseException | None = mistake
    while told is not None and len(names) < _MAX_CAUSES:
        names.append(_named(told))
        told = told.__cause__ or (None if told.__suppress_context__ else told.__context__)
    source = Path(__file__).parents[1]
    frames = traceback.extract_tb(mistake.__traceback__)
    ours = [each for each in frames if source in Path(each.filename).parents]
    shown = [*ours[-_MAX_PLACES:], *(frames[-1:] if frames[-1:] != ours[-1:] else ())]
    places = ", ".join(f"{Path(each.filename).name}:{each.lineno}" for each in shown)
    say_problem(
        f"this is a mistake of Lockhouse itself: {' after '.join(names)} ({places})",
        "report it with this line and with what lockhouse version prints",
    )


_MAX_CAUSES = 3
_MAX_PLACES = 3


def _named(mistake: BaseException) -> str:
    kind = type(mistake)
    if kind.__module__.partition(".")[0] == "lockhouse":
        return f"{kind.__name__}: {mistake}"
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def say_problem(message: str, hint: str) -> None:
    """`error:` and `hint:` on standard error."""
    sys.stderr.write(f"error: {_shown(message)}\n")
    if hint:
        sys.stderr.write(f"hint: {_shown(hint)}\n")


def _shown(text: str) -> str:
    """No control character of somebody's key or reason reaches the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
