"""The `lockhouse` program: where it begins.

A server lives long and is started by scripts. So `serve` with flags that need no explaining is read here, without the
library that reads all other commands: that one costs 0.2 s of CPU and 14 MiB, which the server would carry all its
life. Whatever is not plain (help, a mistake, a flag given twice) goes to it, and it alone says what is wrong.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; never returns."""
    try:
        _open_what_is_closed()
        if sys.argv[1:2] == ["serve"]:
            from lockhouse.cli import exits, serving

            asked = serving.read_plain(sys.argv[2:])
            if asked is not None:
                flags, as_json = asked
                sys.exit(exits.run(lambda: serving.serve(flags, as_json=as_json)))
        if sys.argv[1:] in (["--version"], ["-V"]):
            sys.argv[1] = "version"
        # What a command has begun (half a backup, say) goes when a timer ends it, too.
        import signal

        from lockhouse.cli.exits import Exit

        signal.signal(signal.SIGTERM, lambda *_: sys.exit(Exit.ENDED))
        from lockhouse.cli.tree import run

        sys.exit(run())
    except Exception as mistake:  # noqa: BLE001 - the edge: whatever went wrong, it is told in a line
        from lockhouse.cli.exits import Exit, say_mistake

        say_mistake(mistake)
        sys.exit(Exit.FAILED)
    except KeyboardInterrupt:
        # Before the command began: modules are still being read.
        from lockhouse.cli.exits import Exit, say_problem

        say_problem("interrupted", "")
        sys.exit(Exit.INTERRUPTED)


def _open_what_is_closed() -> None:
    """Whoever starts a program may have closed its streams (`>&-`). Nothing is read there and nobody reads what is
    written; and the number of a closed one must not become that of a database, into which text would go."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - until the end
