"""Requests acknowledged by the collector, beside an application that only answers."""

import asyncio
import json
import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn

from bench.measure import Fact, Measure
from bench.sampling import Sample, Side, child, median
from predictit_assets.contract.calendar import UTC_CALENDAR
from predictit_assets.fetch.collector import Collected, collect, listen
from predictit_assets.fetch.spool import Spool
from predictit_assets.sources.clickstream.collect import PATH, PIXEL, SUFFIX, endpoint, line
from predictit_assets.sources.clickstream.settings import ClickstreamSettings
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import PayloadStore

OUT = Path(__file__).parent / "output"
CONNECTIONS = 32
BODY = 588
"""Bytes."""
WARM_UP = 2_000
REQUESTS, QUICK_REQUESTS = 60_000, 500
FLOOD, QUICK_FLOOD = 2_000, 64
"""Connections that all post at once, as large bodies as are taken."""


def _request(size: int) -> bytes:
    hit = {"v": "1", "t": "pageview", "cid": "5f0c", "z": "8431", "dl": "https://shop.example/"}
    body = json.dumps(hit).encode()
    body = body[:-1] + b', "dt": "' + b"x" * (size - len(body) - 9) + b'"}'
    head = f"POST {PATH} HTTP/1.1\r\nHost: c.example\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Client(asyncio.Protocol):
    """Posts, waits for the answer, posts again."""

    def __init__(self, request: bytes, left: list[int], waits: list[float]) -> None:
        self._request, self._left, self._waits = request, left, waits
        self._answer = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._post()

    def _post(self) -> None:
        if self._left[0] <= 0:
            self._transport.close()
            return
        self._left[0] -= 1
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if not end or len(body) < length:
            return
        self._answer = b""
        if head.startswith(b"HTTP/1.1 200"):
            self._waits.append(time.perf_counter() - self._sent)
        if b"connection: close" not in head.lower():
            self._post()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def _post_all(port: int, connections: int, requests: int, size: int) -> list[float]:
    """The seconds that each acknowledged request waited."""
    left, waits, request = [requests], [], _request(size)
    loop = asyncio.get_running_loop()

    async def one() -> None:
        try:
            _, client = await loop.create_connection(
                lambda: _Client(request, left, waits), "127.0.0.1", port
            )
        except OSError:
            return
        await client.done

    await asyncio.gather(*(one() for _ in range(connections)))
    return waits


def _load(told: Connection, server: int, connections: int, requests: int, size: int) -> None:
    """Post, tell how long answers took, and end the server."""
    import uvloop

    port = told.recv()
    uvloop.run(_post_all(port, CONNECTIONS, min(WARM_UP, requests), BODY))
    told.send(None)
    start = time.perf_counter()
    waits = sorted(uvloop.run(_post_all(port, connections, requests, size)))
    wall = time.perf_counter() - start
    # Little enough to fit into the pipe: who reads is still serving.
    p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    told.send({"t": wall, "acknowledged": len(waits), "p50": p50, "p99": p99})
    os.kill(server, signal.SIGTERM)


def _measured(
    serve: Callable[[Callable[[int], None]], None], connections: int, requests: int, size: int
) -> dict[str, Any]:
    """What serving took: `serve` tells the port, and ends by SIGTERM."""
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    arguments = (theirs, os.getpid(), connections, requests, size)
    processes.Process(target=_load, args=arguments, daemon=True).start()
    begun: list[float] = []

    def listening(port: int) -> None:
        ours.send(port)

    def when_warm() -> None:
        ours.recv()
        begun.append(time.process_time())

    threading.Thread(target=when_warm, daemon=True).start()
    serve(listening)
    cpu = time.process_time() - begun[0]
    status = Path("/proc/self/status").read_text()
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return {**ours.recv(), "cpu": cpu, "peak": int(peak) / 1000}


