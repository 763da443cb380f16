"""Sending records: what leaves is shown first, a cut costs nothing, and what arrives is what was shown."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from board.archives import archive_of, members_of, packed
from board.cutting_proxy import between
from board.serving import Service, served, token_of
from board.test_redaction import farm_record
from click.testing import CliRunner
from run_records import run_record, steady_frames

from harness.board import push as pushing
from harness.board.push import address_of, collect, send, withdraw
from harness.cli.scoreboard_serve import push as push_command
from harness.cli.scoreboard_serve import withdraw as withdraw_command
from harness.errors import BadInputError, FarmError, NotFoundError
from harness.records.canonical import canonical
from harness.records.manifest import seal

_PUSH = (
    "import harness.board.push as pushing; pushing._PART_BYTES = 4096; "
    "from harness.cli.scoreboard_serve import push; push()"
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that all tests of this file share."""
    with served(tmp_path_factory.mktemp("push") / "data") as made:
        yield made


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the environment stands between a test and its service."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def _record(folder: Path, number: int, frames: int = 20) -> Path:
    """A record on disk, different for each number, that does not shrink much when it is packed."""
    document = run_record(run=f"{number:016x}", frames=steady_frames(frames, 0.1)).to_document()
    chance = random.Random(number)
    document["options"]["note"] = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=frames * 100))
    path = folder / f"run-{number}.json"
    path.write_bytes(canonical(seal(document)))
    return path


def test_a_zip_of_ck_arrives_as_it_was_shown(service: Service, tmp_path: Path) -> None:
    """The command shows files, fields and what is taken out, asks nobody under --yes, and prints each answer."""
    (tmp_path / "ckr-local.zip").write_bytes(
        packed(
            {
                **members_of("theirs", {}, uid="f" * 16),
                **members_of("ours", {"run.json": canonical(farm_record())}),
                "experiment/ours/pipeline.json": b'{"path": "/home/somebody/CK"}',
            }
        )
    )
    arguments = [str(tmp_path / "ckr-local.zip"), "--to", service.url, "--token", service.token]
    result = CliRunner().invoke(push_command, [*arguments, "--yes"])
    assert result.exit_code == 0, result.output
    for shown in ("run.json", "frames", "192.168.7.41 → address-", "not sent: theirs", "ours run: stored", "VALID"):
        assert shown in result.output
    key = next(line for line in result.stdout.splitlines() if "stored" in line).split()[3]
    with service.client() as client:
        content = client.get(f"/api/records/{key}/files/record.json").text
    assert "192.168.7.41" not in content
    assert json.loads(content)["redacted"] == "addresses and paths"
    again = CliRunner().invoke(push_command, [*arguments, "--yes", "--json"])
    assert json.loads(again.stdout)["records"][0]["answer"] == "already here"


def test_with_addresses(service: Service, tmp_path: Path) -> None:
    """Asked to, the record leaves as it is, byte for byte."""
    path = tmp_path / "run.json"
    path.write_bytes(canonical(farm_record()))
    shipment = collect([path], with_addresses=True)
    assert shipment.parcels[0].files == {"run.json": path.read_bytes()}
    answer = send(shipment, service.url, service.token)
    assert answer["records"][0]["verdict"] == "VALID"
    with service.client() as client:
        assert client.get(f"/api/records/{answer['records'][0]['id']}/files/record.json").content == path.read_bytes()


def test_only_records_leave(tmp_path: Path) -> None:
    """Nothing of CK's own files is in the archive, and the same records give the same bytes."""
    (tmp_path / "in.zip").write_bytes(
        packed(
            {
                **members_of("ours", {"run.json": canonical(farm_record())}),
                "experiment/ours/pipeline.json": b'"/home/x"',
            }
        )
    )
    shipment = collect([tmp_path / "in.zip"])
    with zipfile.ZipFile(io.BytesIO(shipment.archive)) as archive:
        names = archive.namelist()
        everything = b"".join(archive.read(name) for name in names)
    assert [name for name in names if ".cm/" not in name] == ["experiment/ours/iot-farm/run.json"]
    for private in (b"/home", b"192.168.7.41", b"pipeline"):
        assert private not in everything
    assert collect([tmp_path / "in.zip"]).archive == shipment.archive


