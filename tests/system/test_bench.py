"""The bench: whether it runs, never how fast."""

import subprocess
import sys
from pathlib import Path

from predictit_assets.settings import PROJECT_DIR


def test_a_smoke_run_prints_a_table_and_draws_a_plot(tmp_path: Path) -> None:
    peers = tmp_path / "peers"
    peers.write_text("""nothing: echo '{"t": 1.0}'\n""")
    command = [
        sys.executable,
        "-m",
        "bench",
        "--quick",
        "--only",
        "day,collect",
        "--out",
        str(tmp_path),
    ]
    ran = subprocess.run(
        [*command, "--peers", str(peers)], cwd=PROJECT_DIR, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "raw to staging, a day of 6 polls" in ran.stdout
    assert "nothing" in ran.stdout
    assert "acknowledged, a second a core" in ran.stdout
    assert (tmp_path / "bench.svg").read_text().startswith("<svg")
