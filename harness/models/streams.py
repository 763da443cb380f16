"""Random streams that are the same on every machine and with every version of numpy.

Only the raw words of a bit generator are promised never to change between versions of numpy; distributions
may. So everything seeded here is made from raw words of PCG64, by arithmetic that rounds in one way only.
"""

import hashlib

import numpy as np
import numpy.typing as npt


def stream(*key: str | int) -> np.random.PCG64:
    """The bit generator of a key: equal keys give equal streams, and any other key an unrelated one."""
    text = ":".join(str(part) for part in ("ck-iot-farm", *key))
    return np.random.PCG64(int.from_bytes(hashlib.sha256(text.encode()).digest(), "big"))


def draw_int32(source: np.random.PCG64, count: int) -> npt.NDArray[np.int32]:
    """The next integers, uniform over the whole range; an odd count discards half a word."""
    return _words(source, (count + 1) // 2).view("<i4")[:count]


def draw_bytes(source: np.random.PCG64, count: int) -> npt.NDArray[np.uint8]:
    """The next bytes, uniform over 0..255; the rest of the last word is discarded."""
    return _words(source, (count + 7) // 8).view(np.uint8)[:count]


def _words(source: np.random.PCG64, count: int) -> npt.NDArray[np.uint64]:
    # Little-endian whatever the machine is, so that a view cuts every word in the same order.
    return source.random_raw(count).astype("<u8", copy=False)
