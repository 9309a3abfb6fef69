"""XML is read with suspicion and written so that nothing can break it."""

from xml.etree import ElementTree as ET

import pytest

from lockhouse.errors import DocumentMalformed
from lockhouse.protocols.aws import xml


def test_namespaces_and_their_absence_read_alike():
    for attribute in (b"", b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'):
        root = xml.read_document(
            b"<Tagging" + attribute + b"><TagSet><Tag><Key>a&amp;&#x41;</Key></Tag></TagSet></Tagging>", "Tagging"
        )
        assert root.first("TagSet").all("Tag")[0].value("Key") == "a&A"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not xml",
        b"<Tagging>",
        b"<Tagging></tagging>",
        b"<Other/>",
        b"<Tagging/><Tagging/>",
        b'<!DOCTYPE Tagging [<!ENTITY a "b">]><Tagging>&a;</Tagging>',
        b'<!DOCTYPE Tagging SYSTEM "file:///etc/passwd"><Tagging/>',
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Tagging>&b;</Tagging>',
        b"<Tagging>&undefined;</Tagging>",
        b"<Tagging>\xff\xfe</Tagging>",
        b'<?xml version="1.0" encoding="nonsense"?><Tagging/>',
        b"<Tagging>" + b"<a>" * 20 + b"</a>" * 20 + b"</Tagging>",
        b"<a>" * 200_000,
        b"<Tagging>" + b"<a/>" * 20_001 + b"</Tagging>",
        b"<Tagging>\x00</Tagging>",
    ],
)
def test_what_is_not_a_plain_small_document_is_refused(raw):
    with pytest.raises(DocumentMalformed):
        xml.read_document(raw, "Tagging")


@pytest.mark.parametrize("text", ["plain", "<&>\"'", "é☃\U0001f600", "a\nb\tc", "a\rb"])
def test_what_xml_can_hold_comes_back(text):
    raw = xml.document("Root", xml.field("Key", text))
    assert ET.fromstring(raw).findtext("{*}Key") == text


def test_characters_that_xml_cannot_hold_are_written_as_s3_writes_them():
    assert xml.escape("a\x01b") == "a&#x1;b"
