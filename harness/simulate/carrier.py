"""Messages between devices under a simulated clock: lanes in order, over links of each device or one shared medium."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable

import simpy

from harness.farm.config import Address
from harness.plan.site import Site

Arrive = Callable[[], None]


class Carrier:
    """Carries messages.

    As the outbox of a node does, it has one parcel under way from one address to another: the next one leaves when the
    one before has arrived. A shared medium carries one message at a time, in the order in which they are ready; where
    links are the devices' own, a message needs the sender's and the receiver's, both at once.

    Args:
        env: the clock.
        site: devices and network.
    """

    def __init__(self, env: simpy.Environment, site: Site) -> None:
        self._env = env
        self._network = site.network
        self._bandwidth = {device.address: device.bandwidth_bytes_per_s for device in (site.initial, *site.devices)}
        self._lanes: dict[tuple[Address, Address], deque[tuple[int, Arrive]]] = {}
        self._medium_free_s = 0.0
        self._sending_free_s: defaultdict[Address, float] = defaultdict(float)
        self._taking_free_s: defaultdict[Address, float] = defaultdict(float)
        self.busy_s = 0.0
        self.carried = 0
        self.carried_bytes = 0

    def send(self, source: Address, target: Address, size_bytes: int, arrive: Arrive) -> None:
        """Send a message; `arrive` is called when the receiver has all of it."""
        lane = self._lanes.get((source, target))
        if lane is None:
            self._lanes[source, target] = deque()
            self._depart(source, target, size_bytes, arrive)
        else:
            lane.append((size_bytes, arrive))

    def forget(self, address: Address) -> None:
        """Drop what waits to be sent from or to a device that is gone."""
        for ends, lane in self._lanes.items():
            if address in ends:
                lane.clear()

    def _depart(self, source: Address, target: Address, size_bytes: int, arrive: Arrive) -> None:
        now_s = self._env.now
        done_s = (
            self._shared(source, target, size_bytes) if self._network.shared else self._own(source, target, size_bytes)
        )
        self.carried += 1
        self.carried_bytes += size_bytes

        def arrived(_: simpy.Event) -> None:
            lane = self._lanes[source, target]
            if lane:
                self._depart(source, target, *lane.popleft())
            else:
                del self._lanes[source, target]
            arrive()

        timer = self._env.timeout(done_s - now_s)
        assert timer.callbacks is not None
        timer.callbacks.append(arrived)

    def _shared(self, source: Address, target: Address, size_bytes: int) -> float:
        air_s = size_bytes / self._network.bandwidth_bytes_per_s
        begin_s = max(self._env.now, self._medium_free_s)
        self._medium_free_s = begin_s + air_s
        self.busy_s += air_s
        # A slower link of one's own before or behind the medium delays the message, and not the others.
        slower_s = sum(
            max(0.0, size_bytes / own - air_s)
            for own in (self._bandwidth[source], self._bandwidth[target])
            if own is not None
        )
        return self._medium_free_s + slower_s + self._network.latency_s

    def _own(self, source: Address, target: Address, size_bytes: int) -> float:
        usual = self._network.bandwidth_bytes_per_s
        sending_s, taking_s = (size_bytes / (self._bandwidth[end] or usual) for end in (source, target))
        begin_s = max(self._env.now, self._sending_free_s[source])
        self._sending_free_s[source] = begin_s + sending_s
        begun_s = max(begin_s + self._network.latency_s, self._taking_free_s[target])
        # Its last byte cannot arrive before it was sent.
        done_s = max(begun_s + taking_s, begin_s + sending_s + self._network.latency_s)
        self._taking_free_s[target] = done_s
        return done_s
