"""HTML pages of reports: what makes one whole, what it says, and the warehouse that it is about."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import snowflake_grammar
import yaml

from predictit_assets.build import build_definitions
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.report.index import Card
from predictit_assets.settings import Settings
from predictit_assets.storage.duckdb import DuckDBWarehouse

VOID = {"meta", "br", "hr", "img", "input", "link", "col", "wbr", "base", "source", "embed"}
LOADED_BY_STYLE = re.compile(r"@import|url\(\s*['\"]?(?!data:)[^)'\"\s]", re.IGNORECASE)


def faults(body: bytes) -> list[str]:
    """What keeps a page from being whole, a sentence each: none when it is."""
    reader = _Reader()
    reader.feed(body.decode(errors="replace"))
    reader.close()
    found = list(reader.faults)
    found += [f"<{tag}> isn't closed" for tag in reader.open]
    if reader.announced is None:
        found.append("no charts are announced")
    elif not reader.announced == len(reader.places) == len(reader.specs):
        found.append(
            f"{reader.announced} charts are announced, {len(reader.places)} have a place and "
            f"{len(reader.specs)} a spec"
        )
    if missing := sorted(reader.places - reader.specs):
        found.append(f"no spec: {', '.join(missing)}")
    return found


def ask(warehouse: DuckDBWarehouse, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of the warehouse."""
    with warehouse.read_connection() as query:
        return query(sql, *values)


def change(warehouse: DuckDBWarehouse, *statements: str) -> None:
    """Change the warehouse."""
    with warehouse.connect() as connection:
        for statement in statements:
            connection.execute(statement)


def markup(text: str) -> str:
    """A page without its scripts."""
    return re.sub(r"(?s)<script.*?</script>", "", text)


def section(text: str, name: str) -> str:
    """The part of a page below a heading."""
    found = re.search(rf'(?s)<h2 id="{name}">.*?</section>', markup(text))
    assert found, name
    return found[0]


def cells(html: str) -> list[list[str]]:
    """The texts of a table's rows."""
    return [
        [unescape(" ".join(re.sub(r"<[^>]+>", " ", cell).split())) for cell in re.findall(
            r"(?s)<t[dh]\b[^>]*>(.*?)</t[dh]>", row)]
        for row in re.findall(r"(?s)<tr>(.*?)</tr>", html)
    ]  # fmt: skip


def statements(queries: ModuleType) -> dict[str, str]:
    """The SQL of a report by the name of its constant; parts of others are private."""
    return {
        name: value
        for name, value in vars(queries).items()
        if isinstance(value, str)
        and value.lstrip().startswith(("select", "with"))
        and not name.startswith("_")
    }


def assert_asset_reads(queries: ModuleType, source: str, home: Path) -> None:
    """What the asset of a report and its exposure in dbt name is what its SQL reads."""
    text = "\n".join(statements(queries).values())
    found = set(re.findall(r"\b(staging|marts|core|live)\.(\w+)", text))
    assert found == set(queries.TABLES)
    specs = build_definitions(Settings(home=home, sources=(source,))).resolve_all_asset_specs()
    (spec,) = [spec for spec in specs if spec.key.path == ["report", source]]
    above = {dep.asset_key.to_user_string() for dep in spec.deps}
    assert above == {f"{layer}/{source}/{name}" for layer, name in queries.TABLES}
    assert above <= {one.key.to_user_string() for one in specs}
    (exposure,) = yaml.safe_load((DBT_DIR / "models" / source / "exposures.yml").read_text())[
        "exposures"
    ]
    assert exposure["depends_on"] == [
        f"source('staging', '{name}')" if layer == "staging" else f"ref('{name}')"
        for layer, name in queries.TABLES
    ]


def assert_is_sql_of_snowflake(queries: ModuleType, number: int) -> None:
    """A report's statements, so many, are Snowflake's SQL too."""
    asked = statements(queries)
    assert len(asked) == number
    for name, statement in asked.items():
        assert snowflake_grammar.faults(statement) == [], name
        assert snowflake_grammar.unfit_names(statement) == [], name


def assert_card_says_what_the_page_does(
    card: Card, warehouse: DuckDBWarehouse, newest: datetime, **facts: str
) -> None:
    """The card of a source has the numbers of its page, and each says what it counts."""
    with warehouse.read_connection() as query:
        told = card.read(query)
    assert told is not None
    assert told.newest == newest
    assert {fact.name.lower().replace(" ", "_"): fact.value for fact in told.facts} == facts
    for sentence in (card.sentence, *(fact.meaning for fact in told.facts)):
        assert sentence[0].isupper(), sentence
        assert sentence.endswith("."), sentence


class _Reader(HTMLParser):
    """Walks over a page: what is open, what is charted, what would be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.announced: int | None = None
        self.places: set[str] = set()
        self.specs: set[str] = set()
        self._attributes: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self._attributes = attributes = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        for name in ("src", "srcset", "href", "data", "poster", "action", "xlink:href"):
            value = attributes.get(name, "")
            plain_link = tag == "a" and name == "href"
            if value and not plain_link and not value.startswith(("data:", "#")):
                self.faults.append(f"<{tag} {name}> loads {value[:100]}")
        if tag == "a" and urlsplit(attributes.get("href", "")).scheme not in {"", "http", "https"}:
            self.faults.append(f"a link that is none: {attributes['href'][:100]}")
        if LOADED_BY_STYLE.search(attributes.get("style", "")):
            self.faults.append(f"the style of <{tag}> loads something")
        self.faults += [f"<{tag} {name}> is a script" for name in attributes if name[:2] == "on"]
        if "data-charts" in attributes:
            self.announced = int(attributes["data-charts"])
        if "data-chart" in attributes:
            self.places.add(attributes["data-chart"])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that is closed at once."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """An element ends: the one that began last."""
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes what isn't open")

    def handle_data(self, data: str) -> None:
        """The text of an element."""
        inside = self.open[-1] if self.open else ""
        if inside == "style" and LOADED_BY_STYLE.search(data):
            self.faults.append("a style loads something")
        if inside == "script" and self._attributes.get("type") == "application/json":
            name = self._attributes.get("id", "").removeprefix("spec-")
            try:
                spec = json.loads(data)
            except ValueError:
                self.faults.append(f"the spec {name} is no JSON")
            else:
                self.specs.add(name)
                self.faults += [f"the spec {name} loads {url}" for url in _loaded(spec)]


def _loaded(spec: Any) -> Iterator[str]:
    """The addresses that a Vega-Lite spec would load."""
    if isinstance(spec, list):
        for part in spec:
            yield from _loaded(part)
    elif isinstance(spec, dict):
        for name, value in spec.items():
            if name in {"url", "href"} and isinstance(value, str):
                yield value[:100]
            yield from _loaded(value)
