"""`iot-farm reproduce`: the audit of the 2018 paper."""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from harness.cli.options import json_option


@click.command()
@click.option(
    "--quick", is_flag=True, help="Short windows of AlexNet on 5 and VGG16 on 11 devices: three minutes at most."
)
@click.option("--only", "only", multiple=True, metavar="PARTITION", help="This farm alone; may be given again.")
@click.option(
    "--network",
    default="wifi-n",
    show_default=True,
    metavar="NAME|FILE",
    help="Network between the imitated devices: wifi-n, wifi-pi (the pace that a Pi gets of it), or a JSON file.",
)
@click.option(
    "--power", default="virtual", show_default=True, help="Source of power for the honest runs; none leaves it out."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results/reproduce"),
    show_default=True,
    help="Folder of the page; the records go to the results.",
)
@json_option
def reproduce(*, quick: bool, only: tuple[str, ...], network: str, power: str, out: Path, as_json: bool) -> None:
    """Imitate the paper's farms by both protocols, and set them beside the published figures.

    Each farm runs on this machine at the pace of Raspberry Pis on WiFi, every tensor computed: as this project sends
    and counts, with the artifact's requests and an honest count, and by the artifact's whole protocol. One page and
    one table say what each published figure claims and whether it stands.

    \b
    Examples:
      iot-farm reproduce
      iot-farm reproduce --quick
      iot-farm reproduce --network wifi-pi --only vgg16-9
      iot-farm reproduce --only alexnet-5 --power none --json
    """
    from harness.bench.energy import require_meter
    from harness.emulate.emulation import emulation_called
    from harness.errors import BadInputError
    from harness.records.published import read_published
    from harness.records.store import require_writable
    from harness.reproduce.claims import judge
    from harness.reproduce.page import AuditPage, render, to_markdown
    from harness.reproduce.row import row_of
    from harness.reproduce.session import Audit
    from harness.reproduce.systems import DEVICE, FARMS, entries_of

    names = [farm.partition for farm in FARMS]
    unknown = next((name for name in only if name not in names), None)
    if unknown is not None:
        raise BadInputError(f"there is no farm '{unknown}' in the paper", f"choose {', '.join(names)}")
    emulation = emulation_called(f"{DEVICE}+{network}")
    require_writable(out)
    if power != "none":
        require_meter(power)
    published = read_published()
    rows, left_out, records = [], [], []
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="reproduce-") as folder:
        source = "" if power == "none" else power
        audit = Audit(
            emulation.text, Path(folder), None, source, 2.0 if quick else 5.0, lambda line: click.echo(line, err=True)
        )
        for number, farm in enumerate(FARMS):
            frames = farm.quick_frames if quick else farm.frames
            if (only and farm.partition not in only) or (not only and not frames):
                left_out.append(farm.title)
                continue
            runs = audit.run(farm, frames or farm.frames, number)
            rows.append(row_of(farm, entries_of(farm, published), runs))
            records += [str(found["run"]) for found in (runs.honest, runs.requests, runs.published)]
    page = AuditPage(
        rows=tuple(rows),
        claims=judge({row.partition: row for row in rows}, {one.id: one for one in published}),
        emulation=emulation.name,
        made_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        left_out=tuple(left_out),
        records=tuple(records),
    )
    document = json.dumps(page.to_document(), indent=1) + "\n"
    (out / "audit.json").write_text(document, encoding="utf-8")
    (out / "audit.html").write_text(render(page), encoding="utf-8")
    (out / "audit.md").write_text(to_markdown(page), encoding="utf-8")
    click.echo(document if as_json else to_markdown(page), nl=False)
    click.echo(f"written: {out / 'audit.html'}, audit.md and audit.json", err=True)
    if any(row.problems for row in rows):
        for row in rows:
            for problem in row.problems:
                click.echo(f"{row.title}: {problem}", err=True)
        sys.exit(1)
