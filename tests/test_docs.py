"""What documents name is there: a claim whose test was renamed or removed is noticed."""

import re
from pathlib import Path

import pytest

from predictit_assets.settings import PROJECT_DIR

TESTS = Path(__file__).parent
DOCUMENTS = [PROJECT_DIR / "README.md", *(PROJECT_DIR / "docs").rglob("*.md")]


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
    page = (PROJECT_DIR / "docs" / "security.md").read_text()
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| ")]
    assert len(rows) > 15
    for row in rows[1:]:
        assert len(row) == 5, row[0]
        assert re.search(r"`test_|by hand|read: |make check-deploy|nothing to show", row[4]), row[0]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)
def test_every_file_that_a_document_links_to_is_there(document: Path) -> None:
    links = named(document, r"\]\((?!https?:|#|mailto:)([^)#]+)")
    assert {link for link in links if not (document.parent / link).exists()} == set()
