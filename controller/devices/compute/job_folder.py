"""The folder of one job: what it is told, what it says of itself, and what is left of it. Whoever runs it, it is the same.

    job.sh       wrapper: joins its control group, runs the program, keeps its exit code
    orders       what it may use now: gpus=…, limit_w=…, for programs that can follow           (written by the controller)
    output       standard output and error, bounded: beyond OUTPUT_MAX_B the older half moves to output.1
    progress     share of the work done, 0..1                                                   (written by the program)
    checkpoint   touched by the program when it has written one, after SIGUSR1                  (written by the program)
    exit         exit code, once the program has ended by itself

A program is told where these are by ``MDC_JOB MDC_FOLDER MDC_GPUS MDC_LIMIT_W MDC_CHECKPOINTS``; ``MDC_RESTARTS`` counts its
starts beyond the first. A job whose ``exit`` is there never runs again, whatever a scheduler has forgotten.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

OUTPUT_MAX_B = 1 << 20
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
WRAPPER = """\
#!/bin/sh
{join}
cd {folder} || exit 126
export MDC_JOB={name} MDC_FOLDER={folder} MDC_CHECKPOINTS={folder}/checkpoints
read -r MDC_GPUS MDC_LIMIT_W < orders && export MDC_GPUS="${{MDC_GPUS#gpus=}}" MDC_LIMIT_W="${{MDC_LIMIT_W#limit_w=}}"
[ -r visible ] && read -r CUDA_VISIBLE_DEVICES < visible && export CUDA_VISIBLE_DEVICES
MDC_RESTARTS=$(cat starts 2>/dev/null | wc -l); export MDC_RESTARTS
echo start >> starts
mkdir -p checkpoints
trap : USR1
{command} >> output 2>&1 &
program=$!
while :; do
  wait $program; code=$?
  [ $code -le 128 ] && break
  kill -0 $program 2>/dev/null || break
done
echo $code > exit.part && mv exit.part exit
exit $code
"""


class JobTicket(NamedTuple):
    """What is run."""

    name: str
    command: tuple[str, ...]
    gpus: int
    """GPUs it takes at most."""
    limit_w: float = 0.0
    """Power limit of each at the start; 0 = not told yet."""

    @property
    def watts(self) -> int:
        """What it may draw at its GPUs."""
        return max(round(self.gpus * self.limit_w), 1)


class JobFolder:
    """One job's folder under the spool."""

    def __init__(self, spool: Path, name: str) -> None:
        """Know a job's folder.

        Raises:
            ValueError: a name that is no plain file name.
        """
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a job; take letters, digits, dots and dashes")
        self.name, self.path = name, spool.absolute() / name

    def prepare(self, ticket: JobTicket, *, join: str = "") -> Path:
        """Write the wrapper and the first orders; returns the wrapper."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.order(ticket.gpus, ticket.limit_w)
        wrapper = self.path / "job.sh"
        quoted = {"folder": shlex.quote(str(self.path)), "name": shlex.quote(self.name)}
        wrapper.write_text(WRAPPER.format(join=join, command=shlex.join(ticket.command), **quoted), encoding="utf-8")
        wrapper.chmod(0o755)
        return wrapper

    def order(self, gpus: float, limit_w: float, visible: Sequence[int | str] = ()) -> None:
        """Tell the program what it may use now, and which GPUs are its own where that is known."""
        if not self.path.is_dir():
            return
        self._put("orders", f"gpus={gpus:g} limit_w={limit_w:g}\n")
        if visible:
            self._put("visible", ",".join(map(str, visible)) + "\n")

    def finish(self) -> None:
        """Tell a played program that its work is done."""
        if self.path.is_dir():
            self._put("finish", "")

    @property
    def exit_code(self) -> int | None:
        """Exit code of a program that has ended by itself."""
        text = self._text("exit")
        return int(text) if text.lstrip("-").isdigit() else None

    @property
    def done_frac(self) -> float | None:
        """Share of the work done by the program's own account; none when it says nothing that makes sense."""
        try:
            share = float(self._text("progress"))
        except ValueError:
            return None
        return share if 0.0 <= share <= 1.0 else None

    @property
    def checkpointed_s(self) -> float:
        """Time of the newest checkpoint, s since the epoch; 0 = none."""
        try:
            return (self.path / "checkpoint").stat().st_mtime
        except OSError:
            return 0.0

    def put_away(self) -> None:
        """Have no runner list a job any more that has ended and is known to have."""
        with contextlib.suppress(OSError):
            (self.path / "exit").replace(self.path / "exit.known")

    def bound_output(self, most_b: int = OUTPUT_MAX_B) -> None:
        """Keep the output below ``most_b`` bytes: its newer half stays beside as ``output.1``."""
        output = self.path / "output"
        try:
            size_b = output.stat().st_size
            if size_b <= most_b:
                return
            with output.open("rb+") as file:
                file.seek(size_b - most_b // 2)
                (self.path / "output.1").write_bytes(file.read(most_b // 2))
                file.truncate(0)
        except OSError:
            return

    def _put(self, name: str, text: str) -> None:
        part = self.path / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        os.replace(part, self.path / name)

    def _text(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8", errors="replace")[:100].strip()
        except OSError:
            return ""
