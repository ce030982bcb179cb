"""Commands that a page shows, run as a reader would: in one shell, in an empty folder, one after the other.

A fenced block named ``console`` holds lines that begin with ``$ ``, lines that go on with ``> ``, and what they print below them.
Ports of this machine from 15500 to 15599 become free ones, so that several may run the same page at once.
Output is compared line by line, spaces apart; ``…`` stands for anything, on a line of its own for any number of lines.
Blocks named ``sh`` are not run.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
ROOT = Path(__file__).resolve().parents[2]
ANYTHING = "…"
PORT = re.compile(r"(?<=127\.0\.0\.1:)155\d\d\b")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A command and the lines that the page says it prints."""

    command: str
    lines: tuple[str, ...]


def shown_in(page: Path) -> tuple[Shown, ...]:
    """Return the commands of a page in order."""
    found: list[Shown] = []
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            first, *lines = part.rstrip("\n").split("\n")
            more = list(takewhile(lambda line: line.startswith("> "), lines))
            command = "\n".join([first, *(line[2:] for line in more)])
            found.append(Shown(command=command, lines=tuple(lines[len(more) :])))
    return tuple(found)


def run_page(page: Path, folder: Path, *, seconds: float) -> list[tuple[Shown, str]]:
    """Run the commands of a page in one shell; return each with what it printed.

    Raises:
        AssertionError: a command failed, or the page took longer than ``seconds``.
    """
    shown = shown_in(page)
    script = ["set -e"]
    for index, each in enumerate(shown):
        script += [
            f"printf '\\n@@{index}\\n' >&3",
            f"{{ {each.command}\n}} >&3 2>&1" if not each.command.endswith("&") else each.command,
        ]
    environment = {
        **os.environ,
        "HOME": str(folder),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
    }
    out = folder / ".printed"
    command = with_free_ports("\n".join(["exec 3>>.printed", *script, "printf '\\n@@end\\n' >&3"]))
    process = subprocess.Popen(["bash", "-mc", command], cwd=folder, env=environment, start_new_session=True)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        _end_session(process.pid)
    printed = out.read_text(encoding="utf-8")
    parts = re.split(r"^@@(\d+|end)\n", printed, flags=re.MULTILINE)
    texts = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert code == 0, f"{page.name}: exit {code} after {len(texts)} of {len(shown)} commands:\n{printed[-3000:]}"
    return [(each, texts[str(index)].removesuffix("\n")) for index, each in enumerate(shown)]


def with_free_ports(script: str) -> str:
    """Return a script with free ports of this machine in place of those that a page names."""
    named = sorted(set(PORT.findall(script)))
    held = [socket.create_server(("127.0.0.1", 0)) for _ in named]
    free = {name: str(each.getsockname()[1]) for name, each in zip(named, held, strict=True)}
    for each in held:
        each.close()
    return PORT.sub(lambda found: free[found[0]], script)


def _end_session(session: int) -> None:
    """End every process that a page left running."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            os.kill(int(status.parent.name), signal.SIGKILL)


def says(lines: tuple[str, ...], printed: str) -> bool:
    """Return whether what was printed is what the page shows."""
    if not lines:
        return True
    parts = []
    for line in lines:
        if line.strip() == ANYTHING:
            parts.append(r"(?:.*\n)*?")
        else:
            words = [re.escape(word).replace(re.escape(ANYTHING), ".*") for word in line.split()]
            parts.append(r"[ \t]*" + r"\s+".join(words) + r"[ \t]*\n")
    return re.fullmatch("".join(parts) + r"\s*", printed.rstrip("\n") + "\n") is not None