def collector(connections: str, requests: str, size: str) -> Callable[[], dict[str, Any]]:
    """The collector, landing included."""

    def work() -> dict[str, Any]:
        own = ClickstreamSettings(port=0, requests_a_second=0)
        OUT.mkdir(exist_ok=True)
        # Not where temporary files lie: that may be memory, which needs no sync.
        with TemporaryDirectory(dir=OUT, ignore_cleanup_errors=True) as folder:
            objects = ObjectStore(Path(folder) / "objects")
            store = PayloadStore(objects, "clickstream", "hits", UTC_CALENDAR, suffix=SUFFIX)
            collected = Collected(
                PATH,
                endpoint(own),
                PIXEL,
                lambda received: line(received, own),
                UTC_CALENDAR.day_of,
                store.land_for_good,
            )

            def serve(listening: Callable[[int], None]) -> None:
                def told(where: str, _stop: object) -> None:
                    listening(int(where.rpartition(":")[2].partition("/")[0]))

                with Spool(Path(folder) / "spool", UTC_CALENDAR.day_of) as spool:
                    collect(collected, spool, lambda _text: None, told)

            return _measured(serve, int(connections), int(requests), int(size))

    return work


async def _echo(_scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"image/gif"), (b"content-length", b"42")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": PIXEL.body})


def _serve(app: Any) -> Callable[[Callable[[int], None]], None]:
    """Serve an application as the collector is served, until SIGTERM."""

    def serve(listening: Callable[[int], None]) -> None:
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, lambda *_: None)
        with listen("127.0.0.1", 0) as listener:
            listening(listener.getsockname()[1])
            config = uvicorn.Config(
                app, http="httptools", loop="uvloop", lifespan="off", log_config=None,
                access_log=False, interface="asgi3",
            )  # fmt: skip
            uvicorn.Server(config).run(sockets=[listener])

    return serve


def bare(connections: str, requests: str, size: str) -> Callable[[], dict[str, Any]]:
    """An application that reads the body, keeps nothing and answers the same."""
    return lambda: _measured(_serve(_echo), int(connections), int(requests), int(size))


def usual(connections: str, requests: str, size: str) -> Callable[[], dict[str, Any]]:
    """A collector as one writes it in a framework: JSON is read, a line is written, none synced."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    def work() -> dict[str, Any]:
        with TemporaryDirectory(dir=OUT) as folder, (Path(folder) / "lines").open("w") as file:

            async def take(request: Request) -> Response:
                hit = await request.json()
                received = {"at": time.time(), "headers": dict(request.headers), "hit": hit}
                file.write(json.dumps(received) + "\n")
                file.flush()
                return Response(PIXEL.body, media_type="image/gif")

            app = Starlette(routes=[Route(PATH, take, methods=["POST"])])
            return _measured(_serve(app), int(connections), int(requests), int(size))

    return work


def measures(quick: bool) -> list[Measure]:
    """The measures."""
    requests = QUICK_REQUESTS if quick else REQUESTS
    flood = QUICK_FLOOD if quick else FLOOD

    def told(samples: Sequence[Sample], name: str) -> float:
        return median([one.told[name] for one in samples])

    def facts(samples: Sequence[Sample]) -> list[Fact]:
        a_core = median([one.told["acknowledged"] / one.cpu for one in samples])
        return [
            Fact("  acknowledged, a second a core", f"{a_core:,.0f}", "at least 3,000"),
            Fact("  p50", f"{told(samples, 'p50') * 1000:.1f} ms"),
            Fact("  p99", f"{told(samples, 'p99') * 1000:.1f} ms"),
        ]

    def memory(samples: Sequence[Sample]) -> list[Fact]:
        return [
            Fact("  acknowledged", f"{told(samples, 'acknowledged'):,.0f}"),
            Fact("  memory of the collector", f"{told(samples, 'peak'):,.0f} MB"),
        ]

    size = (CONNECTIONS, requests, BODY)
    return [
        Measure(
            f"collect {requests:,} requests over {CONNECTIONS} connections",
            Side("ours", child(collector, *size)),
            [
                Side("bare ASGI, nothing kept", child(bare, *size)),
                Side("Starlette, lines that aren't synced", child(usual, *size)),
            ],
            facts=facts,
        ),
        Measure(
            f"a flood: {flood:,} connections, bodies of 60 kB",
            Side("ours", child(collector, flood, 10 * flood, 60_000)),
            facts=memory,
        ),
    ]
