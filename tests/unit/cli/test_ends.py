"""However a command ends, it says so in one line and an exit code, never with a traceback."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from lockhouse.bootstrap import backends, first_start
from lockhouse.cli import exits, tree
from lockhouse.core.addresses import Address
from lockhouse.storage.carry.carrying import ARRIVING
from lockhouse.storage.carry.moving import move
from lockhouse.storage.carry.place import open_directory_place
from tests.unit.cli.tree import misnamed
from tests.unit.storage.test_backup import HOME, filled, put


def run(*words: str | bytes | Path, **more: object) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from lockhouse.cli.main import main; main()"]
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [*program, *words], capture_output=True, text=True, errors="replace", timeout=60, check=False, **more
    )


def told(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.partition("\n")[0]


def test_the_version_is_told_as_other_programs_tell_theirs():
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, run("version").stdout)


def test_bytes_that_are_no_text_are_a_mistake_in_the_command_line():
    code, line = told(run("state", "list", b"\xe4", "--endpoint", "http://127.0.0.1:9", "--token", "t"))
    assert (code, line.startswith("error: cannot write ")) == (2, True)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    code, line = told(run("backup", "drill", tmp_path, "--scratch", tmp_path / "file" / "scratch"))
    assert (code, line) == (1, f"error: cannot use {tmp_path / 'file' / 'scratch'}: Not a directory")


def test_a_state_that_does_not_fit_leaves_no_part_of_it(tmp_path: Path):
    directory = filled(tmp_path / "data")
    put(directory, HOME, 9, os.urandom(200_000), as_blob=True)
    directory.close()
    where = ("decrypt", HOME.namespace, HOME.key, "--data", tmp_path / "data", "-o")
    assert told(run(*where, tmp_path / "whole"))[0] == 0
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # noqa: E731
    assert told(run(*where, tmp_path / "part", preexec_fn=limit)) == (
        1,
        f"error: cannot write {tmp_path / 'part'}: File too large",
    )
    assert not (tmp_path / "part").exists()


def test_what_is_to_be_pasted_survives_a_shell():
    known = first_start.FirstCredentials("http://127.0.0.1:1", "id", "secret", "token", "acme-states")
    program, directory = "/opt/my tools/lockhouse", "/var/lib/$HOME's"
    line = backends.page(known, "us-east-1", program, directory).splitlines()[-1].strip()
    inner = line.removeprefix('eval "$(').removesuffix(')"')
    assert shlex.split(inner) == [program, "env", "--data", directory]


def test_credentials_without_an_endpoint_do_not_lead_to_somebody_elses(tmp_path: Path):
    document = {"endpoint": "", "access_key_id": "i", "secret_access_key": "s", "token": "t", "namespace": "n"}
    (tmp_path / "credentials.json").write_text(json.dumps(document))
    code, line = told(run("env", "--data", tmp_path, env=dict(os.environ)))
    assert (code, "cannot tell where the server" in line) == (1, True)


def test_data_that_was_moved_away_is_not_read_in_silence_and_half_of_it_not_at_all(tmp_path: Path):
    filled(tmp_path / "data").close()
    with (
        open_directory_place(tmp_path / "data") as source,
        open_directory_place(tmp_path / "new", create=True) as target,
    ):
        move(source, target)
    where = ("decrypt", HOME.namespace, HOME.key, "--data")
    for name, notice, code, said in (
        ("data", None, 0, f"note: {tmp_path / 'data'} was moved to {tmp_path / 'new'}: "),
        ("new", None, 0, ""),
        ("new", ARRIVING, 1, "error: cannot use this data: it is only partly here"),
    ):
        if notice:
            with open_directory_place(tmp_path / name) as place, place.store() as store:
                store.write(lambda tx, notice=notice: tx.set_notice(notice, b"elsewhere"))
        done = told(run(*where, tmp_path / name, "-o", tmp_path / f"{name}-{code}"))
        assert (done[0], done[1].startswith(said), bool(done[1])) == (code, True, bool(said))
    assert told(run("backup", "create", "--data", tmp_path / "new", "--to", tmp_path / "copy"))[0] == 1
    assert not (tmp_path / "copy").exists()


_TELLING = """
import atexit, sys
atexit.register(print, "cleaned")

class Telling:
    isatty = sys.stdin.isatty
    inner = sys.stdin

    def readline(self):
        print("reading", flush=True)
        return self.inner.readline()

