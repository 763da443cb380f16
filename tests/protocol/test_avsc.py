"""avsc, the Avro implementation for Node.js, as a client of our server and as a reader of our IDL."""

import hashlib
import json
from importlib import resources

import pytest
from npm_avsc import install_avsc, node


@pytest.fixture(scope="session")
def avsc(pytestconfig):
    """The folder in which avsc is installed."""
    return install_avsc(pytestconfig.cache)


@pytest.mark.parametrize("kept", ["kept", "new"])
def test_avsc_calls_a_running_server(avsc, server, kept):
    """The client avsc sends tensors in chunked bodies, twice with one client, and reads answers, records and errors."""
    protocol = str(resources.files("harness.rpc").joinpath("image.avpr"))
    told = node(avsc, "call.js", *map(str, server.address), protocol, kept)
    tensor = bytes(number % 251 for number in range(100_352))
    assert told["encoding"] == "chunked"
    assert told["first"]["errors"] == [hashlib.sha256(tensor).hexdigest(), "fc1", "frame=1"]
    assert told["second"]["errors"] == [hashlib.sha256(tensor).hexdigest(), "fc2", "frame=2"]
    assert told["second"]["errors"][0] != hashlib.sha256(tensor[:-1] + b"\0").hexdigest()
    assert told["second"]["received"] == 2
    assert told["second"]["bytes_in"] == 2 * len(tensor)
    assert told["description"]["pid"] == server.pid
    assert told["refusal"] == "busy: the queue of refuse is full"
    assert told["probe"] == 5


def test_avsc_reads_the_same_protocol_from_both_files(avsc):
    """A complete IDL parser makes of image.avdl what image.avpr says, documentation aside."""

    def bare(value):
        if isinstance(value, dict):
            return {key: bare(one) for key, one in value.items() if key != "doc"}
        return [bare(one) for one in value] if isinstance(value, list) else value

    package = resources.files("harness.rpc")
    assembled = bare(node(avsc, "idl.js", str(package.joinpath("image.avdl"))))
    assembled.pop("namespace", None)
    loaded = json.loads(package.joinpath("image.avpr").read_text())
    assert assembled == loaded
    loaded["messages"]["forward"]["request"].pop()
    assert assembled != loaded
