"""The service over real sockets: right answers to good requests, one line of JSON to all others."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from board.archives import archive_of, members_of, packed
from board.serving import Service, served, start, token_of
from click.testing import CliRunner
from run_records import run_record

from harness.board.service.address import is_loopback
from harness.cli.scoreboard_serve import serve, token
from harness.errors import BadInputError
from harness.records.canonical import canonical
from harness.records.manifest import seal


def good(number: int = 0, **changes: Any) -> dict[str, Any]:
    """One of many VALID records."""
    return seal({**run_record(run=f"{number:016x}").to_document(), **changes})


def _upload(client: httpx.Client, *documents: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/uploads", content=archive_of(*documents))
    assert answer.status_code in (200, 201), answer.text
    records: list[dict[str, Any]] = answer.json()["records"]
    return records


def test_upload_list_fetch_withdraw(client: httpx.Client) -> None:
    """A record goes in, stands in the table, comes out as the bytes that went in, and is taken back."""
    document = good(1)
    (answer,) = _upload(client, document)
    key = answer["id"]
    assert (answer["answer"], answer["verdict"]) == ("stored", "VALID")
    assert _upload(client, document)[0]["answer"] == "already here"
    rows = client.get("/api/rows", params={"q": key, "count": "true"}).json()
    assert [row["id"] for row in rows["rows"]] == [key]
    assert rows["count"] == 1
    record = client.get(f"/api/records/{key}").json()
    assert record["by"] == "alice"
    assert all(one["passed"] is not False for one in record["findings"])
    (file,) = record["files"]
    content = client.get(f"/api/records/{key}/files/{file['name']}").content
    assert content == canonical(document)
    assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert key in client.get("/", params={"q": key}).text
    assert client.get(f"/records/{key}.html").status_code == 200
    assert client.delete(f"/api/records/{key}", params={"why": "wrong clock"}).status_code == 200
    gone = client.get(f"/api/records/{key}")
    assert gone.status_code == 410
    assert gone.json()["withdrawn"]["why"] == "wrong clock"
    for path in (f"/records/{key}.html", f"/api/records/{key}/files/record.json"):
        assert client.get(path).status_code == 410
    assert client.get("/api/rows", params={"q": key, "verdict": "any"}).json()["rows"] == []
    assert _upload(client, document)[0]["answer"] == "withdrawn"


def test_an_upload_in_parts(client: httpx.Client) -> None:
    """Parts with gaps or of the past are told where to go on; the last one is answered like a whole upload."""
    content = archive_of(good(2), good(3))
    digest, total = hashlib.sha256(content).hexdigest(), len(content)
    place = f"/api/uploads/{digest}"

    def put(offset: int, part: bytes) -> httpx.Response:
        return client.put(place, params={"offset": offset, "length": total}, content=part)

    assert client.get(place).json() == {"upload": digest, "offset": 0}
    first = put(0, content[:1000])
    assert (first.status_code, first.json()["offset"]) == (202, 1000)
    for wrong in (0, 999, 1001):
        refused = put(wrong, content[wrong : wrong + 10])
        assert (refused.status_code, refused.json()["offset"]) == (409, 1000)
    assert put(1000, content[1000:] + b"too much").status_code == 413
    reached = client.get(place).json()["offset"]
    last = put(reached, content[reached:])
    assert last.status_code == 201
    assert [one["answer"] for one in last.json()["records"]] == ["stored", "stored"]
    assert client.get(place).json()["offset"] == 0


def test_a_part_that_is_not_what_it_is_called(client: httpx.Client) -> None:
    """An archive whose SHA-256 is another is thrown away: it can be sent again from the beginning."""
    content = archive_of(good(4))
    place = f"/api/uploads/{hashlib.sha256(content).hexdigest()}"
    wrong = content[:-1] + b"x"
    refused = client.put(place, params={"offset": 0, "length": len(content)}, content=wrong)
    assert refused.status_code == 422
    assert "SHA-256" in refused.json()["error"]
    assert client.get(place).json()["offset"] == 0
    assert client.put(place, params={"offset": 0, "length": len(content)}, content=content).status_code == 201


def test_what_came_before_a_cut_counts(service: Service, client: httpx.Client) -> None:
    """A connection that breaks in the middle of a part costs only what had not arrived."""
    content = archive_of(*(good(number) for number in range(100, 130)))
    digest, total = hashlib.sha256(content).hexdigest(), len(content)
    with service.connect() as wire:
        wire.sendall(
            f"PUT /api/uploads/{digest}?offset=0&length={total} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {service.token}\r\nContent-Length: {total}\r\n\r\n".encode()
            + content[: total // 2]
        )
        time.sleep(0.5)
    for _ in range(50):
        offset = client.get(f"/api/uploads/{digest}").json()["offset"]
        if offset == total // 2:
            break
        time.sleep(0.1)
    assert offset == total // 2
    for _ in range(50):
        rest = client.put(
            f"/api/uploads/{digest}", params={"offset": offset, "length": total}, content=content[offset:]
        )
        if rest.status_code != 409:
            break
        time.sleep(0.1)  # the service has not noticed the cut yet
    assert rest.json()["stored"] == 30


BAD_REQUESTS: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/nowhere", {}, 404),
    ("GET", "/api/rows?sort=nothing", {}, 422),
    ("GET", "/api/rows?order=up", {}, 422),
    ("GET", "/api/rows?limit=0", {}, 422),
    ("GET", "/api/rows?limit=501", {}, 422),
    ("GET", "/api/rows?limit=1e3", {}, 422),
    ("GET", "/api/rows?verdict=BAD", {}, 422),
    ("GET", "/api/rows?after=nonsense", {}, 422),
    ("GET", "/api/rows?after=" + "A" * 3000, {}, 422),
    ("GET", "/api/rows?model=" + "m" * 300, {}, 422),
    ("GET", "/api/frontier?x=ips&y=ips", {}, 422),
    ("GET", "/api/frontier?x=ips", {}, 422),
    ("GET", "/api/frontier?x=ips&y=model", {}, 422),
    ("GET", "/api/records/0000000000000000", {}, 404),
    ("GET", "/api/records/%00", {}, 404),
    ("GET", "/api/records/..%2f..%2fetc%2fpasswd", {}, 404),
    ("GET", "/api/records/../../../etc/passwd", {}, 404),
    ("GET", "/records/%2e%2e%2f%2e%2e%2fjournal.jsonl", {}, 404),
    ("GET", "/records/..html", {}, 404),
    ("GET", "/assets/..%2fservice.py", {}, 404),
    ("GET", "/assets/index.html", {}, 404),
    ("GET", "/api/records/" + "0" * 200, {}, 422),
    ("GET", "/scoreboard.exe", {}, 422),
    ("PATCH", "/api/rows", {}, 405),
    ("DELETE", "/api/records/0000000000000000", {}, 404),
    ("DELETE", "/api/records/published-2018-ck-alexnet-farm-5", {}, 403),
    ("POST", "/api/uploads", {"content": b""}, 422),
    ("POST", "/api/uploads", {"content": b"no zip" * 100}, 422),
    ("POST", "/api/uploads", {"content": packed({"../x": b"y"})}, 422),
    ("POST", "/api/uploads", {"headers": {"authorization": "Bearer nobody"}}, 401),
    ("POST", "/api/uploads", {"headers": {"authorization": "Basic YTpi"}}, 401),
    ("POST", "/api/uploads", {"headers": {"authorization": "Bearer " + "x" * 5000}}, 401),
    ("DELETE", "/api/records/0000000000000000", {"headers": {"authorization": ""}}, 401),
    ("GET", "/api/uploads/" + "0" * 64, {"headers": {"authorization": "Bearer"}}, 401),
    ("GET", "/api/uploads/UPPER", {}, 400),
    ("GET", "/api/uploads/" + "0" * 63 + "g", {}, 400),
    ("PUT", "/api/uploads/" + "0" * 64 + "?offset=-1&length=10", {}, 422),
    ("PUT", "/api/uploads/" + "0" * 64 + "?offset=0&length=99999999999", {}, 413),
    ("PUT", "/api/uploads/" + "0" * 64 + "?offset=5&length=10", {}, 409),
    ("PUT", "/api/uploads/" + "0" * 64, {}, 422),
]


@pytest.mark.parametrize(("method", "path", "request_", "status"), BAD_REQUESTS)
def test_every_error_is_one_line_and_the_way_out(
    client: httpx.Client, method: str, path: str, request_: dict[str, Any], status: int
) -> None:
    """JSON with error and hint, no traceback, no folder of this machine."""
    answer = client.request(method, path, **request_)
    assert answer.status_code == status, answer.text
    document = answer.json()
    assert {"error", "hint"} <= set(document)
    assert document["error"]
    assert "\n" not in document["error"]
    assert "Traceback" not in answer.text
    assert "/tmp/" not in answer.text


def test_the_controls_of_the_errors(client: httpx.Client) -> None:
    """The same requests with good words are answered."""
    for path in (
        "/api/rows?sort=ips&order=asc&limit=500&verdict=any",
        "/api/frontier?x=ips&y=price_usd",
        "/scoreboard.md",
    ):
        assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/figures.html", "/api/rows", "/nowhere", "/records/no.html", "/assets/board.css"]
)
def test_what_every_answer_says_to_a_browser(client: httpx.Client, path: str) -> None:
    """A policy without inline scripts and foreign sources, no sniffing, no cookies, and no name of the software."""
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in headers
    assert "server" not in headers


class _Sources(HTMLParser):
    """What a page asks for, and the scripts that it holds itself."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.inline = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "img", "iframe", "link") and (where := values.get("src") or values.get("href")):
            self.asked.append(where)
        if tag == "script" and "src" not in values and values.get("type") != "application/json":
            self.inline += 1
        assert not any(name.startswith("on") for name in values)