def test_nobody_is_asked_and_nothing_leaves(service: Service, tmp_path: Path) -> None:
    """Without --yes and without a terminal nothing is sent."""
    path = _record(tmp_path, 1)
    result = CliRunner().invoke(push_command, [str(path), "--to", service.url, "--token", service.token])
    assert isinstance(result.exception, BadInputError)
    assert "--yes" in result.exception.hint
    with service.client() as client:
        assert client.get("/api/uploads/" + collect([path]).digest).json()["offset"] == 0
        assert not client.get("/api/rows", params={"verdict": "any", "q": "run-1"}).json()["rows"]


def test_a_cut_line_is_taken_up(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three cuts in the middle of parts: the archive arrives once, and little is sent twice."""
    monkeypatch.setattr(pushing, "_PART_BYTES", 16_384)
    shipment = collect([_record(tmp_path, number, 300) for number in range(10, 14)])
    total = len(shipment.archive)
    assert total > 60_000
    seen: list[int] = []
    with between(service.port, [9_000, 20_000, 25_000]) as line:
        answer = send(shipment, line.url, service.token, lambda done, _: seen.append(done))
        assert line.sent < total + 3 * 16_384 + 10_000
    assert [one["answer"] for one in answer["records"]] == ["stored"] * 4
    assert seen == sorted(seen)
    assert seen[-1] == total


def test_a_line_that_stays_dead_ends_the_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: where nobody ever answers, it gives up in one line that says how to go on."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(FarmError, match="does not answer") as caught:
        send(collect([_record(tmp_path, 2)]), "http://127.0.0.1:9", "token")
    assert "goes on where" in caught.value.hint


def test_a_push_that_is_killed_goes_on(service: Service, tmp_path: Path) -> None:
    """SIGKILL in the middle; the same command again sends the rest only, and each record is stored once."""
    paths = [str(_record(tmp_path, number, 300)) for number in range(20, 24)]
    shipment = collect([Path(path) for path in paths])
    total = len(shipment.archive)
    with between(service.port, pause_s=0.01) as line:
        command = [sys.executable, "-c", _PUSH, *paths, "--to", line.url, "--token", service.token, "--yes", "--json"]
        first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while line.sent < total // 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        out, _ = first.communicate()
        assert first.returncode == -signal.SIGKILL
        assert not out
        with service.client() as client:
            offset = client.get(f"/api/uploads/{shipment.digest}").json()["offset"]
        assert 0 < offset < total
        before = line.sent
        second = subprocess.run(command, capture_output=True, check=False, env=os.environ)
        assert second.returncode == 0, second.stderr
        overhead = 600 * (total // 4096 + 5)
        assert line.sent - before < total - offset + 4096 + overhead
    answers = json.loads(second.stdout)["records"]
    assert [one["answer"] for one in answers] == ["stored"] * 4


def test_a_service_that_restarts_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What had arrived when the service was killed is there when it comes back."""
    monkeypatch.setattr(pushing, "_PART_BYTES", 8192)
    shipment = collect([_record(tmp_path, number, 300) for number in range(30, 33)])
    data = tmp_path / "data"

    class Enough(Exception):  # noqa: N818
        pass

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise Enough

    with served(data) as service:
        with pytest.raises(Enough):
            send(shipment, service.url, service.token, stop)
        service.stop(signal.SIGKILL)
    seen: list[int] = []
    with served(data) as service:
        answer = send(shipment, service.url, service.token, lambda done, _: seen.append(done))
    assert seen[0] > len(shipment.archive) // 2
    assert [one["answer"] for one in answer["records"]] == ["stored"] * 3


def test_records_that_cannot_be_sent(tmp_path: Path) -> None:
    """A changed record, an archive of others, a missing file and a bad name are named before a byte leaves."""
    changed = run_record().to_document()
    sealed = seal(changed)
    sealed["metrics"]["ips"] = 1e9
    (tmp_path / "changed.json").write_bytes(canonical(sealed))
    with pytest.raises(BadInputError, match="SHA-256 is another"):
        collect([tmp_path / "changed.json"])
    (tmp_path / "theirs.zip").write_bytes(packed(members_of("theirs", {})))
    with pytest.raises(BadInputError, match="no record to send"):
        collect([tmp_path / "theirs.zip"])
    with pytest.raises(NotFoundError):
        collect([tmp_path / "missing.zip"])
    with pytest.raises(BadInputError, match="neither a record"):
        collect([tmp_path])
    (tmp_path / "b ad.json").write_bytes(canonical(seal(changed)))
    with pytest.raises(BadInputError, match="does not travel"):
        collect([tmp_path / "b ad.json"])


def test_a_record_that_is_refused_there_ends_with_1(service: Service, tmp_path: Path) -> None:
    """An INVALID record is kept with its reasons, and the exit code says so."""
    document = run_record(run="e" * 16).to_document()
    document["frames"][3]["replies"] = 2
    (tmp_path / "run.json").write_bytes(canonical(seal(document)))
    result = CliRunner().invoke(
        push_command, [str(tmp_path / "run.json"), "--to", service.url, "--token", service.token, "--yes"]
    )
    assert result.exit_code == 1
    assert "INVALID" in result.stdout
    assert "\n  - " in result.stdout


def test_withdrawing_from_the_terminal(service: Service, tmp_path: Path) -> None:
    """The uploader takes a record back; nobody else can."""
    key = send(collect([_record(tmp_path, 3)]), service.url, service.token)["records"][0]["id"]
    with pytest.raises(BadInputError, match="only who uploaded"):
        withdraw(key, service.url, token_of(service.data, "bob"))
    result = CliRunner().invoke(withdraw_command, [key, "--from", service.url, "--token", service.token, "--why", "x"])
    assert result.exit_code == 0
    with service.client() as client:
        assert client.get(f"/api/records/{key}").status_code == 410
    with pytest.raises(BadInputError, match="no id"):
        withdraw("../../x", service.url, service.token)


@pytest.mark.parametrize(
    "url",
    ["", "board", "ftp://x", "http://", "http://[", "http://x:99999", "http://u:p@x", "http://x/?a=b", "file:///etc"],
)
def test_addresses_that_are_none(url: str) -> None:
    """Named before anything is read; a good one loses its last slash."""
    with pytest.raises(BadInputError):
        address_of(url)
    assert address_of("https://board.example/here/") == "https://board.example/here"


@pytest.mark.parametrize("word", ["a b", "a\nb", "é", "a\x00b"])
def test_tokens_that_are_none(service: Service, tmp_path: Path, word: str) -> None:
    """A token that no header can hold is refused here; a wrong one is refused there, and is not tried again."""
    shipment = collect([_record(tmp_path, 4)])
    with pytest.raises(BadInputError, match="no token holds"):
        send(shipment, service.url, word)
    with pytest.raises(BadInputError, match="opens nothing"):
        send(shipment, service.url, "wrong")


class _Liar(BaseHTTPRequestHandler):
    answer = b""

    def _say(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    do_GET = do_PUT = _say  # noqa: N815  names that http.server looks for

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html>", b"[]", b"{}", b'{"offset":-1}', b'{"offset":true}', b'{"offset":"0"}', b'{"offset":0}',
     b'{"offset":1e99}', b'{"offset":99999999}', b"[" * 100_000, b'{"offset":' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_a_server_that_is_no_scoreboard(tmp_path: Path, answer: bytes) -> None:
    """Whatever it answers, the attempt ends in one line, soon."""
    server = HTTPServer(("127.0.0.1", 0), type("Liar", (_Liar,), {"answer": answer}))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.raises((FarmError, BadInputError)) as caught:
            send(collect([_record(tmp_path, 5)]), f"http://127.0.0.1:{server.server_port}", "token")
        assert "\n" not in caught.value.message
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def test_archives_are_named_by_what_they_hold(tmp_path: Path) -> None:
    """The digest is that of the bytes that travel."""
    path = tmp_path / "in.zip"
    path.write_bytes(archive_of(seal(run_record().to_document())))
    shipment = collect([path])
    assert shipment.digest == hashlib.sha256(shipment.archive).hexdigest()
