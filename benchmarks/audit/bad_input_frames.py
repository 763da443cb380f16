"""Bad input, part four: whole calls of `forward` whose frame is not one that this node may take."""

from __future__ import annotations

import math
import struct
from typing import Final

from benchmarks.audit.bad_input_case import Case, message
from benchmarks.audit.bad_input_node import ROLE, RUN, Target
from benchmarks.audit.bad_input_wire import forward_message
from harness.partition.wire import SCALE_BYTES, Wire

_TOO_LARGE: Final = 2**63


def frame_cases(target: Target) -> list[Case]:
    """Everything that the node itself has to refuse."""
    parts = (_tags, _out_of_range, _strangers, _roles, _sizes, _wires, _scales)
    return [case for part in parts for case in part(target)]


def _case(
    target: Target, name: str, text: str, *, tag: str | None = None, role: str = ROLE, payload: bytes | None = None
) -> Case:
    sent = bytes(target.part_bytes) if payload is None else payload
    return message(name, forward_message(sent, role, target.tag() if tag is None else tag), text)


def _tags(target: Target) -> list[Case]:
    """Tags that are none."""
    good = target.tag(17)
    first, *others = good.split(";")
    numbers = ("-1", "-0", "+17", "017", "1e3", "17.0", "0x11", "17 ", "1_7", "nan", "inf", "None", "", "٣", "²")
    tags = {
        "an empty tag": "",
        "a tag of a blank": " ",
        "the tag of the published scripts": "initial",
        "a tag in JSON": '{"run": "audit", "frame": 17}',
        "a tag with a semicolon behind": good + ";",
        "a tag with a line end behind": good + "\n",
        "a tag with a NUL behind": good + "\0",
        "a tag with a blank before": " " + good,
        "a tag with a byte order mark": "\ufeff" + good,
        "a tag in capitals": good.upper(),
        "a tag with commas": good.replace(";", ","),
        "a tag with blanks": good.replace(";", "; "),
        "a tag with colons for equals signs": good.replace("=", ":"),
        "a tag twice": good + good,
        "a tag with another frame behind": good + ";frame=18",
        "a tag in another order": ";".join([*others, first]),
        "a tag that turns the text around": good.replace(RUN, "\u202eaudit"),
        "a tag with HTML": good.replace(RUN, "<script>"),
        "a tag with a path": good.replace(RUN, "../../etc/passwd"),
        "a tag with an escape sequence": good.replace(RUN, "\x1b[31maudit"),
        "a tag with full-width digits": _numbered(good, "\uff11\uff17"),
        "a tag of 4,096 letters": "a" * 4096,
        "a tag of 4,096 digits": f"run={RUN};frame={'9' * 4080}"[:4096],
        "a run without a name": good.replace(RUN, ""),
        "a run of 65 letters": good.replace(RUN, "r" * 65),
        "a part that is alone": good.replace(f"part=0/{target.parts}", "part=0"),
        "a part that is negative": good.replace("part=0/", "part=-1/"),
        "a part of 10,000": good.replace(f"part=0/{target.parts}", "part=0/10000"),
        "a model without a name": good.replace(target.model, ""),
        "a frame of 2^64": _numbered(good, str(2**64)),
        "a frame of 300 digits": _numbered(good, "1" * 300),
    }
    tags |= {f"the frame number {number!r}": _numbered(good, number) for number in numbers}
    tags |= {f"a tag without its {field.split('=')[0]}": good.replace(field, "", 1) for field in (first, *others)}
    return [_case(target, name, _no_tag(tag), tag=tag) for name, tag in tags.items()]


def _numbered(tag: str, frame: str) -> str:
    return tag.replace("frame=17;", f"frame={frame};")


def _no_tag(tag: str) -> str:
    return f"the tag '{_shown(tag[:120])}' is not 'run=...;frame=N;tensor=...;part=N/M;model=...'"


def _out_of_range(target: Target) -> list[Case]:
    good, parts = target.tag(17), f"part=0/{target.parts}"
    tags = {
        "the frame 2^63": (_numbered(good, str(_TOO_LARGE)), f"frame {_TOO_LARGE} is not within 0 and 2^63-1"),
        "a part behind the last": (good.replace("part=0", "part=2"), f"part 2 of {target.parts} does not exist"),
        "a part far behind": (good.replace("part=0", "part=9999"), f"part 9999 of {target.parts} does not exist"),
        "part 0 of none": (good.replace(parts, "part=0/0"), "part 0 of 0 does not exist"),
        "part 1 of 1": (good.replace(parts, "part=1/1"), "part 1 of 1 does not exist"),
    }  # fmt: skip
    return [_case(target, name, text, tag=tag) for name, (tag, text) in tags.items()]