@pytest.mark.parametrize("path", ["/", "/docs", "/figures.html", "/records/published-2018-ck-alexnet-farm-5.html"])
def test_pages_ask_nobody_else(client: httpx.Client, path: str) -> None:
    """Every source of a page is of this service and is there; no script stands inside a page."""
    page = client.get(path)
    assert page.status_code == 200
    sources = _Sources()
    sources.feed(page.text)
    assert sources.inline == 0
    for where in sources.asked:
        if not where.startswith("data:"):
            assert not re.match(r"[a-z]+:|//", where)
            assert client.get(str(httpx.URL(str(page.url)).join(where))).status_code == 200


def test_hostile_texts_of_a_record_are_only_texts(client: httpx.Client) -> None:
    """Names and notes that are scripts, formulas or addresses of files are shown as what they are."""
    payloads = [
        '"><script>alert(1)</script>',
        "javascript:alert(1)",
        "=cmd|' /C calc'!A0",
        "{{7*7}}",
        "<img src=x onerror=y>",
    ]
    for number, payload in enumerate(payloads):
        document = run_record(run=f"{900 + number:016x}").to_document()
        document["target"]["name"] = payload
        document["frames"][0]["replies"] = 2
        (answer,) = _upload(client, seal(document))
        for path in (f"/records/{answer['id']}.html", f"/?others=1&q={answer['id']}"):
            text = client.get(path).text
            sources = _Sources()
            sources.feed(text)
            assert sources.inline == 0
            assert "<script>alert" not in text
            assert "<img src=x" not in text


