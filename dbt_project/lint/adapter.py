"""dbt's `adapter`, as far as sqlfluff needs it: what is linted is what DuckDB is given."""

from collections.abc import Callable

from jinja2 import pass_context
from jinja2.runtime import Context


@pass_context
def dispatch(context: Context, macro: str) -> Callable[..., str]:
    """The macro that DuckDB gets under a name that several adapters have."""
    found: Callable[..., str] = context.get(f"duckdb__{macro}") or context[f"default__{macro}"]
    return found
