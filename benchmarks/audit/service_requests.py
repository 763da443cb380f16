"""The requests that a scoreboard service is loaded with, each with the only right answer."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import random
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from harness.records.canonical import canonical
from harness.records.manifest import seal

_ENTRY, _UID = "synthetic", "0123456789abcdef"
_SIZES = (20, 200, 2400)
_BUSY = 503
Ask = Callable[[], Awaitable[str]]


class Requests:
    """Draws requests; remembers what was acknowledged, so that what is lost shows.

    Args:
        client: with the service as its base.
        names: uploader -> token; "alice" and "bob".
        chance: where the draws come from.
        ready: how many records are made at once, for later.

    Attributes:
        stored: id of each acknowledged record that was not withdrawn -> SHA-256 of its file.
    """

    def __init__(self, client: httpx.AsyncClient, names: dict[str, str], chance: random.Random, ready: int) -> None:
        self._client, self._chance = client, chance
        self._alice, self._bob = ({"authorization": f"Bearer {names[name]}"} for name in ("alice", "bob"))
        self._run_record = _maker()
        self._number = 0
        # Made before anything is timed: making them takes longer than checking them.
        self._documents = [self._made() for _ in range(ready)]
        self._archives: list[bytes] = []
        self.stored: dict[str, str] = {}
        self._kinds: list[tuple[int, str, Ask]] = [
            (14, "page of the table", self._page),
            (14, "GET /api/rows", self._rows),
            (8, "GET /api/records", self._record),
            (6, "page of a record", self._record_page),
            (6, "file of a record", self._file),
            (4, "GET /api/frontier", self._frontier),
            (14, "upload, new", self._new),
            (6, "upload, again", self._again),
            (4, "upload in parts", self._parts),
            (4, "upload, INVALID", self._invalid),
            (4, "upload, changed", self._changed),
            (6, "upload, hostile", self._hostile),
            (4, "upload, no token", self._no_token),
            (4, "withdraw", self._withdraw),
            (3, "withdraw, another's", self._foreign),
            (6, "unknown or wrong words", self._wrong_words),
        ]

    def draw(self) -> tuple[str, Ask]:
        """One request: its kind, and what sends it and says what is wrong with the answer ("" for nothing)."""
        _, kind, ask = self._chance.choices(self._kinds, [weight for weight, _, _ in self._kinds])[0]
        return kind, ask

    async def missing(self) -> list[str]:
        """Acknowledged records that the service does not list, or whose file is another."""
        there: set[str] = set()
        mark: str | None = None
        while True:
            words = {"limit": "500", "verdict": "any", **({"after": mark} if mark else {})}
            page = (await self._client.get("/api/rows", params=words)).json()
            there |= {row["id"] for row in page["rows"]}
            mark = page["next"]
            if mark is None:
                break
        lost = [key for key in self.stored if key not in there]
        for key, digest in self.stored.items():
            content = (await self._client.get(f"/api/records/{key}/files/record.json")).content
            if hashlib.sha256(content).hexdigest() != digest:
                lost.append(key)
        return lost

    def _document(self) -> dict[str, Any]:
        return self._documents.pop() if self._documents else self._made()

    def _made(self) -> dict[str, Any]:
        self._number += 1
        document: dict[str, Any] = self._run_record(self._number, self._chance.choices(_SIZES, (6, 3, 1))[0])
        return document

    async def _ask(
        self, method: str, path: str, status: int, check: Callable[[Any], bool] | None = None, **more: Any
    ) -> str:
        answer = await self._client.request(method, path, **more)
        if answer.status_code == _BUSY and answer.headers.get("retry-after"):
            return "busy"
        if answer.status_code != status:
            return f"{method} {path}: {answer.status_code}, not {status}: {answer.text[:200]}"
        json = answer.headers["content-type"].startswith("application/json")
        document: Any = answer.json() if json else answer.text
        if status >= 400 and not (json and document.get("error") and "hint" in document):
            return f"{method} {path}: an error without words"
        return "" if check is None or check(document) else f"{method} {path}: another answer: {answer.text[:200]}"

    def _key(self) -> str | None:
        return self._chance.choice(list(self.stored)) if self.stored else None

    async def _page(self) -> str:
        words = self._chance.choice(["", "?sort=ips&order=desc", "?model=alexnet", "?q=farm", "?others=1&sort=system"])
        return await self._ask("GET", f"/{words}", 200, lambda text: "</html>" in text)

    async def _rows(self) -> str:
        words = self._chance.choice(
            ["", "?sort=ips&order=asc&count=true", "?verdict=any&limit=20", "?model=vgg16", "?mark=quick"]
        )
        return await self._ask("GET", f"/api/rows{words}", 200, lambda found: isinstance(found["rows"], list))

    async def _record(self) -> str:
        key = self._key()
        if key is None:
            return ""
        return self._or_withdrawn(
            key, await self._ask("GET", f"/api/records/{key}", 200, lambda one: one["row"]["id"] == key)
        )

    async def _record_page(self) -> str:
        key = self._key()
        if key is None:
            return ""
        return self._or_withdrawn(key, await self._ask("GET", f"/records/{key}.html", 200, lambda text: key in text))

    async def _file(self) -> str:
        key = self._key()
        if key is None:
            return ""
        digest = self.stored[key]
        answer = await self._client.get(f"/api/records/{key}/files/record.json")
        if answer.status_code == _BUSY:
            return "busy"
        right = hashlib.sha256(answer.content).hexdigest() == digest
        return self._or_withdrawn(key, "" if right else f"the file of {key} is another ({answer.status_code})")

    def _or_withdrawn(self, key: str, problem: str) -> str:
        """A record that was withdrawn while somebody asked for it may be gone."""
        return problem if key in self.stored or problem == "busy" else ""

    async def _frontier(self) -> str:
        y = self._chance.choice(["latency_p90_s", "price_usd", "energy_total_j"])
        return await self._ask("GET", f"/api/frontier?x=ips&y={y}", 200, lambda found: isinstance(found["rows"], list))

    async def _new(self) -> str:
        return await self._upload(self._document(), "VALID")

    async def _invalid(self) -> str:
        document = self._document()
        document["frames"][3]["replies"] = 2
        return await self._upload(document, "INVALID")

    async def _upload(self, document: dict[str, Any], verdict: str) -> str:
        content = canonical(seal(document))
        archive = _packed({"run.json": content})
        problem = await self._post(archive, 201, "stored", verdict, hashlib.sha256(content).hexdigest())
        while problem == "busy":
            # The same archive again: a new document would leave a number out.
            problem = await self._post(archive, 201, "stored", verdict, hashlib.sha256(content).hexdigest())
        self._archives = [*self._archives[-50:], archive]
        return problem

    async def _post(self, archive: bytes, status: int, word: str, verdict: str, digest: str = "") -> str:
        def check(found: dict[str, Any]) -> bool:
            (one,) = found["records"]
            right = bool(one["answer"] == word and one["verdict"] == verdict)
            if right and digest:
                self.stored[one["id"]] = digest
            return right

        return await self._ask("POST", "/api/uploads", status, check, content=archive, headers=self._alice)

    async def _again(self) -> str:
        if not self._archives:
            return ""

        def check(found: dict[str, Any]) -> bool:
            return all(one["answer"] in ("already here", "withdrawn") for one in found["records"])

        archive = self._chance.choice(self._archives)
        return await self._ask("POST", "/api/uploads", 200, check, content=archive, headers=self._bob)

    async def _parts(self) -> str:
        content = canonical(seal(self._document()))
        archive = _packed({"run.json": content})
        cut = len(archive) // 2
        place = f"/api/uploads/{hashlib.sha256(archive).hexdigest()}?length={len(archive)}&offset="

        def check(found: dict[str, Any]) -> bool:
            (one,) = found["records"]
            self.stored[one["id"]] = hashlib.sha256(content).hexdigest()
            return bool(one["answer"] == "stored")

        steps: list[tuple[int, int, bytes, Callable[[Any], bool] | None]] = [
            (0, 202, archive[:cut], lambda found: found["offset"] == cut),
            (0, 409, archive[:cut], lambda found: found["offset"] == cut),
            (cut, 201, archive[cut:], check),
        ]
        for offset, status, part, right in steps:
            problem = "busy"
            while problem == "busy":
                problem = await self._ask("PUT", f"{place}{offset}", status, right, content=part, headers=self._alice)
            if problem:
                return problem
        return ""

    async def _changed(self) -> str:
        document = seal(self._document())
        document["metrics"]["ips"] *= 2
        archive = _packed({"run.json": canonical(document)})
        return await self._post(archive, 200, "refused", "")

    async def _hostile(self) -> str:
        good = _packed({"run.json": canonical(seal(self._document()))})
        hostile = self._chance.choice(
            [
                b"",
                b"no archive",
                good[: len(good) // 2],
                _packed({"../../../evil.json": b"{}"}),
                _packed({"b.json": bytes(9_000_000)}),
            ]
        )
        return await self._ask("POST", "/api/uploads", 422, content=hostile, headers=self._alice)

    async def _no_token(self) -> str:
        headers = self._chance.choice([{}, {"authorization": "Bearer wrong"}])
        return await self._ask("POST", "/api/uploads", 401, content=b"x" * 1000, headers=headers)

    async def _withdraw(self) -> str:
        key = self._key()
        if key is None:
            return ""
        digest = self.stored.pop(key)
        problem = await self._ask("DELETE", f"/api/records/{key}", 200, headers=self._alice)
        if problem:
            self.stored[key] = digest
            return problem
        return await self._ask("GET", f"/api/records/{key}", 410)

    async def _foreign(self) -> str:
        key = self._key()
        if key is None:
            return ""
        return await self._ask("DELETE", f"/api/records/{key}", 403, headers=self._bob)

    async def _wrong_words(self) -> str:
        path, status = self._chance.choice(
            [
                ("/nowhere", 404),
                ("/api/records/0000000000000000", 404),
                ("/api/records/..%2f..%2fetc%2fpasswd", 404),
                ("/api/rows?sort=nothing", 422),
                ("/api/rows?after=nonsense", 422),
                ("/api/rows?limit=1000000", 422),
                ("/api/frontier?x=ips&y=ips", 422),
            ]
        )
        return await self._ask("GET", path, status)


def _packed(files: dict[str, bytes]) -> bytes:
    """An archive of one entry, as `ck zip` makes it."""
    members = {
        ".cm/alias-a-experiment": b"bc0409fb61f0aa82\n",
        ".cm/alias-u-bc0409fb61f0aa82": b"experiment\n",
        f"experiment/.cm/alias-a-{_ENTRY}": f"{_UID}\n".encode(),
        f"experiment/.cm/alias-u-{_UID}": f"{_ENTRY}\n".encode(),
        f"experiment/{_ENTRY}/.cm/meta.json": b"{}",
        **{f"experiment/{_ENTRY}/iot-farm/{name}": content for name, content in files.items()},
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _maker() -> Callable[[int, int], dict[str, Any]]:
    """The tests' maker of good records: number and frames in, a document out."""
    path = Path(__file__).parents[2] / "tests" / "run_records.py"
    described = importlib.util.spec_from_file_location("run_records", path)
    assert described is not None
    assert described.loader is not None
    module: Any = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)

    def made(number: int, frames: int) -> dict[str, Any]:
        document: dict[str, Any] = module.run_record(
            run=f"{number:016x}", frames=module.steady_frames(frames, 0.05)
        ).to_document()
        return document

    return made