def test_pages_follow_each_other(client: httpx.Client) -> None:
    """Following `next` through the table gives each row once; the links of the HTML pages do the same."""
    _upload(client, *(good(number) for number in range(200, 350)))
    wanted = client.get("/api/rows", params={"count": "true", "limit": 1}).json()["count"]
    seen: list[str] = []
    mark: str | None = None
    while True:
        page = client.get("/api/rows", params={"limit": 70, "sort": "ips", **({"after": mark} if mark else {})}).json()
        seen += [row["id"] for row in page["rows"]]
        mark = page["next"]
        if mark is None:
            break
    assert len(seen) == len(set(seen)) == wanted
    address, found = "/?sort=ips&order=asc", set[str]()
    for _ in range(20):
        text = client.get(address).text
        found |= set(re.findall(r'data-id="([^"]+)"', text))
        following = re.search(r'<a rel="next" href="([^"]+)"', text)
        if following is None:
            break
        address = "/" + following[1].replace("&amp;", "&")
    assert found == set(seen)


def test_half_open_connections_are_closed_and_others_served(service: Service, client: httpx.Client) -> None:
    """A hundred connections that say nothing, or stop in the middle of a header, are closed; others are served."""
    wires = [service.connect() for _ in range(100)]
    for wire in wires[::2]:
        wire.sendall(b"GET / HTTP/1.1\r\nHost:")
    assert client.get("/api/health").json()["status"] == "ok"
    for wire in wires:
        wire.settimeout(30)
        assert wire.recv(1) == b""
        wire.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50_000 + b"\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"POST /api/uploads HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request(service: Service, client: httpx.Client, head: bytes) -> None:
    """They are refused or cut off at once, and the next one is served."""
    with service.connect() as wire:
        received = b"?"
        try:
            wire.sendall(head)
            wire.shutdown(socket.SHUT_WR)
            received = wire.recv(65536)
        except OSError:
            received = b""
        assert not received.startswith(b"HTTP/1.1 2")
    assert client.get("/api/health").status_code == 200


