"""Pages of an answer: by number, and by the link to the next one. Each page is an answer."""

from collections.abc import Callable, Iterator, Mapping

from predictit_assets.contract.arrival import Answer, Client
from predictit_assets.errors import FetchError

MAX_PAGES = 100
"""Pages of one request: an API that never ends is an error."""


def numbered_pages(
    client: Client,
    path: str,
    params: Mapping[str, str],
    page: Callable[[int], Mapping[str, str]],
    is_last: Callable[[Answer], bool],
    none: tuple[int, ...] = (),
) -> Iterator[Answer]:
    """Pages 0, 1, 2, ... up to and with the last; `page` gives the parameters of each.

    Raises FetchError when a page repeats the one before, or there are too many.
    """
    before = None
    for number in range(MAX_PAGES):
        answer = client.get(path, {**params, **page(number)}, none)
        if before is not None and answer.body == before:
            raise FetchError(f"{path}: page {number} repeats the one before it", of_question=True)
        yield answer
        if is_last(answer):
            return
        before = answer.body
    raise FetchError(f"{path}: there are more than {MAX_PAGES} pages", of_question=True)


def linked_pages(
    client: Client,
    path: str,
    params: Mapping[str, str],
    next_link: Callable[[Answer], str | None],
    none: tuple[int, ...] = (),
) -> Iterator[Answer]:
    """The first page, and those that each page's link leads to. Raises FetchError."""
    seen: set[str] = set()
    link: str | None = None
    for _ in range(MAX_PAGES):
        answer = client.follow(link, none) if link else client.get(path, params, none)
        yield answer
        link = next_link(answer)
        if not link:
            return
        if link in seen:
            raise FetchError(f"{path}: a next page leads to itself", of_question=True)
        seen.add(link)
    raise FetchError(f"{path}: there are more than {MAX_PAGES} pages", of_question=True)
