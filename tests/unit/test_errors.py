"""No problem is made that does not name its object and the next step; and what a hint tells to type is a command."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import get_session

import lockhouse
from lockhouse import errors
from lockhouse.core.addresses import Address
from lockhouse.errors import AwsRefusal, OneStep, Problem, RequestInvalid
from lockhouse.review import cost, review, rules, send, traffic
from tests.unit.cli.tree import mentions, misnamed

MODULES_WITH_CLASSES = (cost, review, rules, send, traffic)
ROOT = Path(lockhouse.__file__).parent


def _family(root: type[Problem]) -> Iterator[type[Problem]]:
    yield root
    for child in root.__subclasses__():
        yield from _family(child)


FAMILY = {each.__name__: each for each in _family(Problem)}
AWS_ROOMS = ("protocols/dynamodb/", "core/items.py", "core/updates.py", "core/attributes.py", "service/tables.py")
"""Where DynamoDB's own wording is at home."""

THEMSELVES = frozenset(
    [
        "AccessDenied",
        "BodyDigestInvalid",
        "BodyDigestMismatch",
        "BodyIncomplete",
        "BodyInvalid",
        "BodyLengthMissing",
        "BodyTooLarge",
        "CredentialExpired",
        "CredentialUnknown",
        "DataInvalid",
        "DocumentMalformed",
        "EncryptionKeyInvalid",
        "OperationUnsupported",
        "ProviderUnavailable",
        "SignatureMalformed",
        "SignatureMismatch",
        "SignatureMissing",
        "SignatureSkewed",
        "SignatureUnsupported",
        "SignatureExpired",
        "SlowDown",
        "StorageFull",
        "StorageUnavailable",
        "UploadNotFound",
        "UploadPartInvalid",
    ]
)
"""The object is the request, the caller, the server or its storage itself: there is one of each, which needs no name."""

PLACES = frozenset({"argument", "setting"})
"""The detail that names which field, option or setting is at fault."""


class Made:
    """One place that makes a problem."""

    def __init__(self, where: str, kind: type[Problem], call: ast.Call) -> None:
        self.where = f"{where}:{call.lineno}"
        self.room = where
        self.kind = kind
        self.message = call.args[0] if call.args else None
        self.named = {each.arg: each.value for each in call.keywords}

    @property
    def names_its_object(self) -> bool:
        if not isinstance(self.message, ast.Constant):
            return True  # it holds a value, or is made elsewhere of one
        if issubclass(self.kind, AwsRefusal):
            return True  # AWS's words name the parameter
        hint = self.named.get("hint")
        option = isinstance(hint, ast.Constant) and re.search(r"--[a-z]|lockhouse ", str(hint.value)) is not None
        return self.kind.__name__ in THEMSELVES or bool(PLACES & set(self.named)) or option

    @property
    def names_a_step(self) -> bool:
        if issubclass(self.kind, AwsRefusal):
            return self.room.startswith(AWS_ROOMS)
        hint = self.named.get("hint")
        if hint is None:
            return issubclass(self.kind, OneStep) or self.kind is errors.MethodNotAllowed or None in self.named
        return not (isinstance(hint, ast.Constant) and not str(hint.value).strip())


def made_in(text: str, where: str) -> Iterator[Made]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
            if name in FAMILY:
                yield Made(where, FAMILY[name], node)


SOURCES = {str(path.relative_to(ROOT)): path.read_text() for path in sorted(ROOT.rglob("*.py"))}
ALL = [each for where, text in SOURCES.items() for each in made_in(text, where)]


def test_every_problem_names_its_object():
    assert len(ALL) > 700
    assert [each.where for each in ALL if not each.names_its_object] == []


def test_every_problem_names_the_next_step():
    assert [each.where for each in ALL if not each.names_a_step] == []


def test_a_class_that_knows_the_step_says_it():
    known = [each for each in FAMILY.values() if issubclass(each, OneStep) and each is not OneStep]
    assert len(known) > 8
    assert [each.__name__ for each in known if not each("cannot").hint] == []
    assert errors.BodyIncomplete("cannot", hint="nearer").hint == "nearer"
    assert errors.MethodNotAllowed("cannot", allow="GET, PUT").hint == "use GET, PUT"


