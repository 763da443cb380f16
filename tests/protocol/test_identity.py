"""The identity of a tensor as text."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.partition.wire import Wire
from harness.rpc.errors import RemoteError
from harness.rpc.identity import BY_NUMBER, MAX_FRAME, MAX_SHARES, MAX_TAG_CHARACTERS, Identity, Route, TagError

GOOD = "run=9f3c;frame=17;tensor=fc1;part=0/2;model=ab12"
words = st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True)
ROUTED = GOOD + ";attempt=1;epoch=3;way=0.10.2"
HALVED = ROUTED.replace(";part=", ";wire=fp16;part=")
routes = st.just(BY_NUMBER) | st.builds(
    Route,
    attempt=st.integers(0, 9999),
    epoch=st.integers(0, MAX_FRAME),
    way=st.lists(st.integers(0, 9999), min_size=1, max_size=MAX_SHARES).map(tuple),
)
identities = st.integers(1, 9999).flatmap(
    lambda parts: st.builds(
        Identity,
        run=words,
        frame=st.integers(0, MAX_FRAME),
        tensor=words,
        part=st.integers(0, parts - 1),
        parts=st.just(parts),
        model=words,
        route=routes,
        wire=st.sampled_from(Wire),
        to=st.none() | st.integers(0, 9998),
    )
)


@given(identities)
def test_an_identity_survives_as_text(identity):
    """Every identity is read back from its tag, and no tag is longer than what is accepted."""
    assert Identity.parse(str(identity)) == identity
    assert len(str(identity)) <= MAX_TAG_CHARACTERS


@given(identities, identities)
def test_different_identities_have_different_tags(one, other):
    """Two identities share a tag only if they are equal."""
    assert (str(one) == str(other)) == (one == other)


def test_the_tag_is_readable():
    """The tag is the documented text, field by field."""
    assert Identity.parse(GOOD) == Identity("9f3c", 17, "fc1", 0, 2, "ab12")
    assert Identity.parse(ROUTED) == Identity("9f3c", 17, "fc1", 0, 2, "ab12", Route(1, 3, (0, 10, 2)))
    assert Identity.parse(HALVED) == Identity("9f3c", 17, "fc1", 0, 2, "ab12", Route(1, 3, (0, 10, 2)), Wire.FP16)
    assert str(Identity("9f3c", 17, "fc1", 0, 2, "ab12")) == GOOD, "f32 stands in no tag"
    addressed = GOOD.replace(";model=", ";to=1;model=")
    assert Identity.parse(addressed) == Identity("9f3c", 17, "fc1", 0, 2, "ab12", to=1)


@given(identities, st.integers(0, MAX_FRAME), routes)
def test_a_tagger_writes_the_same_tags(identity, frame, route):
    """The quick way to the tag of another frame and route gives what the identity itself would."""
    moved = dataclasses.replace(identity, frame=frame, route=route)
    assert identity.tags()(frame, route) == str(moved)


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "t",
        GOOD + ";",
        GOOD + "\n",
        " " + GOOD,
        GOOD.replace("frame=17", "frame=017"),
        GOOD.replace("frame=17", "frame=-1"),
        GOOD.replace("frame=17", "frame=1e3"),
        GOOD.replace("frame=17", "frame=\u0661\u0667"),
        GOOD.replace("frame=17", f"frame={MAX_FRAME + 1}"),
        GOOD.replace("part=0/2", "part=2/2"),
        GOOD.replace("part=0/2", "part=0/0"),
        GOOD.replace("part=0/2", "part=0"),
        GOOD.replace("run=9f3c", "run="),
        GOOD.replace("run=9f3c", "run=a b"),
        GOOD.replace("run=9f3c", "run=" + "a" * 65),
        GOOD.replace("run=9f3c;", "") + ";run=9f3c",
        GOOD.replace("model=ab12", "model=é"),
        GOOD + ";frame=18",
        GOOD + ";attempt=0",
        ROUTED + ".",
        ROUTED + ";way=0",
        ROUTED.replace("attempt=1", "attempt=01"),
        ROUTED.replace("attempt=1", "attempt=-1"),
        ROUTED.replace("epoch=3", f"epoch={MAX_FRAME + 1}"),
        ROUTED.replace("way=0.10.2", "way="),
        ROUTED.replace("way=0.10.2", "way=0..2"),
        ROUTED.replace("way=0.10.2", "way=" + ".".join(["0"] * (MAX_SHARES + 1))),
        HALVED.replace("wire=fp16", "wire=f32"),
        HALVED.replace("wire=fp16", "wire="),
        HALVED.replace("wire=fp16", "wire=FP16"),
        HALVED.replace("wire=fp16", "wire=int4"),
        HALVED.replace("wire=fp16", "wire=fp16;wire=fp16"),
        ROUTED + ";wire=fp16",
        GOOD.replace(";model=", ";wire=fp16;model="),
        "run=" + "9" * 1_000_000,
    ],
)
def test_anything_else_is_refused(tag):
    """A tag that is not exactly what we write is refused with an error that a handler may let through."""
    with pytest.raises(TagError) as caught:
        Identity.parse(tag)
    assert isinstance(caught.value, RemoteError)
    assert isinstance(caught.value, ValueError)
    assert len(caught.value.text) < 300


@pytest.mark.parametrize(
    "fields",
    [
        {"run": "a;b"},
        {"frame": -1},
        {"part": 2},
        {"parts": 10_000},
        {"tensor": ""},
        {"model": "a=b"},
        {"route": Route(-1, 0, (0,))},
        {"route": Route(0, 0, ())},
        {"route": Route(1)},
    ],
)
def test_no_identity_is_made_that_cannot_travel(fields):
    """An identity that its tag could not carry cannot be created."""
    good = {"run": "r", "frame": 0, "tensor": "fc1", "part": 0, "parts": 2, "model": "m"}
    assert Identity(**good)
    with pytest.raises(TagError):
        Identity(**good | fields)