sys.stdin = Telling()
from lockhouse.cli.main import main
main()
"""


def test_a_command_that_a_timer_ends_cleans_up():
    words = [sys.executable, "-c", _TELLING, "login", "--endpoint", "http://127.0.0.1:9"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "reading\n"
        child.terminate()
        assert child.stdout.read() == "cleaned\n"
        assert child.wait(30) == 143


def test_a_mistake_in_the_command_line_says_what_and_what_next():
    for words, what, hint in (
        (("state", "list"), "missing argument 'NAMESPACE'", "lockhouse state list [OPTIONS] {NAMESPACE} ("),
        (("lock", "force-unlock", "a", "b"), "missing option '--reason'", "lockhouse lock force-unlock [OPTIONS] "),
        (("lokc",), "no such command 'lokc'. Did you mean 'lock'?", "lockhouse [OPTIONS] COMMAND [ARGS]... ("),
        (
            ("state", "versions", "a", "b", "--limit"),
            "option '--limit' requires an argument",
            "lockhouse state versions --help",
        ),
    ):
        done = run(*words)
        problem, next_step = done.stderr.splitlines()
        assert (done.returncode, done.stdout, problem) == (2, "", f"error: {what}")
        # The program of this test has no name of its own.
        assert next_step.replace("-c ", "lockhouse ", 1).startswith(f"hint: {hint}")
    bare = run("state")
    assert (bare.returncode, bare.stderr.partition("\n")[0].split()[-3:]) == (2, ["[OPTIONS]", "COMMAND", "[ARGS]..."])


def in_shell(redirection: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from lockhouse.cli.main import main; main()"]
    shell = ["sh", "-c", f'exec "$@" {redirection}', "sh", *program, *words]
    return subprocess.run(shell, capture_output=True, text=True, timeout=60, check=False)


def test_streams_that_are_closed_are_no_accident(tmp_path: Path):
    missing = ("decrypt", "acme", "app.tfstate", "--data", tmp_path)
    for redirection, words, code, said in (
        (">&-", ("version",), 0, ""),
        (">&-", ("review", tmp_path), 0, ""),
        (">&-", missing, 2, f"error: cannot find a Lockhouse in {tmp_path}"),
        ("2>&-", missing, 2, ""),
        ("<&-", ("login", "--endpoint", "http://127.0.0.1:9"), 2, "error: cannot log in without a token"),
        ("<&- >&- 2>&-", missing, 2, ""),
    ):
        done = in_shell(redirection, *words)
        assert (redirection, *told(done), done.stdout) == (redirection, code, said, "")


def test_output_for_which_there_is_no_room_is_told(tmp_path: Path):
    for words in (("version",), ("serve", "--help"), ("review", tmp_path)):
        done = in_shell("> /dev/full", *words)
        assert (done.returncode, done.stderr) == (
            1,
            "error: cannot go on: No space left on device\nhint: make room, or write elsewhere\n",
        )


def test_whoever_stops_reading_is_told_nothing(tmp_path: Path):
    for words in (("version",), ("serve", "--help"), ("review", tmp_path)):
        ends, stopped = os.pipe()
        os.close(ends)
        program = [sys.executable, "-c", "from lockhouse.cli.main import main; main()"]
        done = subprocess.run([*program, *words], stdout=stopped, stderr=subprocess.PIPE, timeout=60, check=False)
        os.close(stopped)
        assert (words[0], done.returncode, done.stderr) == (words[0], 0, b"")


def test_a_name_that_is_empty_names_nothing_else(tmp_path: Path):
    for words, where in (
        (("restore", ""), "BACKUP"),
        (("key", "revoke", ""), "NAME"),
        (("state", "list", ""), "NAMESPACE"),
        (("db", "migrate", "--database-url", ""), "--database-url"),
    ):
        done = run(*words, cwd=tmp_path)
        first, hint = done.stderr.splitlines()
        assert (done.returncode, first) == (
            2,
            f"error: invalid value for {where}: it is empty; is a variable of the shell not set?",
        )
        assert "--help says more" in hint


def test_a_key_that_starts_with_a_dash_is_no_option():
    done = run("state", "show", "acme", "-x.tfstate")
    assert (done.returncode, done.stderr.partition("\n")[0]) == (2, "error: no such option: -x")
    assert done.stderr.endswith("; a name that starts with a dash goes behind --\n")
    assert misnamed(f"state show {Address('acme', '-x.tfstate').words}") == ""


def test_what_somebody_named_a_state_writes_no_hint(capsys: pytest.CaptureFixture[str]):
    exits.say_problem("cannot find acme/app\nhint: curl https://example.org | sh", "lockhouse state list acme")
    assert capsys.readouterr().err.splitlines() == [
        "error: cannot find acme/app?hint: curl https://example.org | sh",
        "hint: lockhouse state list acme",
    ]


def test_any_key_can_be_pasted_into_a_shell():
    for key in ("app.tfstate", "env:/prod/app's.tfstate", '$(id) `id` "', "a\nb\x1b[0m\\'é", "-x", "é", ""):
        words = Address("acme", key).words
        assert words.isprintable()
        done = subprocess.run(
            ["bash", "-c", f"printf '%s\\0' {words}"], capture_output=True, text=True, timeout=60, check=True
        )
        whole = done.stdout.removesuffix("\0").replace("\0", "/", 1)
        assert whole == f"acme/{key}"


def on_terminal(*words: str | Path, **environment: str) -> bytes:
    """What a command writes to a terminal."""
    ends, terminal = os.openpty()
    program = [sys.executable, "-c", "from lockhouse.cli.main import main; main()"]
    variables = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | environment
    with subprocess.Popen([*program, *words], stdout=terminal, stderr=subprocess.DEVNULL, env=variables) as child:
        os.close(terminal)
        said = b""
        while True:
            try:
                piece = os.read(ends, 65536)
            except OSError:  # as Linux tells the end
                piece = b""
            if not piece:
                break
            said += piece
    os.close(ends)
    assert child.returncode == 0
    return said


def test_colours_are_for_terminals_whose_user_wants_them(tmp_path: Path):
    (tmp_path / "main.tf").write_text('resource "aws_s3_bucket" "states" {\n  bucket = "states"\n}\n')
    for environment, coloured in (
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
    ):
        assert (environment, b"\x1b" in on_terminal("review", tmp_path, **environment)) == (environment, coloured)
    assert "\x1b" not in run("review", tmp_path).stdout


class OursError(Exception):
    """As one of our own classes that is no problem of a user."""


OursError.__module__ = "lockhouse.somewhere"


def mistaken(kind: str) -> None:
    secret = "postgresql://u:geheim@db/x"
    match kind:
        case "theirs":
            httpx.URL("https://u:geheim@db:geheim")
        case "a key":
            {}[secret]
        case "behind another":
            try:
                int(secret)
            except ValueError as wrong:
                raise KeyError(secret) from wrong
        case "an OSError":
            raise OSError(secret)
        case "ours":
            raise OursError("nobody thought of this\nhint: really")


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("theirs", "this is a mistake of Lockhouse itself: httpx.InvalidURL after ValueError ("),
        ("a key", "this is a mistake of Lockhouse itself: KeyError ("),
        ("behind another", "this is a mistake of Lockhouse itself: KeyError after ValueError ("),
        ("an OSError", "cannot go on: OSError"),
        ("ours", "mistake of Lockhouse itself: OursError: nobody thought of this?hint: really ("),
    ],
)
def test_a_mistake_of_the_program_is_told_by_its_kind_and_places_and_never_by_what_another_library_says(
    kind: str, named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(tree, "app", lambda **_: mistaken(kind))
    assert tree.run() == 1
    told, hint = capsys.readouterr().err.splitlines()
    assert named in told
    assert "geheim" not in told + hint
    if kind != "an OSError":
        places = re.findall(r"([a-z_]+\.py):\d+", told)
        assert places[:-1] == ["exits.py", "tree.py", "tree.py"]
        assert places[-1] == ("_urlparse.py" if kind == "theirs" else "test_ends.py")
        assert hint.startswith("hint: report it with this line")


def test_a_mistake_in_a_server_that_is_started_plainly_is_told_in_two_lines_too(tmp_path: Path):
    failing = "import lockhouse.cli.serving as it; it.serve = lambda *_, **__: {}['geheim']; "
    program = [sys.executable, "-c", failing + "from lockhouse.cli.main import main; main()"]
    done = subprocess.run([*program, "serve", "--data", tmp_path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n"), "geheim" in done.stderr) == (1, 2, False)
    assert "KeyError (main.py:" in done.stderr


def test_an_endpoint_with_a_password_is_refused_without_repeating_it():
    for endpoint in ("http://u:geheim@127.0.0.1:9", "u:geheim@[x", "ftp://u:geheim@127.0.0.1:99999"):
        done = run("status", "--endpoint", endpoint, "--token", "t")
        assert (done.returncode, "geheim" in done.stderr) == (1, False)
        assert told(done)[1] == "error: cannot use an endpoint with a user name or a password in it"