def test_an_endless_body_is_cut_off(service: Service) -> None:
    """A chunked upload without an end stops at the bound, and leaves nothing on the disk."""

    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(1024 * 1024)

    with service.client() as client:
        try:
            answer: httpx.Response | None = client.post("/api/uploads", content=endless())
        except httpx.HTTPError:
            answer = None
    assert answer is None or answer.status_code == 413
    assert not list((service.data / "partial").rglob("*.zip"))


def test_uploads_at_once_are_each_kept_once(service: Service) -> None:
    """Sixteen uploaders of the same ten records: ten are stored, and everybody learns the ids."""
    content = archive_of(*(good(number) for number in range(400, 410)))

    def send(_: int) -> dict[str, Any]:
        with service.client() as client:
            while True:
                answer = client.post("/api/uploads", content=content)
                if answer.status_code != 503:
                    return dict(answer.json())
                assert answer.headers["retry-after"]
                time.sleep(0.1)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(16)))
    assert sum(one["stored"] for one in answers) == 10
    assert all(len({record["id"] for record in one["records"]}) == 10 for one in answers)


def test_only_the_uploader_withdraws(service: Service, client: httpx.Client) -> None:
    """Bob's token opens the door, and not to what is Alice's."""
    (answer,) = _upload(client, good(500))
    with service.client(token=token_of(service.data, "bob")) as bob:
        refused = bob.delete(f"/api/records/{answer['id']}")
        assert refused.status_code == 403
    assert client.get(f"/api/records/{answer['id']}").status_code == 200
    assert client.delete(f"/api/records/{answer['id']}").status_code == 200


def test_an_entry_of_others(client: httpx.Client) -> None:
    """An archive with nothing to check is answered in words, and adds no row."""
    before = client.get("/api/rows?count=true&verdict=any").json()["count"]
    answer = client.post("/api/uploads", content=packed(members_of("theirs", {})))
    assert answer.status_code == 200
    assert answer.json()["records"][0]["answer"] == "not checkable"
    assert client.get("/api/rows?count=true&verdict=any").json()["count"] == before


