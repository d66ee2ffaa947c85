"""Interrupts reach whoever listens, whatever the main thread makes of them."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from predictit_assets.interrupts import calling_on_interrupt, noticing_interrupts


@pytest.fixture(autouse=True)
def deaf() -> Iterator[None]:
    """The main thread makes nothing of an interrupt, as in the middle of a query."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, before)


def test_everybody_who_listens_is_told_the_innermost_first() -> None:
    called = threading.Event()
    with noticing_interrupts() as outer:
        with calling_on_interrupt(called.set), noticing_interrupts() as inner:
            assert not inner()
            os.kill(os.getpid(), signal.SIGINT)
            assert inner()
            assert called.wait(60)
        assert outer()
        with noticing_interrupts() as later:
            assert not later()


def test_other_signals_are_no_interrupts() -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    with noticing_interrupts() as interrupted:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert not interrupted()
    signal.signal(signal.SIGUSR1, before)


def test_a_thread_hears_nothing_and_does_no_harm() -> None:
    heard = []

    def listen() -> None:
        with noticing_interrupts() as interrupted, calling_on_interrupt(lambda: None):
            heard.append(interrupted())

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert heard == [False]
