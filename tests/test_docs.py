"""What documents say is true: tests that they name are there, the site has all pages and is whole.

That no link of theirs leads nowhere is what `make lint` checks, with the site's own generator.
"""

import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from predictit_assets.settings import PROJECT_DIR

TESTS = Path(__file__).parent
DOCS = PROJECT_DIR / "docs"
DOCUMENTS = [PROJECT_DIR / "README.md", *DOCS.rglob("*.md")]


def named(document: Path, pattern: str) -> set[str]:
    return set(re.findall(pattern, document.read_text()))


@pytest.fixture(scope="module")
def there() -> set[str]:
    """The names of all tests, and of the modules that hold them."""
    files = [*TESTS.rglob("test_*.py")]
    functions = {
        name for file in files for name in named(file, r"(?m)^\s*(?:async )?def (test_\w+)")
    }
    return functions | {file.stem for file in files}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)
def test_every_test_that_a_document_names_is_there(document: Path, there: set[str]) -> None:
    assert named(document, r"`(test_\w+)`") - there == set()


def test_each_claim_of_the_security_page_says_what_shows_it() -> None:
    page = (DOCS / "security.md").read_text()
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| ")]
    assert len(rows) > 15
    for row in rows[1:]:
        assert len(row) == 5, row[0]
        assert re.search(r"`test_|by hand|read: |make check-deploy|nothing to show", row[4]), row[0]


def test_the_readme_is_no_longer_than_a_person_reads() -> None:
    assert len((PROJECT_DIR / "README.md").read_text().splitlines()) <= 200


# The site


PAGE = """# Page of a source

[no page](nothere.md) [no heading](../../../docs/laws.md#nope) [sound](../../../README.md#first)

```mermaid
flowchart LR
    one --> two
```
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of a site of stubs, made as `make docs` makes ours, and what is wrong with it."""
    folder = tmp_path_factory.mktemp("site")
    navigation = runpy.run_path(str(DOCS / "conf.py"))["NAVIGATION"]
    stubs = {page.replace("*", "tides") for pages in navigation.values() for page in pages}
    texts = dict.fromkeys(stubs, "# Stub\n") | {
        "README": "# House\n\n## First\n",
        "docs/left-out": "# In no navigation\n",
        "docs/decisions/0001-one": "# One\n",
        "predictit_assets/sources/tides/README": PAGE,
    }
    for page, text in texts.items():
        file = folder / f"{page}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    command = [sys.executable, "-m", "sphinx", "-c", DOCS, "-W", "-q", folder, folder / "html"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    return folder / "html", [line.split("WARNING: ")[-1] for line in ended.stderr.splitlines()]


def test_links_that_lead_nowhere_and_pages_that_nothing_leads_to_fail(
    site: tuple[Path, list[str]],
) -> None:
    _, faults = site
    for fault in ("'nothere.md'", "'nope'", "isn't included in any toctree"):
        assert sum(fault in line for line in faults) == 1, (fault, faults)
    assert len(faults) == 3


def test_a_page_of_the_site_loads_nothing_from_elsewhere(site: tuple[Path, list[str]]) -> None:
    folder, _ = site
    pages = [*folder.rglob("*.html")]
    assert folder / "predictit_assets" / "sources" / "tides" / "README.html" in pages
    for page in pages:
        loaded = named(page, r"<(?:script|img|link|iframe)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"")
        assert [one for one in loaded if re.match(r"(?:[a-z]+:)?//", one)] == [], page
        for one in loaded:
            assert (page.parent / re.split(r"[?#]", one)[0]).exists(), (page, one)
    for style in folder.rglob("*.css"):
        assert named(style, r"url\(\W?(?:https?:)?//[^)]+\)") == set(), style


def test_a_diagram_is_a_picture_for_light_pages_and_one_for_dark_pages(
    site: tuple[Path, list[str]],
) -> None:
    folder, _ = site
    page = folder / "predictit_assets" / "sources" / "tides" / "README.html"
    pictures = named(page, r"<img[^>]*class=\"([\w -]+)\"[^>]*src=\"[^\"]+\.svg\"")
    assert pictures == {"only-light", "only-dark"}
    assert all("two" in file.read_text() for file in (folder / "_images").glob("*.svg"))


def test_the_first_page_leads_to_the_readme(site: tuple[Path, list[str]]) -> None:
    folder, _ = site
    assert 'content="0; url=README.html"' in (folder / "index.html").read_text()


def test_dbts_page_tells_tables_and_types_without_a_warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = runpy.run_path(str(DOCS / "dbt_page.py"))
    column: dict[str, Any] = {"name": "level", "data_type": "decimal(6, 4)"}
    table = {"schema": "core", "name": "tides", "database": "w", "unique_id": "model.tides"}
    node = table | {"resource_type": "model", "columns": {"level": column}}
    known = {"nodes": {"model.tides": node}, "sources": {}, "docs": "</script>"}
    catalog = made["catalog"](known)
    assert catalog["nodes"]["model.tides"]["columns"]["level"]["type"] == "decimal(6, 4)"
    assert catalog["nodes"]["model.tides"]["metadata"]["type"] == "BASE TABLE"

    monkeypatch.setitem(made["main"].__globals__, "manifest", lambda _: known)
    made["main"](tmp_path / "site" / "dbt.html")
    page = (tmp_path / "site" / "dbt.html").read_text()
    assert "INLINE DATA" not in page
    assert '"type": "decimal(6, 4)"' in page
    assert '"docs": "<\\/script>"' in page
