"""The keys that a device loads, and the cipher that it prefers."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from protocol.tls_peers import (
    HOST,
    OTHER,
    running,
)

from harness.errors import BadInputError
from harness.rpc import cipher_order, event_loop
from harness.rpc.cipher_order import CHACHA_FIRST, has_aes
from harness.rpc.security import Security


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("flags\t\t: fpu aes avx\n", True),
        ("flags\t\t: fpu avx\n", False),
        ("Features\t: fp asimd evtstrm crc32 cpuid\n", False),
        ("Features\t: fp asimd aes pmull sha1\nFeatures\t: fp asimd aes\n", True),
        ("Features\t: fp asimd aes pmull sha1\nFeatures\t: fp asimd\n", False),
        ("", True),
    ],
)
def test_aes_instructions_are_seen(tmp_path, cpuinfo, expected):
    """A processor counts as having AES when each core says so, or none says anything."""
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert has_aes(tmp_path / "cpuinfo") is expected
    assert has_aes(tmp_path / "none")


_CONNECT = """
import os, socket, sys
from pathlib import Path
from harness.rpc.cipher_order import prefer_chacha
os.environ.pop("OPENSSL_CONF", None)
prefer_chacha(Path(sys.argv[1]))
from harness.rpc.security import Security
with socket.create_connection((sys.argv[3], int(sys.argv[4])), 20) as sock:
    with Security.load(Path(sys.argv[2])).client_context.wrap_socket(sock, server_hostname=sys.argv[3]) as tls:
        print(tls.cipher()[0])
"""


@pytest.mark.skipif(not has_aes(), reason="this processor has no AES instructions: ChaCha20 comes first by itself")
@pytest.mark.parametrize(("features", "suite"), [("asimd crc32", CHACHA_FIRST.split(":")[0]), ("asimd aes", None)])
def test_a_device_without_aes_gets_chacha20(tmp_path, keys, features, suite):
    """A device whose processor lacks AES talks ChaCha20 with one that has it; two that have it stay with AES."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"Features\t: {features}\n")

    async def run():
        async with running(keys[HOST]) as (_, _taker, (host, port)):
            command = [sys.executable, "-c", _CONNECT, str(cpuinfo), str(keys[OTHER].key.parent), host, str(port)]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

    found = event_loop.run(run())
    assert found == suite if suite else "AES" in found


def test_the_settings_file_says_what_the_code_says():
    """Both ways to order the suites name the same order."""
    settings = Path(cipher_order.__file__).with_name("chacha_first.cnf").read_text()
    assert f"Ciphersuites = {CHACHA_FIRST}\n" in settings


@pytest.mark.parametrize("name", ["ca.pem", "device.pem", "device.key"])
@pytest.mark.parametrize("content", [None, b"", b"no key", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_keys_that_cannot_be_used(tmp_path, keys, name, content):
    """A missing or broken file is one line that names it or its folder; whole ones load."""
    for path in (keys[HOST].ca, keys[HOST].certificate, keys[HOST].key):
        (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / path.name).chmod(0o600)
    assert Security.load(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        Security.load(tmp_path)
    assert str(tmp_path) in caught.value.message
    assert "\n" not in str(caught.value)


def test_a_key_that_others_may_read_is_refused(tmp_path, keys):
    """A key with loose permissions is refused with the command that mends them."""
    for path in (keys[HOST].ca, keys[HOST].certificate, keys[HOST].key):
        (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / path.name).chmod(0o644)
    with pytest.raises(BadInputError, match="others may read") as caught:
        Security.load(tmp_path)
    assert "chmod 600" in caught.value.hint
