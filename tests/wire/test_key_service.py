"""Keys that AWS KMS keeps, against the peer's KMS, and the rotation of keys over the API."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lockhouse.errors import StorageUnavailable
from lockhouse.sealing.kms import CONTEXT, Identity, KmsKeys, sign
from lockhouse.sealing.ring import key_id
from lockhouse.sealing.sources import KEY_FILE, KeyFile, choose_source, open_ring
from lockhouse.storage.memory import MemoryStore
from tests.e2e.clouds import Moto

IDENTITY = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = Moto(tmp_path_factory.mktemp("moto"))
    yield server.cloud.endpoint
    server.stop()


@pytest.fixture
def kms(moto: str):
    return boto3.client(
        "kms",
        endpoint_url=moto,
        region_name="us-east-1",
        aws_access_key_id=IDENTITY["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=IDENTITY["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture
def setting(kms, moto: str) -> str:
    made = kms.create_key()["KeyMetadata"]["KeyId"]
    return f"aws-kms:{made}?region=us-east-1&endpoint={moto}"


def test_a_ring_is_made_by_kms_and_opened_again_without_a_file(setting: str, tmp_path: Path):
    store = MemoryStore()
    first = open_ring(choose_source(setting, tmp_path, IDENTITY), store, 1.0)
    again = open_ring(choose_source(setting, tmp_path, IDENTITY), store, 2.0)
    assert first is not None
    assert again is not None
    assert (first.made, again.made, again.ring.newest) == (True, False, first.ring.newest)
    assert not (tmp_path / KEY_FILE).exists()
    key = first.ring.wrap(b"s" * 32, b"i" * 16, b"here")
    assert again.ring.unwrap(key) == b"s" * 32


def test_what_was_encrypted_for_something_else_does_not_open(kms, setting: str, tmp_path: Path):
    source = choose_source(setting, tmp_path, IDENTITY)
    assert isinstance(source, KmsKeys)
    _, record = source.make(1.0)
    assert key_id(source.load([record])[0]) == record.id
    with pytest.raises(kms.exceptions.ClientError):
        kms.decrypt(CiphertextBlob=record.wrapped, EncryptionContext={"lockhouse": "another purpose"})
    assert len(kms.decrypt(CiphertextBlob=record.wrapped, EncryptionContext=CONTEXT)["Plaintext"]) == 32
    other = kms.generate_data_key(KeyId=source.key, NumberOfBytes=32, EncryptionContext={"lockhouse": "other"})
    foreign = type(record)(record.id, 1.0, "aws-kms", other["CiphertextBlob"], source.key)
    with pytest.raises(StorageUnavailable, match="Decrypt was answered 4"):
        source.load([foreign])


def test_a_key_service_that_does_not_answer_is_named_and_nothing_is_made(setting: str, tmp_path: Path):
    store = MemoryStore()
    open_ring(choose_source(setting, tmp_path, IDENTITY), store, 1.0)
    broken = setting.partition("&endpoint=")[0] + "&endpoint=http://127.0.0.1:9"
    with pytest.raises(StorageUnavailable, match="AWS KMS key"):
        open_ring(choose_source(broken, tmp_path, IDENTITY), store, 2.0)
    assert len(store.read(lambda tx: tx.key_records())) == 1


def test_data_sealed_with_a_file_goes_on_under_kms(setting: str, tmp_path: Path):
    store = MemoryStore()
    old = open_ring(choose_source("", tmp_path, {}), store, 1.0)
    assert old is not None
    key = old.ring.wrap(b"s" * 32, b"i" * 16, b"here")
    moved = open_ring(choose_source(setting, tmp_path, IDENTITY), store, 2.0)
    assert moved is not None
    assert moved.ring.unwrap(key) == b"s" * 32
    kek, record = moved.source.make(3.0)
    store.write(lambda tx: tx.save_key_record(record))
    assert key_id(kek) not in {key_id(each) for each in KeyFile(tmp_path / KEY_FILE).load(())}
    later = open_ring(choose_source(setting, tmp_path, IDENTITY), store, 4.0)
    assert later is not None
    assert (later.ring.newest, later.ring.unwrap(key)) == (record.id, b"s" * 32)


def test_the_signature_is_the_one_that_botocore_makes():
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": "kms.example",
        "x-amz-target": "TrentService.Decrypt",
    }
    body = base64.b64encode(b"body")
    ours = sign(headers, body, Identity("AKIA", "secret", "token"), "eu-west-1", dt.datetime.now(dt.UTC))
    request = AWSRequest("POST", "https://kms.example/", headers | {"x-amz-date": ours["x-amz-date"]}, body)
    request.context["timestamp"] = ours["x-amz-date"]
    auth = SigV4Auth(Credentials("AKIA", "secret", "token"), "kms", "eu-west-1")
    request.headers["X-Amz-Security-Token"] = "token"
    text = auth.string_to_sign(request, auth.canonical_request(request))
    assert ours["authorization"].endswith(auth.signature(text, request))
