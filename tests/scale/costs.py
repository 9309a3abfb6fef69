"""What each request costs in processor time, on two servers asked in turn: a small house and a large one.

Processor time of the server's process (its CPU clock, in nanoseconds), so other work on the machine hardly matters;
rounds alternate between the servers, and of each the median counts.
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.clouds import Lockhouse
from tests.scale.rows import NAMESPACE, Size, document, key

TABLE = "terraform-locks"
PAGE = 50


@dataclass
class House:
    """One server with a generated house in it, just started. `others`: processes that work for it (PostgreSQL), by id."""

    server: Lockhouse
    size: Size
    others: Callable[[], Iterable[int]] = tuple

    def __post_init__(self) -> None:
        self._others: tuple[int, ...] = ()
        self.seconds_to_start = self.spent()
        """Of processor time, without that of others."""
        pair = self.server.cloud.credentials
        self._credentials = Credentials(pair.access_key_id, pair.secret_access_key)
        self._bearer = {"authorization": f"Bearer {self.server.token}"}
        self._connection = http.client.HTTPConnection(urlsplit(self.server.endpoint).netloc, timeout=600)
        self._chance = random.Random(1)
        self._serials: dict[int, int] = {}
        self._numbers = itertools.count(1)
        self._keys = sorted(key(number) for number in range(self.size.states))

    def settle(self) -> None:
        """All that works for it runs now."""
        self._others = tuple(self.others())

    def name_workspaces(self) -> None:
        """The first listing names all states, which is done once; a client whom a busy server refuses asks again."""
        path = f"/api/v2/organizations/{NAMESPACE}/workspaces?page%5Bsize%5D=20"
        for _ in range(100):
            self._connection.request("GET", path, headers=self._bearer)
            answer = self._connection.getresponse()
            answer.read()
            if answer.status != 503:
                break
        assert answer.status == 200, answer.status

    def connect(self) -> None:
        """Anew with the next request: a server closes a connection on which nothing was asked for a while."""
        self._connection.close()

    def spent(self) -> float:
        """Processor seconds so far."""
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in (self.server.child.pid, *self._others))

    # Requests --------------------------------------------------------------------------------------------------------

    def list_objects(self) -> None:
        """A page from somewhere in the middle."""
        answer = self._s3(
            "GET", f"/{NAMESPACE}?list-type=2&max-keys={PAGE}&start-after={quote(self._start(), safe='')}"
        )
        assert answer.count(b"<Key>") == PAGE, answer[:300]

    def list_folders(self) -> None:
        """The first common prefixes."""
        answer = self._s3("GET", f"/{NAMESPACE}?list-type=2&delimiter=%2F&max-keys=5")
        assert answer.count(b"<CommonPrefixes>") == 5, answer[:300]

    def list_states(self) -> None:
        path = f"/lockhouse/v1/namespaces/{NAMESPACE}/states?limit={PAGE}&after={quote(self._start(), safe='')}"
        assert len(json.loads(self._own("GET", path))["states"]) == PAGE

    def show_history(self) -> None:
        path = f"/lockhouse/v1/namespaces/{NAMESPACE}/state/versions?key={quote(self._key(), safe='')}&limit=5"
        assert len(json.loads(self._own("GET", path))["versions"]) == 5

    def head(self) -> None:
        self._s3("HEAD", f"/{NAMESPACE}/{self._key()}")

    def get(self) -> None:
        assert b'"serial"' in self._s3("GET", f"/{NAMESPACE}/{self._key()}")

    def lock_and_unlock(self) -> None:
        lock_id = {"LockID": {"S": f"{NAMESPACE}/{self._key()}"}}
        info = json.dumps({"ID": f"id-{next(self._numbers)}", "Operation": "OperationTypeApply", "Who": "me"})
        self._dynamodb(
            "PutItem", Item={**lock_id, "Info": {"S": info}}, ConditionExpression="attribute_not_exists(LockID)"
        )
        self._dynamodb("DeleteItem", Key=lock_id)

    def put(self) -> None:
        number = self._number()
        serial = self._serials.get(number, self.size.each) + 1
        self._serials[number] = serial
        self._s3("PUT", f"/{NAMESPACE}/{key(number)}", document(number, serial))

    def find_workspace(self) -> None:
        name = self._key().removesuffix("/terraform.tfstate").replace("/", "-")
        self._own("GET", f"/api/v2/organizations/{NAMESPACE}/workspaces/{name}")

    def miss_workspace(self) -> None:
        """What `terraform init` asks before it creates a workspace."""
        name = f"nobody-{next(self._numbers)}"
        self._own("GET", f"/api/v2/organizations/{NAMESPACE}/workspaces/{name}", expected=404)

    def list_workspaces(self) -> None:
        page = self._chance.randrange(1, self.size.states // 20 + 1)
        path = f"/api/v2/organizations/{NAMESPACE}/workspaces?page%5Bsize%5D=20&page%5Bnumber%5D={page}"
        assert len(json.loads(self._own("GET", path))["data"]) == 20

    def show_status(self) -> None:
        self._own("GET", "/lockhouse/v1/status")

    def metrics(self) -> None:
        self._own("GET", "/metrics")

    # How they are sent -----------------------------------------------------------------------------------------------

    def _number(self) -> int:
        return self._chance.randrange(self.size.states)

    def _key(self) -> str:
        return key(self._number())

    def _start(self) -> str:
        """A key after which a whole page comes."""
        return self._keys[self._chance.randrange(self.size.states - PAGE)]

    def _s3(self, method: str, target: str, body: bytes = b"") -> bytes:
        request = AWSRequest(method, self.server.endpoint + target, data=body)
        S3SigV4Auth(self._credentials, "s3", "us-east-1").add_auth(request)
        return self._send(method, target, body, dict(request.headers.items()))

    def _dynamodb(self, action: str, **asked: object) -> bytes:
        body = json.dumps({"TableName": TABLE, **asked}).encode()
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{action}"}
        request = AWSRequest("POST", self.server.endpoint + "/", data=body, headers=headers)
        SigV4Auth(self._credentials, "dynamodb", "us-east-1").add_auth(request)
        return self._send("POST", "/", body, dict(request.headers.items()))

    def _own(self, method: str, path: str, expected: int = 200) -> bytes:
        return self._send(method, path, b"", self._bearer, expected)

    def reconnect(self) -> None:
        """Begin with a new connection: making the other house may take longer than a server keeps an idle one."""
        self._connection.close()

    def _send(self, method: str, path: str, body: bytes, headers: dict[str, str], expected: int = 200) -> bytes:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        given = answer.read()
        assert answer.status == expected, (method, path, answer.status, given[:500])
        return given


KINDS: dict[str, Callable[[House], None]] = {
    "list objects": House.list_objects,
    "list folders": House.list_folders,
    "list states": House.list_states,
    "show history": House.show_history,
    "head": House.head,
    "get": House.get,
    "lock and unlock": House.lock_and_unlock,
    "put": House.put,
    "list workspaces": House.list_workspaces,
    "find workspace": House.find_workspace,
    "miss workspace": House.miss_workspace,
    "status": House.show_status,
    "metrics": House.metrics,
}


@dataclass(frozen=True)
class Cost:
    """Milliseconds of processor time for one request of a kind."""

    small: float
    large: float

    @property
    def ratio(self) -> float:
        return self.large / self.small


def costs(small: House, large: House, kinds: Iterable[str] = KINDS, rounds: int = 7, each: int = 30) -> dict[str, Cost]:
    """Ask both, in rounds that take turns; the first round is not counted."""
    return {kind: _cost(small, large, KINDS[kind], rounds, each) for kind in kinds}


def _cost(small: House, large: House, ask: Callable[[House], None], rounds: int, each: int) -> Cost:
    spent: dict[int, list[float]] = {id(small): [], id(large): []}
    for house in (small, large):
        house.reconnect()
    for turn in range(rounds + 1):
        for house in (small, large) if turn % 2 else (large, small):
            before = house.spent()
            for _ in range(each):
                ask(house)
            if not turn:
                house.settle()
            else:
                spent[id(house)].append((house.spent() - before) / each * 1000)
    return Cost(statistics.median(spent[id(small)]), statistics.median(spent[id(large)]))
