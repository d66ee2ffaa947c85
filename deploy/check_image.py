"""Executes the Dockerfile without an engine: each RUN in a clean folder, then what it starts.

Paths of the image are moved below a temporary folder. Whoever calls this as root has it done by the
image's own user, who owns nothing and has no name. What it can't show: the base image, and COPY
between stages (all lies in one folder).
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

PROJECT = Path(__file__).resolve().parents[1]
USER = 10001
PLACES = ("/opt/venv", "/opt/dagster", "/var/lib/predictit", "/app")
STARTED_WITHIN = 120
PORT = "4000"


class Image:
    """The Dockerfile, read line by line, with its paths below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        text = (PROJECT / "Dockerfile").read_text().replace("\\\n", " ")
        self.lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
        base = root / "base"
        base.mkdir()
        # The base image calls it python.
        (base / "python").symlink_to(Path(sys.base_prefix) / "bin" / "python3.11")
        self.environment = {"PATH": f"{base}:/usr/bin:/bin", "HOME": str(root / "home")}
        (root / "home").mkdir()

    def moved(self, text: str) -> str:
        """The same text about the folder."""
        return re.sub(rf"(?<![\w/])({'|'.join(PLACES)})(?![\w-])", rf"{self.root}\1", text)

    def set(self, assignments: str) -> None:
        """What ENV says."""
        for one in shlex.split(assignments):
            name, _, value = one.partition("=")
            value = self.moved(value).replace("$PATH", self.environment["PATH"])
            self.environment[name] = value

    def copy(self, arguments: str) -> None:
        """What COPY from the checkout says."""
        *sources, target = arguments.split()
        into = self.root / "app" / target if target[0] != "/" else Path(self.moved(target))
        for source in sources:
            origin = PROJECT / source
            if origin.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "target", "logs")
                shutil.copytree(origin, into, ignore=ignored)
            else:
                to = into / origin.name if target.endswith("/") else into
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(origin, to)

    def start(self, command: str | list[str]) -> subprocess.Popen[bytes]:
        """A process in the image's folder, by the image's user."""
        who = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
        return subprocess.Popen(
            command,
            shell=isinstance(command, str),
            cwd=self.root / "app",
            env=self.environment,
            **who,  # type: ignore[call-overload]
        )

    def own(self) -> None:
        """Give all that is there to the user, as whoever builds owns it."""
        if os.geteuid() == 0:
            subprocess.run(["chown", "-hR", f"{USER}:{USER}", str(self.root)], check=True)

    def command(self, instruction: str) -> list[str]:
        """The last command of its kind: CMD, or that of HEALTHCHECK."""
        (*_, text) = [rest for kind, rest in self.lines if kind == instruction]
        return [self.moved(one) for one in re.findall(r'"([^"]*)"', text)]


def main() -> None:
    """Build, start, ask for its health."""
    with TemporaryDirectory(prefix="image-") as folder:
        Path(folder).chmod(0o755)
        image = Image(Path(folder))
        (image.root / "app").mkdir()
        for kind, rest in image.lines:
            if kind == "ENV":
                image.set(rest)
            elif kind == "COPY" and not rest.startswith("--from"):
                image.copy(rest)
            elif kind == "RUN":
                image.own()
                print(f"RUN {rest}", flush=True)
                begun = time.monotonic()
                if image.start(image.moved(rest)).wait() != 0:
                    sys.exit(f"error: it failed: {rest}")
                print(f"    {time.monotonic() - begun:.0f} s", flush=True)
        state = Path(image.environment["PREDICTIT_HOME"])
        state.parent.mkdir(parents=True)
        shutil.copytree(image.root / "app" / "state", state)
        image.own()
        (image.root / "app" / "predictit_assets").chmod(0o555)
        healthy(image)
    print("the image's RUN lines, its command and its health check work")


def healthy(image: Image) -> None:
    """Start what the image starts, and see that its health check says so."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    # The instance of a server needs a Postgres: tests/test_server.py has one.
    image.environment["DAGSTER_HOME"] = image.environment["HOME"]

    def command(instruction: str) -> list[str]:
        return [port if one == PORT else one for one in image.command(instruction)]

    check, started = command("HEALTHCHECK"), time.monotonic()
    server = image.start(command("CMD"))
    try:
        while image.start(check).wait() != 0:
            if server.poll() is not None or time.monotonic() - started > STARTED_WITHIN:
                sys.exit("error: the command of the image doesn't become healthy")
    finally:
        server.terminate()
        server.wait()
    print(f"CMD is healthy after {time.monotonic() - started:.0f} s")


main()
