"""Reports as files: the ending of a name says the form. A file appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from controller.reports.data_files import DataTable, to_csv, to_ndjson, write_parquet
from controller.reports.page import Page, style_sheet, to_html, to_text
from controller.reports.paper import to_pdf
from sites.errors import InputError
from sites.record import Record

FORMS: dict[str, str] = {
    ".html": "one page that opens anywhere and prints well",
    ".pdf": "the same for paper (needs the extra offgrid-mdc[pdf])",
    ".txt": "at most 2 kB of text for a satellite link",
    ".csv": "the intervals as a table",
    ".parquet": "the intervals as a table, typed and small",
    ".ndjson": "the intervals, one JSON object a line",
    ".json": "everything the report says, as one document",
}


def checked_ending(out: Path) -> str:
    """Return the ending of a file's name.

    Raises:
        InputError: no form has it.
    """
    if out.suffix not in FORMS:
        raise InputError.single(
            source="--out", field="", found=out.name, mend=f"end the name with one of: {', '.join(FORMS)}"
        )
    return out.suffix


def write_report(
    out: Path, *, page: Callable[[], Page], table: Callable[[], DataTable], document: Callable[[], Record]
) -> int:
    """Write a report in the form that the name of ``out`` asks for; return its bytes.

    Args:
        out: the file.
        page: makes the page.
        table: makes the table of intervals.
        document: makes the document.

    Raises:
        InputError: no form has the name's ending, or the PDF maker is not installed.
    """
    ending = checked_ending(out)
    part = out.with_name(f".{out.name}.part")
    try:
        if ending == ".parquet":
            write_parquet(table(), part)
        elif ending == ".pdf":
            part.write_bytes(to_pdf(to_html(page()), style_sheet()))
        else:
            part.write_text(_text(ending, page, table, document), encoding="utf-8")
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    return out.stat().st_size


def _text(ending: str, page: Callable[[], Page], table: Callable[[], DataTable], document: Callable[[], Record]) -> str:
    match ending:
        case ".html":
            return to_html(page())
        case ".txt":
            return to_text(page())
        case ".csv":
            return to_csv(table())
        case ".ndjson":
            return to_ndjson(table())
        case _:
            return document().model_dump_json()
