"""Interrupts that don't get lost: Ctrl-C in a terminal, and what Terminate in the UI sends.

DuckDB, dbt and Pandera each make an error of their own of a signal, or notice it late. Who listens
here learns of it in any case. Works in the main thread only, as signals do.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import SHUT_WR, socket, socketpair

INTERRUPTS = {signal.SIGINT, signal.SIGTERM}
"""The signals that Dagster takes for an interrupt."""
MAX_SIGNALS = 4096

Forward = Callable[[bytes], object]
"""Tells whoever listened before which signals came."""


@contextmanager
def noticing_interrupts() -> Iterator[Callable[[], bool]]:
    """Says whether an interrupt has come since the context was entered."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came = False
    with _listening() as (signals, forward, stop):
        signals.setblocking(False)

        def interrupted() -> bool:
            nonlocal came
            try:
                received = signals.recv(MAX_SIGNALS)
            except BlockingIOError:  # no signal came
                return came
            forward(received)
            came = came or bool(INTERRUPTS & set(received))
            return came

        try:
            yield interrupted
        finally:
            stop()
            interrupted()  # what nobody asked about is told to whoever listened before


@contextmanager
def calling_on_interrupt(call: Callable[[], object]) -> Iterator[None]:
    """Call something at once when an interrupt comes, whatever the main thread is busy with."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _listening() as (signals, forward, stop):

        def watch() -> None:
            while received := signals.recv(MAX_SIGNALS):
                if INTERRUPTS & set(received):
                    call()
                forward(received)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop()
            watcher.join()


@contextmanager
def _listening() -> Iterator[tuple[socket, Forward, Callable[[], None]]]:
    """Where signals arrive, how to pass them on, and what ends the stream of them."""
    signals, wakeup = socketpair()
    with signals, wakeup:
        wakeup.setblocking(False)
        before = signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)

        def forward(received: bytes) -> None:
            if before >= 0:
                os.write(before, received)

        def stop() -> None:
            signal.set_wakeup_fd(before)
            wakeup.shutdown(SHUT_WR)

        yield signals, forward, stop
