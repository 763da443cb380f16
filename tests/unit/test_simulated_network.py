"""Messages under a simulated clock: a shared medium waits as queueing theory says, lanes keep their order."""

import math
import random

import pytest
import simpy
from planning import profile_of
from simulating import SECONDS

from harness.farm.config import Address
from harness.plan.farm_file import alike
from harness.plan.network import Network
from harness.plan.site import Site
from harness.simulate.carrier import Carrier

AIR = Network("air", 1000.0, 0.0, 0.0, shared=True, source="made up")
MESSAGES = 40_000


def carrier_on(env: simpy.Environment, network: Network, devices: int) -> tuple[Carrier, list[Address]]:
    """A carrier between so many devices."""
    named = alike(devices, profile_of(SECONDS))
    return Carrier(env, Site(named[0], tuple(named[1:]), network)), [device.address for device in named]


def mean_wait_s(load: float, seed: int) -> float:
    """Mean time that a message of 1 s waits for the medium, where messages come at random."""
    env, chance = simpy.Environment(), random.Random(seed)
    carrier, places = carrier_on(env, AIR, 200)
    spent_s: list[float] = []

    def source() -> simpy.events.ProcessGenerator:
        for number in range(MESSAGES):
            yield env.timeout(chance.expovariate(load))
            sent_s = env.now
            # A lane of its own for each, or one would wait for the other and not for the medium.
            ends = (places[number % 200], places[(number * 7 + 1 + number // 200) % 200])
            carrier.send(*ends, 1000, lambda sent_s=sent_s: spent_s.append(env.now - sent_s))

    env.process(source())
    env.run()
    assert len(spent_s) == MESSAGES
    return sum(spent_s) / MESSAGES - 1.0


@pytest.mark.parametrize("load", [0.4, 0.7])
def test_a_shared_medium_waits_like_m_d_1(load: float) -> None:
    """Proves that random messages of one size wait as Pollaczek and Khinchine have it for fixed service times."""
    expected_s = load / (2 * (1 - load))
    assert mean_wait_s(load, 1) == pytest.approx(expected_s, rel=0.06)


def test_another_queue_is_told_apart() -> None:
    """Control: service times that vary (M/M/1) would make messages wait twice as long."""
    assert mean_wait_s(0.7, 1) != pytest.approx(0.7 / (1 - 0.7), rel=0.06)


def test_a_lane_keeps_its_order_and_own_links_do_not_wait_for_others() -> None:
    """Proves that messages between two devices arrive one after the other, and those of other pairs at once."""
    env = simpy.Environment()
    network = Network("links", 1000.0, 0.5, 0.0, shared=False, source="made up")
    carrier, (first, second, third, fourth) = carrier_on(env, network, 4)
    seen: list[tuple[str, float]] = []
    for name, source, target in (("a", first, second), ("b", first, second), ("c", third, fourth)):
        carrier.send(source, target, 1000, lambda name=name: seen.append((name, env.now)))
    env.run()
    assert seen == [("a", 1.5), ("c", 1.5), ("b", 3.0)]
    assert (carrier.carried, carrier.carried_bytes) == (3, 3000)


def test_a_shared_medium_carries_one_at_a_time() -> None:
    """Proves that on a shared medium the third device waits for the first, which on own links it does not."""
    env = simpy.Environment()
    carrier, (first, second, third, fourth) = carrier_on(env, AIR, 4)
    seen: list[float] = []
    carrier.send(first, second, 1000, lambda: seen.append(env.now))
    carrier.send(third, fourth, 500, lambda: seen.append(env.now))
    env.run()
    assert seen == [1.0, 1.5]
    assert math.isclose(carrier.busy_s, 1.5)
