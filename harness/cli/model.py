"""`iot-farm model`: what a model is made of, and how a partition cuts it (needs no TensorFlow)."""

from __future__ import annotations

import json

import click

from harness.cli.options import json_option


@click.command()
@click.argument("name")
@json_option
def model(name: str, as_json: bool) -> None:
    """Show the layers of model NAME (alexnet, vgg16), or the roles of partition NAME (alexnet-5, vgg16-11, ...).

    \b
    Examples:
      iot-farm model alexnet
      iot-farm model vgg16-11 --json
    """
    from harness.errors import BadInputError
    from harness.models.catalogue import model as load_model
    from harness.models.catalogue import model_names
    from harness.partition.paper import partition, partition_names
    from harness.partition.wire import Wire

    if name in partition_names():
        cut = partition(name)
        rows = [
            {
                "role": role.name,
                "nodes": role.nodes,
                "parts": role.parts,
                "first layer": role.layers[0],
                "last layer": role.layers[-1],
                "parameters": cut.parameters(role.name),
                "macs": cut.macs(role.name),
                "bytes in": sum(message.payload_bytes(Wire.F32) for message in cut.messages(role.name)),
                "bytes out": sum(cut.block(role.name, 0).output_bytes(tensor) for tensor in cut.outputs(role.name)),
            }
            for role in cut.roles
        ]
    elif name in model_names():
        graph = load_model(name)
        rows = [
            {
                "layer": layer.name,
                "kind": type(layer).__name__,
                "output": "x".join(map(str, graph.shape(layer.name))),
                "parameters": graph.parameters(layer.name),
                "macs": graph.macs(layer.name),
                "output bytes": graph.output_bytes(layer.name),
            }
            for layer in graph.layers
        ]
    else:
        known = ", ".join((*model_names(), *partition_names()))
        raise BadInputError(f"there is no model or partition '{name}'", f"known: {known}")
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    _print(rows)


def _print(rows: list[dict[str, object]]) -> None:
    from rich import box
    from rich.table import Table

    from harness.cli.report import console

    table = Table(box=box.SIMPLE, pad_edge=False, show_footer="parameters" in rows[0])
    for title, value in rows[0].items():
        counted = isinstance(value, int)
        total = f"{sum(int(str(row[title])) for row in rows):,}" if title in {"parameters", "macs"} else ""
        table.add_column(title, justify="right" if counted else "left", footer=total)
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    console().print(table)
