"""Peers that connect and say nothing, or half a message; `benchmarks.audit half-open` does it to a real node."""

import contextlib
import socket

import psutil
import pytest
from protocol.raw_http import forward_message, framed, post, read_answer

from benchmarks.audit.bad_input_node import ROLE, inner_node
from benchmarks.audit.half_open import attack, goals

PATIENCE_S = 20.0


def test_half_open_connections_are_closed(tmp_path):
    """Silent, stuck and dribbling peers are all closed soon, without threads, while good frames pass."""
    with inner_node(tmp_path, message_deadline_s=1.0, max_connections=64) as (target, frames):
        before = psutil.Process().num_threads()
        found = attack(target, frames, 120, PATIENCE_S)
    assert len(found.seconds) == found.opened == 120
    assert found.gone_s < PATIENCE_S
    assert found.threads <= before + 10, "a thread for each would be 120"
    assert found.frames > 0
    assert [line for line in found.unserved if "a result after" not in line] == []
    assert found.honest, "a peer that has sent a whole message may pause for longer than a message may take"


def test_a_server_without_the_deadline_keeps_them(tmp_path):
    """Control: where a first message may take a minute the peers stay, and the goals say so."""
    with inner_node(tmp_path, message_deadline_s=60.0) as (target, frames):
        found = attack(target, frames, 40, 1.5)
    assert len(found.seconds) < found.opened
    assert not all(goal.met for goal in goals(found))


@pytest.mark.parametrize(("proven", "stays"), [(False, True), (True, False)])
def test_strangers_give_way_before_peers_of_old(tmp_path, proven, stays):
    """Peers that have said nothing cannot push out one that pauses; those that sent a message, the control, can."""
    with inner_node(tmp_path, max_connections=8) as (target, _), contextlib.ExitStack() as stack:
        call = post(framed(forward_message(bytes(target.part_bytes), ROLE, target.tag())))
        honest = stack.enter_context(socket.create_connection(target.address, timeout=PATIENCE_S))
        honest.sendall(call)
        assert read_answer(honest)[0] == 200
        for _ in range(20):
            peer = stack.enter_context(socket.create_connection(target.address, timeout=PATIENCE_S))
            if proven:
                peer.sendall(call)
                assert read_answer(peer)[0] == 200
        # The last one is served when all before it are taken in: connections are accepted in turn.
        last = stack.enter_context(socket.create_connection(target.address, timeout=PATIENCE_S))
        last.sendall(call)
        assert read_answer(last)[0] == 200
        with contextlib.suppress(OSError):
            honest.sendall(call)
        with contextlib.suppress(ConnectionError):
            assert (read_answer(honest) is not None) == stays
            return
        assert not stays
