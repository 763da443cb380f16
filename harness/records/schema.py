"""The form of a record: which fields there are, and what each may hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.records.record import FORMAT, VERSION

_MOST_PROBLEMS = 20

Count = Annotated[int, Field(ge=0, le=2**53)]
Seconds = Annotated[float, Field(ge=0)]
Text = Annotated[str, Field(max_length=10_000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Utc = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)$")]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class _Target(_Strict):
    name: Text
    kind: Literal["farm", "host"]
    devices: Annotated[int, Field(ge=1)]
    roles: dict[Text, list[Text]] | None = None
    device: Literal["cpu", "gpu"] | None = None
    runtime: Text | None = None


class _Model(_Strict):
    name: Text
    weights: Text
    seed: Count
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]+$")]


class _Series(_Strict):
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    number: Annotated[int, Field(ge=1)]
    of: Annotated[int, Field(ge=1, le=1000)]


class _Declared(_Strict):
    """What nobody can measure here, and where it stands."""

    price_usd: Annotated[float, Field(gt=0)] | None = None
    price_date: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")] | None = None
    price_source: Text | None = None
    peak_power_w: Annotated[float, Field(gt=0)] | None = None
    peak_power_source: Text | None = None


class _Device(_Strict):
    name: Text
    roles: list[Text]
    before: dict[str, Any]
    after: dict[str, Any] | None


class _Node(_Strict):
    description: dict[str, Any]
    statistics: dict[str, Any]


class _Frame(_Strict):
    frame: Count
    image: Count
    sent_s: Seconds
    verified_s: Seconds | None
    replies: Count
    error: Annotated[float, Field(ge=0)] | None


class _Verdict(_Strict):
    status: Literal["VALID", "INVALID", "INCOMPLETE"]
    reasons: list[Text]
    notes: list[Text]
    broken_off: Text


class _File(_Strict):
    sha256: Sha256
    bytes: Count


class _Manifest(_Strict):
    files: dict[Literal["power.csv"], _File]
    record_sha256: Sha256


class _Change(_Strict):
    epoch: Annotated[int, Field(ge=1)]
    at_s: float
    why: Text
    holders: dict[Text, Annotated[list[Text], Field(min_length=1)]]


class _Adapted(_Strict):
    """What happened to a farm that was allowed to change."""

    deadline_s: Annotated[float, Field(gt=0)]
    sent_again: Count
    late: Count
    lost: list[Text]
    changes: list[_Change]


class _Wire(_Strict):
    """What travelled between the blocks of a farm in place of float32, and what that costs."""

    encoding: Literal["fp16", "uint8"]
    errors: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=1)]
    same_class: Annotated[list[bool], Field(min_length=1)]
    f32_bytes_per_frame: Annotated[int, Field(ge=1, le=2**53)]


class _Reply(_Strict):
    frame: Count
    at_s: Seconds
    right: bool


class _Protocol(_Strict):
    """What the protocol of the 2018 artifact prints, which is no measurement."""

    name: Literal["published-2018"]
    burst: Annotated[int, Field(ge=1)]
    replies: list[_Reply]
    as_published_ips: Annotated[float, Field(gt=0)]
    counted_ips: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2)]
    right_share: Annotated[float, Field(ge=0, le=1)]
    window_s: Annotated[float, Field(gt=0)]
    makespan_s: Seconds


class RunRecord(_Strict):
    """One measured run, version 2 of the layout; `harness.records.record.Record` tells what each field means."""

    format: Literal["ck-iot-farm run"]
    version: Literal[2]
    run: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    started_utc: Utc
    ended_utc: Utc
    kind: Literal["quick", "official"]
    series: _Series | None
    target: _Target
    declared: _Declared | None
    model: _Model
    plan: dict[str, Any]
    options: dict[str, Any]
    devices: Annotated[list[_Device], Field(min_length=1)]
    nodes: list[_Node]
    frames: list[_Frame]
    metrics: dict[Text, float]
    verdict: _Verdict
    tolerance: Annotated[float, Field(gt=0)]
    measured: bool
    emulated: Text | None
    energy: dict[str, Any] | None
    manifest: _Manifest
    adapted: _Adapted | None = None
    wire: _Wire | None = None
    protocol: _Protocol | None = None
    redacted: Literal["addresses and paths"] | None = None


assert (FORMAT, VERSION) == ("ck-iot-farm run", 2), "the schema is that of the present version"


_NOT_KEPT = {
    "version": VERSION,
    "ended_utc": "1970-01-01T00:00:00Z",
    "manifest": {"files": {}, "record_sha256": 64 * "0"},
}
"""What version 1 had not, for the form alone."""


def form_problems(document: dict[str, Any]) -> list[str]:
    """What does not fit the form, "where: what" each; the first twenty.

    Args:
        document: of any readable version, in the layout of the present one (`harness.records.history`).
    """
    if document["version"] == 1:
        document = {**document, **_NOT_KEPT}
    try:
        RunRecord.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in found[:_MOST_PROBLEMS]]
    return []


def json_schema() -> dict[str, Any]:
    """The form as JSON Schema (draft 2020-12), as it stands in `experiments/schema/`."""
    schema = RunRecord.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "ck-iot-farm run record", **schema}
