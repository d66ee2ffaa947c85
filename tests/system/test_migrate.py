"""Dagster's tables in Postgres: the job that runs before a version starts, on a real server."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

import pytest
from dagster_ui import BIN

from predictit_assets.settings import PROJECT_DIR

if sys.version_info >= (3, 13):
    pytest.skip("pgserver has no wheel for Python 3.13", allow_module_level=True)


def test_the_tables_are_made_and_to_migrate_them_again_harms_nothing(tmp_path: Path) -> None:
    import pgserver

    compose = PROJECT_DIR / "deploy" / "compose.yaml"
    assert 'command: ["dagster", "instance", "migrate"]' in compose.read_text()
    shutil.copy(PROJECT_DIR / "deploy" / "dagster.yaml", tmp_path)
    # Not in pytest's folder: root's Postgres runs as somebody else, who mayn't look into it.
    database = pgserver.get_server(Path(mkdtemp(prefix="postgres-")), cleanup_mode="delete")
    environment = os.environ | {
        "DAGSTER_HOME": str(tmp_path),
        "DAGSTER_POSTGRES_URL": database.get_uri(),
        "DAGSTER_LOGS_BUCKET": "logs",
        "AWS_REGION": "us-east-1",
    }
    try:
        for _ in range(2):
            migrated = subprocess.run(
                [str(BIN / "dagster"), "instance", "migrate"],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert migrated.returncode == 0, migrated.stderr
            assert "runs" in database.psql("select tablename from pg_tables;")
    finally:
        database.cleanup()
