"""A real S3 server on loopback: moto's, behind a real socket."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug import Request, Response
from werkzeug.serving import make_server

_log: list[Request] | None = None
_failures: list[int] = []


class Quiet(MotoRequestHandler):
    """Serves without a line on standard error for each request."""

    def log_request(self, *args: object) -> None: ...


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of an S3 without buckets.

    It serves one request at a time: S3 decides conditional writes in some order, and moto, between
    threads, would let two writers of a key both win.
    """
    moto = DomainDispatcherApplication(create_backend_app)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if _log is not None:
            _log.append(Request(environ))
        if _failures:
            return Response("not now", status=_failures.pop())(environ, start_response)
        answer: Iterable[bytes] = moto(environ, start_response)
        return answer

    server = make_server("127.0.0.1", 0, app, threaded=False, request_handler=Quiet)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@contextmanager
def s3_log(*failures: int) -> Iterator[list[Request]]:
    """What the server of this process is asked; first it answers with these statuses."""
    global _log, _failures
    _log, _failures = [], [*failures]
    yield _log
    _log, _failures = None, []
