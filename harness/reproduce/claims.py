"""What the paper claims of its farms, and whether an honest count bears it out (pure).

Each claim is a ratio of two systems. The farm's side is imitated here; the other side, where it is a single device, is
the published figure, which nothing here can check. A claim stands where the artifact's own way to send, counted
honestly, gives a ratio as large as claimed within the bound of this audit, 10 %.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from harness.records.published import Published
from harness.reproduce.row import NEAR, Row

STANDS, FAILS, UNKNOWN = "stands", "does not stand", "cannot be told"


@dataclass(frozen=True)
class Claim:
    """A claim, in our words: one system is so many times as fast as another.

    Attributes:
        text: what is claimed.
        where: the figure.
        above: partition of the farm.
        farm: its published entry.
        below: the other published entry.
        below_row: partition of the other where it is a farm, too; "" for a single device.
    """

    text: str
    where: str
    above: str
    farm: str
    below: str
    below_row: str = ""


@dataclass(frozen=True)
class Judged:
    """A claim beside the audit.

    Attributes:
        text: the claim.
        where: its source.
        claimed: the published ratio; None where a figure is missing.
        counted: the same by the honest count of the artifact's own requests; None where a farm was not run.
        honest: the same as this project sends; likewise.
        verdict: `STANDS`, `FAILS` or `UNKNOWN`, of the artifact's own requests.
    """

    text: str
    where: str
    claimed: float | None
    counted: float | None
    honest: float | None
    verdict: str


_PAPER, _CK = "published-2018-paper-", "published-2018-ck-"

CLAIMS: Final = (
    Claim(
        "six Raspberry Pis run AlexNet as fast as the CPU of one Jetson TX2",
        "paper, figure 5",
        "alexnet-6",
        f"{_PAPER}alexnet-farm-6",
        f"{_PAPER}alexnet-tx2-cpu",
    ),
    Claim(
        "six Raspberry Pis run AlexNet a fifth slower than the TX2's GPU (the text says 30 %)",
        "paper, figure 5",
        "alexnet-6",
        f"{_PAPER}alexnet-farm-6",
        f"{_PAPER}alexnet-tx2-gpu",
    ),
    Claim(
        "eleven Raspberry Pis run VGG16 twice as fast as the TX2's CPU",
        "paper, figure 6",
        "vgg16-11",
        f"{_PAPER}vgg16-farm-11",
        f"{_PAPER}vgg16-tx2-cpu",
    ),
    Claim(
        "eleven Raspberry Pis run VGG16 13 % slower than the TX2's GPU (the text says 15 %)",
        "paper, figure 6",
        "vgg16-11",
        f"{_PAPER}vgg16-farm-11",
        f"{_PAPER}vgg16-tx2-gpu",
    ),
    Claim(
        "eleven devices run VGG16 2.3 times as fast as nine",
        "paper, figure 6",
        "vgg16-11",
        f"{_PAPER}vgg16-farm-11",
        f"{_PAPER}vgg16-farm-9",
        "vgg16-9",
    ),
    Claim(
        "five Raspberry Pis run AlexNet 2.8 times as fast as one",
        "results on CK",
        "alexnet-5",
        f"{_CK}alexnet-farm-5",
        f"{_CK}alexnet-rpi-cpu",
    ),
    Claim(
        "nine Raspberry Pis run VGG16 1.5 times as fast as the TX2's CPU",
        "results on CK",
        "vgg16-9",
        f"{_CK}vgg16-farm-9",
        f"{_CK}vgg16-tx2-cpu",
    ),
    Claim(
        "eleven Raspberry Pis run VGG16 4.9 times as fast as the TX2's CPU",
        "results on CK",
        "vgg16-11",
        f"{_CK}vgg16-farm-11",
        f"{_CK}vgg16-tx2-cpu",
    ),
)


def judge(rows: Mapping[str, Row], known: Mapping[str, Published]) -> tuple[Judged, ...]:
    """Every claim beside what was imitated.

    Args:
        rows: by partition; a farm that was left out is not in them.
        known: published entries by id.
    """
    found = []
    for claim in CLAIMS:
        claimed = None
        if claim.farm in known and claim.below in known:
            claimed = known[claim.farm].figures["ips"] / known[claim.below].figures["ips"]
        counted = _ratio(claim, rows, known, lambda row: row.requests_ips)
        honest = _ratio(claim, rows, known, lambda row: row.honest_ips)
        verdict = UNKNOWN
        if claimed is not None and counted is not None:
            verdict = STANDS if counted >= claimed * (1 - NEAR) else FAILS
        found.append(Judged(claim.text, claim.where, claimed, counted, honest, verdict))
    return tuple(found)


def _ratio(
    claim: Claim, rows: Mapping[str, Row], known: Mapping[str, Published], ips: Callable[[Row], float]
) -> float | None:
    above = rows.get(claim.above)
    below = rows.get(claim.below_row)
    if above is None or above.problems or claim.below not in known:
        return None
    if not claim.below_row:
        return ips(above) / known[claim.below].figures["ips"]
    return None if below is None or below.problems else ips(above) / ips(below)
