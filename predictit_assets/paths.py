"""Where the files of the project lie that are no modules: in a checkout, or in a wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
IN_CHECKOUT = not (_PACKAGE / "dbt_project").is_dir()
"""Whether the package lies in a checkout; a wheel has dbt_project/ and dagster.yaml inside it."""
PROJECT_DIR = _PACKAGE.parent if IN_CHECKOUT else _PACKAGE
"""What holds dbt_project/ and dagster.yaml: nothing but a checkout is ever written to."""
DBT_DIR = PROJECT_DIR / "dbt_project"
"""The dbt project. Its seeds are read by whoever needs what they say."""
