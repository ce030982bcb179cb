"""Every command of ``mdc`` with its options, as its own ``--help`` says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

VARIABLES = {
    "MDC_LOG": "level of what is logged on standard error: DEBUG, INFO, WARNING (if absent), ERROR",
    "MDC_LOG_FORMAT": "`json`: each line of the log is a JSON document",
    "MDC_CATALOG": "a folder of catalogue files whose figures stand above those that ship with the program",
}
"""What the environment may say."""
_MARK = re.compile(r"\[/?bold\]")


def commands_page() -> str:
    """Return the page."""
    from controller.cli.main import app

    root = typer.main.get_command(app)
    intro = (
        "# Command line\n\n"
        "`--format json` prints one JSON document on stdout and nothing else; errors go to stderr as one readable line.\n"
        "Exit codes: 0 done, 1 a bug or the outside world failed, 2 bad input, 3 no plan better than the safe state.\n\n"
        "| variable | says |\n|---|---|\n" + "".join(f"| `{name}` | {words} |\n" for name, words in VARIABLES.items())
    )
    return intro + "\n" + "\n".join(_command(path, each) for path, each in _walk("mdc", root)) + "\n"


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    for name, each in sorted(getattr(command, "commands", {}).items()):
        below = f"{path} {name}"
        if getattr(each, "commands", None):
            yield from _walk(below, each)
        else:
            yield below, each


def _command(path: str, command: Any) -> str:
    words = _MARK.sub("`", (command.help or "").strip())
    arguments = " ".join(_metavar(each) for each in command.params if _is_argument(each))
    lines = [f"## {path}\n", f"```\n{f'{path} [OPTIONS] {arguments}'.rstrip()}\n```\n", f"{words}\n"]
    rows = [row for each in command.params if (row := _row(each))]
    if rows:
        lines.append("| option | meaning | default |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(lines)


def _metavar(param: Any) -> str:
    name = str(param.metavar or param.name).upper()
    return name if param.required else f"[{name}]"


def _is_argument(param: Any) -> bool:
    return bool(param.param_type_name == "argument")


def _row(param: Any) -> str:
    name = param.name if _is_argument(param) else ", ".join((*param.opts, *param.secondary_opts))
    if name in ("--help", "--install-completion", "--show-completion"):
        return ""
    meaning = _MARK.sub("`", getattr(param, "help", None) or "").replace("|", "\\|").replace("\n", " ")
    default = param.default
    shown = "" if default in (None, (), [], False) or callable(default) else f"`{getattr(default, 'value', default)}`"
    return f"| `{name}` | {meaning} | {'required' if param.required else shown} |"
