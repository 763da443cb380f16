"""One process of atheris: `fuzz_process ENTRY FOLDER [OPTIONS OF LIBFUZZER]` writes the seeds there and begins."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Final

_LONGEST_BYTES: Final = 4096
_LONGEST_S: Final = 10
_MOST_MB: Final = 1024


def main(entry: str, folder: str, *options: str) -> None:
    """Fuzz; ends the process."""
    atheris = importlib.import_module("atheris")
    # What is imported here is watched: the reader of the wire, and the Avro library below it.
    with atheris.instrument_imports(include=["harness.rpc", "avro"]):
        entries = importlib.import_module("benchmarks.audit.fuzz_entries")
    for number, seed in enumerate(entries.SEEDS[entry]):
        (Path(folder) / str(number)).write_bytes(seed)
    limits = [f"-max_len={_LONGEST_BYTES}", f"-timeout={_LONGEST_S}", f"-rss_limit_mb={_MOST_MB}"]
    atheris.Setup([sys.argv[0], *options, *limits, folder], entries.ENTRIES[entry])
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
