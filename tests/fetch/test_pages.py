"""Pages: all of them, each once, and an API that never ends is an error."""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictit_assets.contract.arrival import Answer
from predictit_assets.errors import FetchError
from predictit_assets.fetch.pages import MAX_PAGES, linked_pages, numbered_pages


class Book:
    """An API of pages, each of which names the next one."""

    def __init__(self, pages: int, link: Callable[[int], str | None] | None = None) -> None:
        self.pages = pages
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._link = link or (lambda n: f"https://api/items?cursor={n + 1}")

    def get(
        self, path: str, params: Mapping[str, str] | None = None, none: Collection[int] = ()
    ) -> Answer:
        self.asked.append((path, dict(params or {})))
        return self.page(int((params or {}).get("page", 0)), none)

    def follow(self, link: str, none: Collection[int] = ()) -> Answer:
        self.asked.append((link, {}))
        return self.page(int(link.rpartition("=")[2]), none)

    def page(self, number: int, none: Collection[int]) -> Answer:
        if number >= self.pages and 404 in none:
            return Answer(404, b"")
        link = self._link(number) if number < self.pages - 1 else None
        return Answer(200, json.dumps({"page": number, "next": link}).encode())


def numbered(book: Book, none: tuple[int, ...] = ()) -> list[int]:
    answers = numbered_pages(
        book,
        "/items",
        {"limit": "5"},
        lambda number: {"page": str(number)},
        lambda answer: answer.status == 404 or number_of(answer) >= book.pages - 1,
        none,
    )
    return [number_of(answer) for answer in answers]


def linked(book: Book) -> list[int]:
    answers = linked_pages(book, "/items", {"limit": "5"}, lambda answer: content(answer)["next"])
    return [number_of(answer) for answer in answers]


def content(answer: Answer) -> Any:
    return json.loads(answer.body)


def number_of(answer: Answer) -> int:
    return int(content(answer)["page"]) if answer.body else -1


@given(st.integers(1, MAX_PAGES))
def test_every_page_comes_once_and_in_order(pages: int) -> None:
    for read in (numbered, linked):
        book = Book(pages)
        assert read(book) == list(range(pages))
        assert len(book.asked) == pages


def test_the_parameters_are_those_of_the_request_and_of_the_page() -> None:
    by_number, by_link = Book(2), Book(2)
    numbered(by_number)
    linked(by_link)
    assert by_number.asked == [
        ("/items", {"limit": "5", "page": "0"}),
        ("/items", {"limit": "5", "page": "1"}),
    ]
    # A link bears all that is to be asked.
    assert by_link.asked == [("/items", {"limit": "5"}), ("https://api/items?cursor=1", {})]


def test_a_page_is_handed_over_before_the_next_is_asked_for() -> None:
    for make in (
        lambda book: numbered_pages(book, "/", {}, lambda n: {"page": str(n)}, lambda _: False),
        lambda book: linked_pages(book, "/", {}, lambda answer: content(answer)["next"]),
    ):
        book = Book(5)
        pages = make(book)
        for number in range(3):
            assert number_of(next(pages)) == number
            assert len(book.asked) == number + 1


@pytest.mark.parametrize("read", [numbered, linked])
def test_pages_that_never_end_are_an_error_after_as_many_as_are_taken(
    read: Callable[[Book], list[int]],
) -> None:
    book = Book(MAX_PAGES + 1)
    with pytest.raises(FetchError, match=f"more than {MAX_PAGES} pages"):
        read(book)
    assert len(book.asked) == MAX_PAGES  # what is asked for is handed over


def test_a_numbered_page_that_repeats_the_one_before_is_an_error() -> None:
    """An API that doesn't know the parameter gives its first page for ever."""
    same = Answer(200, b'{"page": 0}')

    class Stuck(Book):
        def page(self, number: int, none: Collection[int]) -> Answer:
            return same

    book = Stuck(3)
    pages = numbered_pages(book, "/items", {}, lambda n: {"page": str(n)}, lambda _: False)
    assert next(pages) == same
    with pytest.raises(FetchError, match="page 1 repeats"):
        next(pages)
    assert len(book.asked) == 2


@pytest.mark.parametrize("back_to", [0, 1, 2])
def test_links_in_a_circle_are_an_error(back_to: int) -> None:
    book = Book(10, lambda n: f"https://api/items?cursor={n + 1 if n < 2 else back_to}")
    with pytest.raises(FetchError, match="leads to itself") as caught:
        linked(book)
    assert caught.value.of_question
    assert len(book.asked) <= 6


def test_a_status_that_says_that_there_is_no_more_ends_the_pages() -> None:
    pages = numbered_pages(
        Book(2),
        "/items",
        {},
        lambda number: {"page": str(number)},
        lambda answer: answer.status == 404,
        none=(404,),
    )
    assert [answer.status for answer in pages] == [200, 200, 404]
