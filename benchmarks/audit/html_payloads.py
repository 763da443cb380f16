"""Records full of mark-up, on a scoreboard in a real browser: does any of it do something?

`python -m benchmarks.audit.html_payloads` prints how many had an effect; the goal is none.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.board.build import write_board
from harness.board.sources import collect
from harness.records.canonical import canonical
from harness.records.manifest import seal
from harness.records.store import read_record

_TESTS: Final = Path(__file__).resolve().parents[2] / "tests"
_KEPT: Final = ("format", "version", "manifest", "frames", "started_utc")
"""Without these a file is no record, and not shown at all."""


@dataclass(frozen=True)
class Payloads:
    """What became of them.

    Attributes:
        tried: different texts, each in a record that is VALID, and in one where it stands in every field.
        rows: records that are shown.
        valid: how many of them the checker takes.
        effects: pages on which a script ran, something was asked for, or the browser had to stop it.
    """

    tried: int
    rows: int
    valid: int
    effects: tuple[str, ...]


def try_payloads(folder: Path) -> Payloads:
    """File the records, build the scoreboard and look at it in Chromium.

    Args:
        folder: empty; takes records and pages.
    """
    texts = [text for text in _module("hostile_texts").hostile_texts() if "\x00" not in text]
    good = read_record(_module("energy_records").file_record(folder / "good", frames=20, meter=None))
    records = folder / "records"
    records.mkdir()
    for number, text in enumerate(texts):
        _file(records / f"{number:04d}-polite.json", _polite(good, text))
        _file(records / f"{number:04d}-rude.json", _rude(good, text))
    board = write_board(collect([records], published=False), folder / "board", title=texts[0], show_all=True)
    pages = [board.page, folder / "board" / "figures.html"]
    # Of each text one record's own page, by turns; all of them stand in table and plot.
    own = {row.name: folder / "board" / "records" / f"{row.id}.html" for row in board.rows}
    pages += [own[f"{number:04d}-{('polite', 'rude')[number % 2]}"] for number in range(len(texts))]
    return Payloads(len(texts), len(board.rows), board.count("VALID"), _effects(pages, folder))


def _polite(good: dict[str, Any], text: str) -> dict[str, Any]:
    """The text wherever a record may hold any text and still be VALID."""
    called = {good["model"]["name"], good["model"]["weights"]}
    good = _renamed(good, called, text)
    declared = {"price_usd": 1.0, "price_date": "2026-01-01", "price_source": text}
    return {
        **good,
        "target": {**good["target"], "name": text},
        "declared": {**declared, "peak_power_w": 1.0, "peak_power_source": text},
        "verdict": {**good["verdict"], "notes": [text]},
        "emulated": text,
    }


def _renamed(value: Any, old: set[str], new: str) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, old, new) for item in value]
    return new if isinstance(value, str) and value in old else value


def _rude(good: dict[str, Any], text: str) -> dict[str, Any]:
    """The text in place of every text, whatever the checker says of that."""
    laden = _module("hostile_texts").laden
    return {key: value if key in _KEPT else laden(value, text) for key, value in good.items()}


def _file(path: Path, document: dict[str, Any]) -> None:
    path.write_bytes(canonical(seal(document)))


def _effects(pages: list[Path], folder: Path) -> tuple[str, ...]:
    watched_page = _module("watched_page")
    found = []
    with watched_page.running_browser() as browser, watched_page.page_opener(browser) as opened:
        watched = opened(None, offline=True)
        for path in pages:
            for heard in (watched.requests, watched.messages, watched.errors):
                heard.clear()
            watched.page.goto(path.as_uri())
            outside = [url for url in watched.requests if not url.startswith((folder.as_uri() + "/", "data:"))]
            taken = watched.page.evaluate("window.taken")
            if taken is not None or outside or watched.messages or watched.errors:
                found.append(f"{path.name}: {taken} {outside} {watched.messages} {watched.errors}")
    return tuple(found)


def _module(name: str) -> Any:
    if str(_TESTS) not in sys.path:
        sys.path.append(str(_TESTS))
    return importlib.import_module(name)


def main() -> int:
    """Print the figure; 1 where there was an effect."""
    with tempfile.TemporaryDirectory() as folder:
        told = try_payloads(Path(folder))
    for effect in told.effects:
        print(effect)
    print(f"HTML payloads with an effect: {len(told.effects)} of {told.tried} ({told.rows} rows, {told.valid} VALID)")
    return 1 if told.effects else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
