"""A page: a source's template in the frame that all have, as HTML that loads nothing."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import Any

from predictit_assets.report.charts import Spec, vega_lite
from predictit_assets.report.links import link_of
from predictit_assets.storage.objects import ObjectStore

SNIPPET = "window.vegaEmbed = vegaEmbed;"
"""What the page needs of the bundled libraries."""
UNKNOWN = "–"


def libraries(objects: ObjectStore) -> str:
    """The JavaScript that draws the charts, kept in the store: bundling it takes seconds."""
    asked = (SNIPPET, vega_lite())
    made_of = "\n".join([version("vl-convert-python"), *asked])
    key = f"report/libraries/{hashlib.sha256(made_of.encode()).hexdigest()}.js"
    kept = objects.get(key)
    if kept is None:
        kept = _bundle(*asked)
        objects.replace(key, kept)
    return kept.decode()


@cache
def _bundle(snippet: str, version_of_vega_lite: str) -> bytes:
    import vl_convert

    return vl_convert.javascript_bundle(snippet, version_of_vega_lite).encode()


def fill(
    package: str,
    template: str,
    libraries: str,
    specs: Mapping[str, Spec],
    filters: Mapping[str, Callable[..., Any]],
    **values: object,
) -> bytes:
    """The template of a package, which extends `base.html.j2`: the same bytes for the same values.

    Beside `values` it gets `unknown`, and `specs` for the macro `chart` of `parts.html.j2`. Texts
    are escaped.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader(package, ""), jinja2.PackageLoader(__package__, "")]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clock": clock,
        "day": day_text,
        "date": date_text,
        "digest": digest,
        "percent": percent,
        "utc": utc,
        "web": link_of,
        **filters,
    }

    text = environment.get_template(template).render(
        specs={name: _json(spec) for name, spec in specs.items()},
        libraries=libraries.replace("</script", "<\\/script"),
        unknown=UNKNOWN,
        **values,
    )
    return text.encode()


def percent(share: Decimal | None) -> str:
    """A share in per cent; what is neither none nor all doesn't look like it."""
    if share is None:
        return UNKNOWN
    rounded = f"{share:.0%}"
    if rounded == "0%" and share:
        return "<1%"
    return ">99%" if rounded == "100%" and share != 1 else rounded


def utc(at: datetime) -> str:
    """A UTC moment for scripts."""
    return at.replace(tzinfo=UTC).isoformat()


def clock(at: datetime) -> str:
    """A UTC moment, for people."""
    return f"{at.replace(tzinfo=UTC):%a %d %b %Y, %H:%M}"


def day_text(day: date) -> str:
    """A day without its year."""
    return f"{day:%a %d %b}"


def date_text(day: date) -> str:
    """A day with its year."""
    return f"{day:%d %b %Y}".lstrip("0")


def digest(script: str) -> str:
    """What a content security policy knows an inline script by."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _json(spec: Spec) -> str:
    """JSON that can stand in a <script>: nothing in it can end one, or begin a comment."""
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.replace("<", "\\u003c")
