"""Makes the zip of the functions: locked packages for Lambda's Linux, this project, the handlers.

The same sources give the same bytes, so that a deploy without a change changes nothing. What it
holds is then imported by a Python that sees nothing else.
"""

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
ZIP = PROJECT / "dist" / "poller.zip"
MAX_BYTES = 250 * 1024**2
"""What Lambda takes, unzipped."""
HANDLERS = ("handler", "ages", "collector")
POLLED = ("predictit", "crypto")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
RUNTIME = "3.13"
"""The function's Python, as poller.tf and requirements.txt have it."""
# It runs on Amazon Linux 2023, whose glibc is 2.34.
PLATFORMS = ["--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64"]
LINUX = [*PLATFORMS, "--python-version", RUNTIME, "--only-binary", ":all:"]


def main() -> None:
    """Build, zip and prove."""
    folder = ZIP.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    into = ["--no-deps", "--no-compile", "--target", str(folder)]
    locked = ["--require-hashes", "-r", str(HERE / "requirements.txt")]
    subprocess.run([*PIP, *into, *LINUX, *locked], check=True)
    shutil.rmtree(folder / "bin", ignore_errors=True)
    subprocess.run([*PIP, *into, "--no-build-isolation", str(PROJECT)], check=True)
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for handler in HANDLERS:
        shutil.copy(HERE / f"{handler}.py", folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > MAX_BYTES:
        sys.exit(f"error: {size / 1024**2:.0f} MB unzipped are more than Lambda takes")
    _zip(folder)
    _prove(folder)
    print(f"{ZIP}: {ZIP.stat().st_size / 1024**2:.0f} MB, {size / 1024**2:.0f} MB unzipped")


def _zip(folder: Path) -> None:
    with zipfile.ZipFile(ZIP, "w", zipfile.ZIP_DEFLATED) as bundle:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            # Of an installation these say when and from where it was.
            if path.is_dir() or path.name in ("RECORD", "direct_url.json"):
                continue
            entry = zipfile.ZipInfo(str(name), date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, path.read_bytes())


def _prove(folder: Path) -> None:
    """Import the handlers with nothing but the bundle (and the standard library) in reach."""
    if not platform.python_version().startswith(f"{RUNTIME}."):
        print(f"not imported, to see whether it works: that takes Python {RUNTIME}")
        return
    here = {
        "PATH": os.environ["PATH"],
        "PREDICTIT_OBJECTS": "s3",
        "PREDICTIT_S3_BUCKET": "a-bucket",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "WATCHED": "[]",
    }
    for source in POLLED:
        code = f"import sys; sys.path.append({str(folder)!r}); import {', '.join(HANDLERS)}"
        python = [sys.executable, "-I", "-S", "-B", "-c", code]
        subprocess.run(python, env={**here, "POLLER_SOURCE": source}, check=True)


main()