def test_no_problem_is_made_without_a_hint():
    with pytest.raises(TypeError, match="hint"):
        RequestInvalid("cannot use it")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("source", "object_named", "step_named"),
    [
        ('RequestInvalid("cannot find it", hint="try it")', False, True),
        ('RequestInvalid(f"cannot find {it}", hint="")', True, False),
        ('RequestInvalid(f"cannot find {it}")', True, False),
        ('RequestInvalid("cannot find it", hint="try it", argument="it")', True, True),
        ('errors.StateNotFound("cannot find it", hint="lockhouse state list NAMESPACE")', True, True),
        ('AwsRefusal("One or more parameter values were invalid")', True, False),
        ('BodyIncomplete("the client left")', True, True),
    ],
)
def test_a_poor_problem_would_be_noticed(source: str, object_named: bool, step_named: bool):
    (made,) = made_in(source, "service/somewhere.py")
    assert (made.names_its_object, made.names_a_step) == (object_named, step_named)


_TAG = re.compile(r"<[^>]+>")
SHOWN = {
    "way": "force-unlock",
    "end": " --reason TEXT",
    **dict.fromkeys(("namespace", "name", "role_name", "owner.name", "other.name", "caller.who.grantee"), "name-1"),
    **dict.fromkeys(("whom", "place", "right"), "quoted-before"),
    **dict.fromkeys(("where",), "acme app.tfstate"),
    **dict.fromkeys(("after", "service.service", "rights[0]"), "one"),
    **dict.fromkeys(("parked_id", "upload.id", "version_id", "parked", "found.id"), "3.Zk1x"),
}
"""What stands for a value. Names of namespaces and principals are letters, digits and what no shell reads, or they are
not let in; ids are made here. Everything else is a hostile name, which has to be quoted."""


def written(node: ast.expr) -> str:
    """A text, with a hostile key or some name for each value in it; empty for what is no text."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(written(each.value if isinstance(each, ast.FormattedValue) else each) for each in values)
        case ast.Attribute(attr="namespace"):
            return "acme"
        case ast.Attribute(attr="words"):
            return Address("acme", "env:/prod/app's state.tfstate").words
        case ast.Call(func=ast.Attribute(attr="quote") | ast.Name(id="shell_word")):
            return "'it is'"
    return SHOWN.get(ast.unparse(node), "it's")


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every text of a module, each part of one once."""
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in parts:
            yield node.lineno, written(node)


def test_the_commands_of_hints_and_messages_are_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOCKHOUSE_DATABASE_URL", "postgresql://db/lockhouse")
    told = [
        (each.where, call)
        for each in ALL
        for part in (each.message, each.named.get("hint"))
        if part is not None
        for _, text in texts(part)
        for call in mentions(text)
    ]
    assert len(told) > 180
    assert [(where, call, why) for where, call in told if (why := misnamed(call))] == []


def test_whatever_the_program_says_of_its_commands_they_are_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOCKHOUSE_DATABASE_URL", "postgresql://db/lockhouse")
    said = [
        (f"{where}:{line}", call)
        for where, source in SOURCES.items()
        for line, text in texts(ast.parse(source))
        for call in mentions(text)
    ]
    said += [(path.name, call) for path in ROOT.rglob("*.html") for call in mentions(_TAG.sub("", path.read_text()))]
    assert len(said) > 300
    assert [(where, call, why) for where, call in said if (why := misnamed(call, whole=False))] == []


def test_a_wrong_command_would_be_noticed():
    for sentence, right in (
        ("lockhouse lock list", True),
        ("try lockhouse key grant, or wait", True),
        ("lockhouse scrub tells what else is damaged", True),
        ("lockhouse retention set NAMESPACE --keep-days 90; then again", True),
        (f"lockhouse lock show {Address('acme', 'it is').words}", True),
        ("lockhouse locks list", False),
        ("lockhouse retention set NAMESPACE --keep-dayz 90", False),
        ("lockhouse retention set --keep-days 90", False),
        ("lockhouse state show acme 'it", False),
    ):
        assert [misnamed(call) == "" for call in mentions(sentence)] == [right], sentence


def test_the_pages_that_are_named_are_there():
    named = {
        (found, where)
        for where, source in SOURCES.items()
        for found in re.findall(r"docs/[a-z/-]+\.md", source)
        if "NNNN" not in found
    }
    assert len({page for page, _ in named}) > 8
    assert [(page, where) for page, where in sorted(named) if not (ROOT.parents[1] / page).is_file()] == []


def test_the_commands_of_the_aws_cli_are_there():
    told = {found for text in SOURCES.values() for found in re.findall(r"aws (s3api|dynamodb) ([a-z-]+)", text)}
    known = {
        room: {xform_name(each, "-") for each in get_session().get_service_model(service).operation_names}
        for room, service in (("s3api", "s3"), ("dynamodb", "dynamodb"))
    }
    assert len(told) > 15
    assert [f"{room} {name}" for room, name in sorted(told) if name not in known[room]] == []
