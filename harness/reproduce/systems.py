"""Which published systems are imitated, and how long (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.errors import NotFoundError
from harness.records.published import Published

DEVICE: Final = "rpi3"
BURST: Final = 10
"""Frames of a burst: STAT_REPEAT of the published runs on CK."""


@dataclass(frozen=True)
class Farm:
    """A farm of the paper.

    Attributes:
        partition: the paper's cut, which tells model and devices.
        title: for people.
        entries: ids of its published figures; "ck" before "paper".
        frames: of the honest window.
        warmup: frames before it; twice as many where power is measured.
        quick_frames: of the honest window of a quick audit; 0 leaves the farm out.
    """

    partition: str
    title: str
    entries: tuple[str, ...]
    frames: int
    warmup: int
    quick_frames: int


FARMS: Final = (
    Farm(
        "alexnet-5",
        "AlexNet on 5 devices",
        ("published-2018-ck-alexnet-farm-5", "published-2018-paper-alexnet-farm-5"),
        frames=80,
        warmup=4,
        quick_frames=20,
    ),
    Farm("alexnet-6", "AlexNet on 6 devices", ("published-2018-paper-alexnet-farm-6",), 80, 4, 0),
    Farm(
        "vgg16-9",
        "VGG16 on 9 devices",
        ("published-2018-ck-vgg16-farm-9", "published-2018-paper-vgg16-farm-9"),
        frames=27,
        warmup=3,
        quick_frames=0,
    ),
    Farm(
        "vgg16-11",
        "VGG16 on 11 devices",
        ("published-2018-ck-vgg16-farm-11", "published-2018-paper-vgg16-farm-11"),
        frames=49,
        warmup=7,
        quick_frames=14,
    ),
)
"""Windows are half a minute or more at the pace of Raspberry Pis; frames and warm-ups are multiples of the replicas, so
that every device has seen a frame before the first that counts."""


def entries_of(farm: Farm, published: tuple[Published, ...]) -> tuple[Published, ...]:
    """The published figures of a farm.

    Raises:
        NotFoundError: one of them is missing.
    """
    known = {one.id: one for one in published}
    missing = [name for name in farm.entries if name not in known]
    if missing:
        raise NotFoundError(f"there is no published entry {missing[0]}", "install ck-iot-farm again")
    return tuple(known[name] for name in farm.entries)