def _strangers(target: Target) -> list[Case]:
    """Good tags of something else."""
    good, node, slots = target.tag(17), target.placement, target.plan.partition.slots(ROLE)
    cases = [
        _case(target, f"a frame of the run {run}", f"{node} serves run {RUN}, not {run}: another run has begun since",
              tag=good.replace(f"run={RUN};", f"run={run};"))
        for run in ("other", "audit2", "AUDIT", "-", "0")
    ]  # fmt: skip
    cases += [
        _case(target, f"a frame of the model {model}",
              f"{node} holds model {target.model}, the frame is of model {model}: other weights, seed or layers",
              tag=good.replace(f"model={target.model}", f"model={model}"))
        for model in ("0", "deadbeef", target.model.upper() + "x", target.model[:-1])
    ]  # fmt: skip
    tensor, parts = target.tensor, target.parts
    others = [
        *((other, 0, parts) for other in ("frame", "flatten", "predictions", f"{tensor}x", tensor.upper(), ".")),
        *((tensor, 0, count) for count in (1, parts + 1, 9999)),
    ]
    for name, part, count in others:
        tag = good.replace(f"tensor={tensor};part=0/{parts}", f"tensor={name};part={part}/{count}")
        text = f"{node} expects {slots}, not {name} part {part} of {count}"
        cases.append(_case(target, f"part {part} of {count} of the tensor {name}", text, tag=tag))
    return cases


def _roles(target: Target) -> list[Case]:
    roles = {
        "no role": "",
        "the role of the initial": "initial",
        "another node's role": "block1",
        "the role in capitals": ROLE.upper(),
        "the role with a blank": ROLE + " ",
        "the role with a line end": ROLE + "\n",
        "the role with a NUL": ROLE + "\0",
        "a role with a path": "../" + ROLE,
        "a role in an emoji": "\N{ROBOT FACE}",
        "a role with an escape sequence": "\x1b[2J",
        "a role of 1,900 letters": "r" * 1900,
    }
    return [
        _case(target, name, f"{target.placement} does not compute role {_shown(role)}", role=role)
        for name, role in roles.items()
    ]


def _shown(text: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _sizes(target: Target) -> list[Case]:
    right = target.part_bytes
    sizes = (0, 1, 3, 4, right - 4, right - 1, right + 1, right + 4, right * target.parts, 40_000)
    return [
        _case(target, f"a tensor of {size} bytes",
              f"{target.placement} expects {right} bytes of {target.tensor}, not {size} bytes", payload=bytes(size))
        for size in sizes
    ]  # fmt: skip


def _wires(target: Target) -> list[Case]:
    """Encodings that there are not, and payloads of another one than the tag says."""
    good = target.tag(17, wire=Wire.FP16)
    words = ("", "f32", "FP16", "fp32", "bf16", "int8", "uint8 ", "fp16,uint8", "\u0066p16\u0301", "../fp16", "f" * 500)
    tags = {f"the wire {word!r}": good.replace("wire=fp16", f"wire={word}") for word in words}
    tags |= {
        "a wire behind the part": target.tag(17).replace(";model=", ";wire=fp16;model="),
        "a wire at the end": target.tag(17) + ";wire=fp16",
        "a wire twice": good.replace("wire=fp16", "wire=fp16;wire=uint8"),
    }
    cases = [_case(target, name, _no_tag(tag), tag=tag) for name, tag in tags.items()]
    for wire in Wire:
        right = wire.payload_bytes(target.part_bytes)
        sizes = {0, 7, 8, right - 1, right + 1, *(other.payload_bytes(target.part_bytes) for other in Wire)} - {right}
        cases += [
            _case(target, f"{size} bytes as {wire}",
                  f"{target.placement} expects {right} bytes of {target.tensor}, not {size} bytes",
                  tag=target.tag(17, wire=wire), payload=bytes(size))
            for size in sorted(sizes)
        ]  # fmt: skip
    return cases


def _scales(target: Target) -> list[Case]:
    """uint8 payloads of the right length whose scale gives no numbers."""
    values = bytes(Wire.UINT8.payload_bytes(target.part_bytes) - SCALE_BYTES)
    nan, inf = math.nan, math.inf
    scales = ((0.0, nan), (nan, 1.0), (0.0, inf), (-inf, 1.0), (0.0, -1.0), (0.0, 3e38), (3e38, 1.0))
    return [
        _case(target, f"steps of {step:g} from {least:g}",
              f"{target.placement} {target.tensor} as uint8 goes in steps of {step:g} from {least:g}",
              tag=target.tag(17, wire=Wire.UINT8), payload=struct.pack("<ff", least, step) + values)
        for least, step in scales
    ]  # fmt: skip