def test_the_description_names_every_route(client: httpx.Client) -> None:
    """OpenAPI has each operation of the API with its errors, and /docs shows the same."""
    description = client.get("/openapi.json").json()
    assert set(description["paths"]) == {
        "/api/health",
        "/api/rows",
        "/api/frontier",
        "/api/records/{record}",
        "/api/records/{record}/files/{name}",
        "/api/uploads",
        "/api/uploads/{digest}",
    }
    assert description["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    page = client.get("/docs").text
    for path in description["paths"]:
        assert path in page


def test_it_ends_gracefully_and_takes_up_its_files(tmp_path: Path) -> None:
    """SIGTERM lets an upload finish; a new service on the same files, and on a lost database, has the same rows."""
    content = archive_of(*(good(number) for number in range(20)))
    service = start(tmp_path / "data")
    answers: list[httpx.Response] = []

    def slowly() -> Iterator[bytes]:
        yield content[:5000]
        time.sleep(1.0)  # an upload that the service has not begun with is refused, as it should be
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        yield content[5000:]

    def send() -> None:
        with service.client() as client:
            answers.append(client.post("/api/uploads", content=slowly()))

    thread = threading.Thread(target=send)
    thread.start()
    thread.join(30)
    assert service.process.wait(30) == 0
    assert answers[0].json()["stored"] == 20
    for lost in (False, True):
        if lost:
            for left in (tmp_path / "data").glob("board.sqlite*"):
                left.unlink()
        with served(tmp_path / "data") as again, again.client() as client:
            assert client.get("/api/rows?origin=run&count=true").json()["count"] == 20


def test_a_service_that_is_killed_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """SIGKILL under uploads: every record that was answered "stored" is there afterwards."""
    service = start(tmp_path / "data", "--no-published")
    stored: list[str] = []

    def send() -> None:
        number = 0
        try:
            with service.client() as client:
                while True:
                    answer = client.post("/api/uploads", content=archive_of(good(number)))
                    stored.extend(one["id"] for one in answer.json()["records"] if one["answer"] == "stored")
                    number += 1
        except httpx.HTTPError:
            return

    thread = threading.Thread(target=send)
    thread.start()
    time.sleep(1.5)
    service.stop(signal.SIGKILL)
    thread.join(30)
    assert stored
    with served(tmp_path / "data", "--no-published") as again, again.client() as client:
        there: set[str] = set()
        mark = None
        while True:
            page = client.get("/api/rows", params={"limit": 500, **({"after": mark} if mark else {})}).json()
            there |= {row["id"] for row in page["rows"]}
            mark = page["next"]
            if mark is None:
                break
        assert set(stored) <= there
        assert not list((tmp_path / "data" / "partial").glob("*/unpacked-*"))


def test_it_does_not_listen_to_others_unless_told(tmp_path: Path) -> None:
    """An address that other machines reach needs --allow-remote, and the way out is named."""
    result = CliRunner().invoke(serve, ["--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path / "data")])
    assert isinstance(result.exception, BadInputError)
    assert "--allow-remote" in result.exception.hint
    assert not (tmp_path / "data").exists()
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", "")] == [False] * 5


def test_a_port_that_is_taken(service: Service, tmp_path: Path) -> None:
    """It is named before a file is written."""
    result = CliRunner().invoke(serve, ["--port", str(service.port), "--data", str(tmp_path / "data")])
    assert isinstance(result.exception, BadInputError)
    assert str(service.port) in result.exception.message
    assert not (tmp_path / "data").exists()


def test_tokens(service: Service) -> None:
    """One for each name, printed once, kept as a hash; a renewed or revoked one opens nothing any more."""
    folder = str(service.data)
    first = CliRunner().invoke(token, ["carol", "--data", folder]).output.strip()
    kept = json.loads((service.data / "tokens" / "carol.json").read_text())
    assert first not in json.dumps(kept)
    assert kept["sha256"] == hashlib.sha256(first.encode()).hexdigest()
    assert (service.data / "tokens" / "carol.json").stat().st_mode & 0o077 == 0
    assert isinstance(CliRunner().invoke(token, ["carol", "--data", folder]).exception, BadInputError)

    def opens(word: str) -> bool:
        with service.client(token=word) as client:
            return client.get("/api/uploads/" + "0" * 64).status_code == 200

    assert opens(first)
    second = CliRunner().invoke(token, ["carol", "--data", folder, "--renew"]).output.strip()
    assert opens(second)
    assert not opens(first)
    CliRunner().invoke(token, ["carol", "--data", folder, "--revoke"])
    assert not opens(second)
    for name in ("../x", "", "A", "a/b", "a" * 60, ".", "\n"):
        assert isinstance(CliRunner().invoke(token, ["--data", folder, "--", name]).exception, BadInputError)
