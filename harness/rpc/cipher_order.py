"""ChaCha20 before AES on a processor that has no instructions for AES, as those of the Pi before the fifth.

Without them OpenSSL takes some six times as long for AES as for ChaCha20. Python before 3.15 cannot order the suites of
TLS 1.3; OpenSSL's own settings can, as long as they are named before `ssl` or `hashlib` is imported.
"""

import os
from pathlib import Path
from typing import Final

CHACHA_FIRST: Final = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"
_SETTINGS: Final = Path(__file__).with_name("chacha_first.cnf")
_VARIABLE: Final = "OPENSSL_CONF"
_CPUINFO: Final = Path("/proc/cpuinfo")


def prefer_chacha(cpuinfo: Path = _CPUINFO) -> None:
    """Have OpenSSL put ChaCha20 first, here and in child processes, where AES is slow and nobody has set it up."""
    if not os.environ.get(_VARIABLE) and not has_aes(cpuinfo):
        os.environ[_VARIABLE] = str(_SETTINGS)


def has_aes(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether the processor has instructions for AES; where that cannot be seen it is taken to have them."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return True
    flags = [line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))]
    return all("aes" in found for found in flags)
