"""REPEAT.md of a snapshot: the commands of the paper's appendix, and for each record the one that repeats it (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.board.command import command_of
from harness.metrics import show

_PAGE = """\
# Repeat this

The snapshot of ck-iot-farm {version} (revision {revision}): benchmarks of neural networks that are cut over a farm of
small devices, with the Collective Knowledge (CK) commands of the paper's appendix A.7.

You need Linux, bash, Python 3.11 with venv, and a network for the first command (or a pip that finds its packages
elsewhere). The whole path of this folder must be of letters, digits, dots, dashes and underscores: CK quotes no path.

```
. ./prepare_virtual_ck.sh     # once: venv/, CK/ and CK-TOOLS/ appear in this folder
. ./start_virtual_ck.sh       # in each new shell: ck, python and iot-farm are those of this folder
stop_virtual_ck               # gives the shell back
```

Your own `~/CK` is neither read nor written; everything that these commands make lies in this folder, and is gone with
it. `PYTHON=` names an interpreter and `DEVICE=gpu` takes TensorFlow with CUDA, both for the first command.

## The records

`SHA256SUMS` holds every file of this snapshot. Figures are made again from the raw samples when they are read:

```
sha256sum --check --quiet SHA256SUMS
iot-farm record check records/{folder}
iot-farm results records/{folder}
iot-farm power report records/{folder} --out report
```

{records}

A run prints where its record lies, in `results/`. `iot-farm compare RECORD NEW-RECORD` says how far the two are apart,
and whether that is more than chance. Machines differ: repeat on one of the same kind, or compare ratios.

## The paper's commands (A.7)

```
ck detect soft --tags=lib,tensorflow
ck run program:request-iot-benchmark --cmd_key=benchmark-alexnet-single-device-cpu
ck run program:request-iot-benchmark --cmd_key=benchmark-vgg16-single-device-cpu
ck detect platform.gpgpu --cuda
ck run program:request-iot-benchmark --cmd_key=benchmark-alexnet-single-device-gpu
```

A farm of this machine's own loopback addresses, with no Raspberry Pi at all:

```
iot-farm farm up farm-5-local
ck run program:request-iot-benchmark --cmd_key=benchmark-alexnet-farm-5-nodes --target=farm-5-local --env.STAT_REPEAT=50
iot-farm farm down farm-5-local
```

A farm of yours: write its addresses into `farms/farm-5.json`, prepare this snapshot on each device, then

```
cd farms && ck add machine:farm-5 --access_type=avro --avro_config=farm-5.json
ck show machine
ck run program:request-iot-benchmark --cmd_key=benchmark-alexnet-farm-5-nodes-start-server --target=farm-5   # each Pi
ck run program:request-iot-benchmark --cmd_key=benchmark-alexnet-farm-5-nodes --target=farm-5 --env.STAT_REPEAT=5
```

and the same with `alexnet-farm-6`, `vgg16-farm-9` and `vgg16-farm-11`. Records in CK's own form:

```
cd `ck find script:benchmark-request-iot-farm`
python benchmarking.py --cmd_key=benchmark-alexnet-farm-5-nodes --target=farm-5-local
ck ls 'local:experiment:ck-request-asplos18-iot-farm*'
ck zip 'local:experiment:ck-request-asplos18-iot-farm*'
```
"""


def repeat_page(documents: Mapping[str, Mapping[str, Any]], *, version: str, revision: str) -> str:
    """The page.

    Args:
        documents: path in the snapshot -> the record, in the layout of the present version.
        version: of this project.
        revision: of its sources.

    Returns:
        Markdown; what comes from a record stands in it as text.
    """
    folder = next(iter(documents)).split("/")[1]
    records = "\n\n".join(_record(path, document) for path, document in documents.items())
    return _PAGE.format(version=version, revision=revision, folder=folder, records=records)


def _record(path: str, document: Mapping[str, Any]) -> str:
    model, target, metrics = document["model"], document["target"], document["metrics"]
    ips = f"{show('ips', metrics['ips'])} inferences per second, " if "ips" in metrics else ""
    title = f"### {_plain(model['name'])} on {_plain(target['name'])}"
    facts = f"`{_plain(path)}`: {ips}{_plain(document['verdict']['status'])}."
    command = command_of(document)
    if not command:
        return f"{title}\n\n{facts} The record does not say how to repeat it."
    lines = [command]
    if target["kind"] == "farm":
        name = command.partition("--target ")[2].split(" --")[0]
        lines = [f"iot-farm farm up {name}", command, f"iot-farm farm down {name}"] if name else lines
    return "\n\n".join((title, facts, "\n".join(("```", *lines, "```"))))


def _plain(text: Any) -> str:
    """Text from a record without what Markdown or a terminal would take for more."""
    shown = "".join(c if c.isprintable() and c not in "`<>[]|*\\" else "?" for c in str(text))
    return shown[:200]
