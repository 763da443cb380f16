"""What leaves the machine names none, and can still be checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_records import run_record

from harness.board.redaction import redacted
from harness.records.canonical import canonical
from harness.records.check import check_file
from harness.records.manifest import seal

SECRETS = (
    "192.168.7.41",
    "10.11.12.13",
    "fe80::1ff:fe23:4567:890a",
    "2001:db8::7",
    "/home/somebody/models/secret.h5",
    "C:\\Users\\somebody\\w.h5",
    "/dev/ttyUSB7",
    "aa:bb:cc:dd:ee:0f",
    "kitchen-pi.example.org",
)


def farm_record(**changes: Any) -> dict[str, Any]:
    """A good record of a farm in a house, sealed: `run_record` with addresses of a network."""
    text = canonical(run_record().to_document()).decode()
    for loopback, real in (("127.0.0.1", "192.168.7.41"), ("127.0.0.2", "10.11.12.13"), ("127.0.0.3", SECRETS[-1])):
        text = text.replace(f'"{loopback}:', f'"{real}:').replace(f'"{loopback}"', f'"{real}"')
    return seal({**json.loads(text), **changes})


def _checked(folder: Path, content: bytes) -> Any:
    path = folder / "run.json"
    path.write_bytes(content)
    return check_file(path)


def test_a_redacted_record_is_checked_as_the_original(tmp_path: Path) -> None:
    """The same verdict, findings and figures; no address of the farm is left; the shape of the farm is."""
    document = farm_record()
    before = _checked(tmp_path, canonical(document))
    clean = redacted(document, {})
    after = _checked(tmp_path, clean.content)
    assert (before.status, before.figures) == ("VALID", after.figures)
    assert [(one.rule, one.passed) for one in after.findings] == [(one.rule, one.passed) for one in before.findings]
    for secret in ("192.168.7.41", "10.11.12.13", SECRETS[-1]):
        assert secret in canonical(document).decode()
        assert secret not in clean.content.decode()
        assert secret in clean.removed
    assert len(set(clean.removed.values())) == len(clean.removed)
    fresh = json.loads(clean.content)
    assert fresh["redacted"] == "addresses and paths"
    assert fresh["target"]["roles"].keys() == document["target"]["roles"].keys()
    assert document["manifest"]["record_sha256"] not in clean.content.decode()


def test_a_redacted_record_without_its_new_seal_is_refused(tmp_path: Path) -> None:
    """The control: stand-ins under the old seal do not pass for the record."""
    document = farm_record()
    fresh = json.loads(redacted(document, {}).content)
    fresh["manifest"]["record_sha256"] = document["manifest"]["record_sha256"]
    assert _checked(tmp_path, canonical(fresh)).status == "INVALID"


def test_a_record_without_anything_private_stays_as_it_is() -> None:
    """Byte for byte, with the same digest, and without the mark."""
    document = seal(run_record().to_document())
    clean = redacted(document, {})
    assert clean.content == canonical(document)
    assert not clean.removed


def test_redacting_twice_is_redacting_once() -> None:
    """What was redacted holds nothing private any more."""
    clean = redacted(farm_record(), {})
    assert redacted(json.loads(clean.content), {}).content == clean.content


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "cannot open {}: no such file",
        "weights:{}",
        "cache:{}",
        "--weights={}",
        "'{}'",
        "({})",
        "a, {}; b",
        "x={}\n",
    ],
)
def test_secrets_in_any_text(secret: str, around: str) -> None:
    """Wherever a text says it, in a value or in a key, it does not leave."""
    document = farm_record(
        options={"note": around.format(secret), around.format(secret): 1, "n": [[around.format(secret)]]}
    )
    content = redacted(document, {}).content.decode()
    assert json.dumps(secret)[1:-1] not in content
    assert secret not in content


@pytest.mark.parametrize(
    "text",
    ["1/s", "J/frame", "and/or", "12:46:41", "2026-11-21T12:46:41+00:00", "6.18.44", "1.2.3", "https://x.org/a/b",
     "TCPIP0::127.0.0.1::5025::SOCKET", "USB0::0x0957::0x1796::MY1::INSTR", "block1", "std::dead",
     "127.0.0.1:9999", "10 / 20"],
)  # fmt: skip
def test_what_is_not_private_stays(text: str) -> None:
    """The control: times, versions, units, addresses of the web and of this machine are no secrets."""
    document = seal({**run_record().to_document(), "options": {"note": text}})
    assert redacted(document, {}).content == canonical(document)


def test_the_trace_names_no_instrument(tmp_path: Path) -> None:
    """Comment lines of a trace lose addresses and paths, its samples stay byte for byte, and the manifest fits."""
    trace = (
        b'# resource: "TCPIP0::192.168.7.99::INSTR"\n# file: "/home/somebody/my trace.csv"\nat_s,power_w\n0.5,1.25\n'
    )
    path = tmp_path / "run.power.csv"
    path.write_bytes(trace)
    document = seal(run_record().to_document(), {"power.csv": path})
    clean = redacted(document, {"power.csv": trace})
    assert clean.files["power.csv"] == (
        b'# resource: "TCPIP0::address-1::INSTR"\n# file: "path-1"\nat_s,power_w\n0.5,1.25\n'
    )
    path.write_bytes(clean.files["power.csv"])
    (tmp_path / "run.json").write_bytes(clean.content)
    findings = {one.rule: one for one in check_file(tmp_path / "run.json").findings}
    assert not any("SHA-256" in one.detail for one in findings.values())


_OCTET = st.integers(0, 255)


@given(
    st.tuples(_OCTET, _OCTET, _OCTET, _OCTET), st.sampled_from(["{}", "{}:80", "[{}]", "at {} again", "ip-{}", "_{}"])
)
def test_every_address_of_the_old_internet(octets: tuple[int, int, int, int], around: str) -> None:
    """No address but those of this machine leaves, whatever stands around it."""
    address = ".".join(map(str, octets))
    document = seal({**run_record().to_document(), "options": {"note": around.format(address)}})
    stays = octets[0] == 127 or octets == (0, 0, 0, 0)
    assert (address in redacted(document, {}).content.decode()) == stays
