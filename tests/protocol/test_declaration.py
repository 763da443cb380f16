"""The declaration of the protocol: the documented file and the loaded file, and what must never change."""

import hashlib
import json
import re
from importlib import resources

import pytest

from harness.rpc.protocol import PROTOCOL, PROTOCOL_HASH, PROTOCOL_TEXT

PACKAGE = resources.files("harness.rpc")


def read_idl(text: str) -> dict:
    """Names, types and order of records and messages of an IDL file without imports, unions or defaults."""

    def fields(declarations: list[str]) -> list[tuple[str, str]]:
        return [tuple(reversed(one.split())) for one in declarations if one.strip()]

    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    records = re.findall(r"record (\w+) \{(.*?)\}", text, flags=re.DOTALL)
    messages = re.findall(r"(\w+) (\w+)\((.*?)\);", text, flags=re.DOTALL)
    return {
        "records": {name: fields([one.strip() for one in body.split(";")]) for name, body in records},
        "messages": {name: (result, fields(arguments.split(","))) for result, name, arguments in messages},
    }


def read_json(text: str) -> dict:
    """The same of a protocol in JSON."""

    def spelled(kind: str | dict) -> str:
        return kind if isinstance(kind, str) else f"array<{kind['items']}>"

    def fields(declarations: list[dict]) -> list[tuple[str, str]]:
        return [(one["name"], spelled(one["type"])) for one in declarations]

    protocol = json.loads(text)
    return {
        "records": {one["name"]: fields(one["fields"]) for one in protocol["types"]},
        "messages": {name: (one["response"], fields(one["request"])) for name, one in protocol["messages"].items()},
    }


def test_both_files_declare_the_same():
    """image.avdl and image.avpr agree in every record, field, message, parameter, type and order."""
    idl = PACKAGE.joinpath("image.avdl").read_text()
    declared = read_idl(idl)
    assert declared == read_json(PACKAGE.joinpath("image.avpr").read_text())
    assert len(declared["records"]) == 7
    assert len(declared["messages"]) == 12


@pytest.mark.parametrize(("old", "new"), [("long bytes_in", "int bytes_in"), ("string next, string tag", "string tag")])
def test_a_difference_between_the_files_would_be_seen(old, new):
    """Control: with one type or one parameter changed the comparison fails."""
    idl = PACKAGE.joinpath("image.avdl").read_text()
    assert old in idl
    assert read_idl(idl.replace(old, new)) != read_json(PACKAGE.joinpath("image.avpr").read_text())


def test_forward_is_that_of_the_published_artifact():
    """The name, the absent namespace and the parameters of `forward` are those of 2018."""
    protocol = json.loads(PROTOCOL_TEXT)
    assert protocol["protocol"] == "image"
    assert "namespace" not in protocol
    assert protocol["messages"]["forward"] == {
        "request": [
            {"name": "input", "type": "bytes"},
            {"name": "next", "type": "string"},
            {"name": "tag", "type": "string"},
        ],
        "response": "null",
    }


def test_the_hash_names_the_text_that_is_sent():
    """The hash in our handshakes is the MD5 of the very text that follows it when a peer asks for it."""
    assert hashlib.md5(PROTOCOL_TEXT.encode(), usedforsecurity=False).digest() == PROTOCOL_HASH
    assert list(PROTOCOL.messages) == list(json.loads(PROTOCOL_TEXT)["messages"])
