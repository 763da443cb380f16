"""The pool of seeded frames."""

import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.frames import frame_pool

SHAPE = (24, 32, 3)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(-(2**70), 2**70), count=st.integers(1, 4), extra=st.integers(1, 3))
def test_a_frame_depends_on_seed_and_index_alone(seed, count, extra):
    """A longer pool begins with the shorter one, bit for bit; another seed gives other frames."""
    pool = frame_pool(seed, count, SHAPE)
    assert (pool.shape, pool.dtype) == ((count, *SHAPE), np.uint8)
    np.testing.assert_array_equal(frame_pool(seed, count + extra, SHAPE)[:count], pool)
    assert not np.array_equal(frame_pool(seed + 1, count, SHAPE), pool)


def test_frames_differ_by_far_more_than_their_noise():
    """Any two of 64 frames differ by 10 of 255 or more on average; two noise patterns differ by about 5."""
    pool = frame_pool(0, 64, SHAPE).astype(np.float32)
    distance = np.abs(pool[:, None] - pool[None]).mean(axis=(2, 3, 4))
    assert distance[~np.eye(64, dtype=bool)].min() > 10


def test_frames_are_structured_and_use_the_range():
    """Neighbouring pixels resemble each other (noise would not), and the pool is neither dark nor clipped."""
    pool = frame_pool(0, 32, (224, 224, 3)).astype(np.float32)
    step = np.abs(np.diff(pool, axis=2)).mean()
    spread = pool.std()
    assert step < spread / 5
    assert 90 < pool.mean() < 165
    assert np.mean((pool == 0) | (pool == 255)) < 0.2
    noise = np.random.default_rng(0).integers(0, 256, size=(1, 224, 224, 3)).astype(np.float32)
    assert np.abs(np.diff(noise, axis=2)).mean() > noise.std() / 5  # the control: noise fails this test


def test_any_shape_of_picture():
    """Small pictures and other numbers of channels work, down to a single pixel."""
    assert frame_pool(3, 2, (12, 16, 20)).shape == (2, 12, 16, 20)
    assert frame_pool(3, 2, (1, 1, 1)).shape == (2, 1, 1, 1)


def test_frames_are_the_same_everywhere():
    """The bytes of a frame are pinned: a change would make old records incomparable."""
    digest = hashlib.sha256(frame_pool(7, 2, (224, 224, 3)).tobytes()).hexdigest()
    assert digest.startswith("be1dc8c179adf173")
