"""The documentation site: Sphinx over the repository's own Markdown, which stays where it is.

`make docs` builds it and `make lint` checks it. The source folder is the checkout, so links mean
the same here as on a forge, and one that leads nowhere is a warning, which is an error (`-W`).
"""

import hashlib
import json
from pathlib import Path

import mmdr
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

project = "predictit_assets"
html_title = project
copyright = ""
language = "en"
extensions = ["myst_parser"]
root_doc = "README"
html_additional_pages = {"index": "index.html"}

# Nothing here names a source: each has a README in its folder.
SOURCES = "predictit_assets/sources/*/README"
# What stands at the left, and so every page there is: one that is left out is a warning.
NAVIGATION = {
    "Use": ["docs/commands", "docs/settings", "docs/tables", "docs/analyses", "docs/parity"],
    "Sources": [SOURCES],
    "Run": [
        *("docs/automation", "docs/operations", "docs/production", "deploy/*/README"),
        *("docs/security", "docs/scaling"),
    ],
    "Build on it": [
        *("docs/add-a-source", "docs/architecture", "docs/laws", "docs/tests", "*/README"),
        *("docs/decisions/README", "CHANGELOG"),
    ],
}
DECISIONS = "docs/decisions/[0-9]*"

# A pattern that names a folder keeps Sphinx from walking through all others.
include_patterns = [
    *("README.md", "CHANGELOG.md", "docs/*.md", "docs/decisions/*.md", "*/README.md"),
    *("deploy/*/README.md", f"{SOURCES}.md"),
]
exclude_patterns = [".*", "data", "dbt_project", "docs/_build", "tests", "**/__pycache__"]

# Forges make these anchors of headings too.
myst_heading_anchors = 6
myst_fence_as_directive = ["mermaid"]
# Two hyphens are an option of a command, not a dash.
smartquotes = False

html_theme = "furo"
html_theme_options = {"top_of_page_buttons": []}
templates_path = ["templates"]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_use_index = False
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_permalinks_icon = "#"
# Examples with Jinja, or with … for what is left out, are coloured as far as they can be read.
suppress_warnings = ["misc.highlighting_failure"]
pygments_style = "friendly"
pygments_dark_style = "github-dark"

html_sidebars = {
    "**": [
        *("sidebar/brand.html", "sidebar/search.html", "sidebar/scroll-start.html"),
        *("sidebar/navigation.html", "dbt-link.html", "sidebar/scroll-end.html"),
    ]
}

# A diagram is drawn twice: for light pages and for dark ones.
THEMES = {"light": "neutral", "dark": "dark"}
PAPERS = {"light": "#ffffff", "dark": "#131416"}
# Closer together than on a forge, so that letters stay large enough to read.
FLOW = {"rankSpacing": 30, "nodeSpacing": 25, "padding": 10}


def built(srcdir: Path) -> Path:
    """Where everything lies that is made: git ignores it."""
    return srcdir / "docs" / "_build"


class Mermaid(SphinxDirective):
    """A fence of Mermaid, drawn as pictures while the site is built: the page needs no script."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Draw it into docs/_build, from where Sphinx takes it; what can't be drawn is an error."""
        source = "\n".join(self.content)
        name = hashlib.sha256(source.encode()).hexdigest()[:16]
        folder = built(self.env.srcdir) / "diagrams"
        folder.mkdir(parents=True, exist_ok=True)
        pictures: list[nodes.Node] = []
        for scheme, theme in THEMES.items():
            colours = {"edgeLabelBackground": PAPERS[scheme]}
            options = {"theme": theme, "themeVariables": colours, "flowchart": FLOW}
            try:
                picture = mmdr.render(f"%%{{init: {json.dumps(options)}}}%%\n{source}").svg()
            except ValueError as error:
                raise self.error(f"a diagram can't be drawn: {error}") from error
            file = folder / f"{name}-{scheme}.svg"
            file.write_text(picture)
            uri = "/" + file.relative_to(self.env.srcdir).as_posix()
            pictures.append(nodes.image(uri=uri, alt=source, classes=[f"only-{scheme}"]))
        return [nodes.container("", *pictures, classes=["diagram"])]


def add_navigation(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the first page, and the list of decisions, the navigation that a forge doesn't need."""
    trees = {
        app.config.root_doc: NAVIGATION.items(),
        "docs/decisions/README": [("", [DECISIONS])],
    }
    for caption, pages in trees.get(docname, ()):
        titled = f":caption: {caption}\n" if caption else ""
        lines = "\n".join(f"/{page}" for page in pages)
        source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n{titled}\n{lines}\n```\n"


def add_dbt_page(app: Sphinx, config: Config) -> None:
    """Take dbt's page in, where `make docs` made it, and tell the template that links to it."""
    page = built(app.srcdir) / "dbt-page"
    config.html_extra_path = [str(page)] if page.is_dir() else []
    config.html_context["has_dbt_page"] = page.is_dir()


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.add_directive("mermaid", Mermaid)
    app.connect("source-read", add_navigation)
    app.connect("config-inited", add_dbt_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
