"""A command that does nothing with all it takes: an empty Dagster run and an empty dbt build."""

from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import dagster_dbt  # noqa: F401
from dbt.cli.main import dbtRunner


@dg.op
def nothing() -> None:
    """Nothing."""


@dg.job(executor_def=dg.in_process_executor)
def job() -> None:
    """A run of one op."""
    nothing()


def main() -> None:
    """The run, and the build of one model that is one row."""
    with TemporaryDirectory() as folder:
        with dg.DagsterInstance.local_temp(folder) as instance:
            job.execute_in_process(instance=instance)
        project = Path(folder)
        (project / "models").mkdir()
        (project / "models" / "one.sql").write_text("select 1 as one")
        (project / "dbt_project.yml").write_text("{name: empty, profile: empty}")
        (project / "profiles.yml").write_text(
            f"empty: {{target: t, outputs: {{t: {{type: duckdb, path: {folder}/t.duckdb}}}}}}"
        )
        told = dbtRunner().invoke(
            ["--log-level", "none", "build", "--project-dir", folder, "--profiles-dir", folder]
        )
        if not told.success:
            raise RuntimeError(str(told.exception))


if __name__ == "__main__":
    main()
