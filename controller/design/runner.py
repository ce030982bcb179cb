"""Runs a study: in this process, on all cores, or on a dask cluster by its address; resumable, with progress.

The work is cut into parts that depend on the study alone, never on the number of workers; each part is written
to its own Parquet file when it is done, under the hash of all inputs. A run that was stopped takes up what is
there. Results are put together in the order of the parts, so they are the same bits on one core, on two, on a
cluster.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from controller.design.context import Context
from controller.design.evaluate import coordinates, judge, tables
from optimizer.sizing.search import search
from sites.errors import InputError

if TYPE_CHECKING:
    from optimizer.sizing.inputs import Floats

PART_DESIGN_YEARS = 40_000
"""Design-years in a part: some seconds of work."""
CLUSTER_TIMEOUT_S = 3
Progress = Callable[[int, int], None]
"""Called with the design-years done and all."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A piece of a study."""

    number: int
    group: int
    begin: int
    end: int
    """Designs ``begin .. end`` of the group's grid; the whole group when searching."""
    budget: int = 0
    """Most simulations of a search; 0 = every design."""
    years: int = 1

    @property
    def weight(self) -> int:
        """Design-years that it simulates, at most."""
        return (min(self.budget, self.end) if self.budget else self.end - self.begin) * self.years


def parts_of(context: Context, *, method: str, simulations: int) -> list[Part]:
    """Return the parts of a study."""
    found: list[Part] = []
    total = context.designs_a_group
    for group, each in enumerate(context.groups):
        years = context.weather[each.years].count
        size = max(64, PART_DESIGN_YEARS // years // 64 * 64)
        if method == "search":
            found.append(Part(number=len(found), group=group, begin=0, end=total, budget=simulations, years=years))
            continue
        for begin in range(0, total, size):
            end = min(total, begin + size)
            found.append(Part(number=len(found), group=group, begin=begin, end=end, years=years))
    return found


def run_part(context: Context, part: Part) -> pd.DataFrame:
    """Return the rows of a part."""
    group = context.groups[part.group]
    years = tables(context, group)
    if not part.budget:
        rows = judge(context, group, coordinates(context, part.begin, part.end), years).rows
        return rows.assign(group=part.group, design=np.arange(part.begin, part.end))
    kept: list[pd.DataFrame] = []

    def evaluate(at: np.ndarray) -> tuple[Floats, Floats]:
        judged = judge(context, group, at, years)
        numbers = np.ravel_multi_index(tuple(at.T), context.shape)
        kept.append(judged.rows.assign(group=part.group, design=numbers))
        return judged.rows["npc_usd"].to_numpy(), judged.breach

    search(evaluate, context.shape, budget=min(part.budget, part.end))
    return pd.concat(kept, ignore_index=True)


_context: Context | None = None


def _begin_worker(context: Context) -> None:
    global _context
    _context = context


def _work(part: Part, file: str) -> int:
    if _context is None:
        raise RuntimeError("a worker begins with its context")
    _write(run_part(_context, part), Path(file))
    return part.number


def _write(rows: pd.DataFrame, file: Path) -> None:
    fresh = file.with_suffix(".tmp")
    rows.to_parquet(fresh, index=False)
    fresh.replace(file)


def run(
    context: Context,
    folder: Path,
    *,
    method: str,
    simulations: int,
    workers: int = 1,
    cluster: str = "",
    progress: Progress = lambda _done, _all: None,
) -> pd.DataFrame:
    """Run (or take up) a study in ``folder`` and return all rows, ordered by group and design.

    Raises:
        InputError: the folder holds the results of other inputs, or the cluster does not answer.
    """
    parts = parts_of(context, method=method, simulations=simulations)
    files = {part.number: folder / "parts" / f"part-{part.number:06d}.parquet" for part in parts}
    _claim(folder, context)
    left = [part for part in parts if not files[part.number].exists()]
    all_weight = sum(part.weight for part in parts)
    done = all_weight - sum(part.weight for part in left)
    weights = {part.number: part.weight for part in parts}
    progress(done, all_weight)
    if cluster:
        numbers = _on_cluster(context, left, files, cluster)
    elif workers > 1 and len(left) > 1:
        numbers = _on_processes(context, left, files, workers)
    else:
        numbers = _here(context, left, files)
    for number in numbers:
        done += weights[number]
        progress(done, all_weight)
    rows = pd.concat([pd.read_parquet(files[part.number]) for part in parts], ignore_index=True)
    rows = rows.sort_values(["group", "design"], kind="stable", ignore_index=True)
    _write(rows, folder / "designs.parquet")
    return rows


def _claim(folder: Path, context: Context) -> None:
    """Make the folder this study's, or refuse when it is another's."""
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    mark = folder / "inputs.json"
    if mark.exists():
        found = json.loads(mark.read_text(encoding="utf-8")).get("input_hash")
        if found != context.input_hash:
            raise InputError.single(
                source=str(folder),
                field="inputs.json",
                found=found,
                mend=f"these are results of other inputs (now {context.input_hash}); give another --out or --fresh",
            )
        return
    text = json.dumps({"study": context.name, "input_hash": context.input_hash, "seed": context.seed}, indent=1)
    mark.write_text(text + "\n", encoding="utf-8")


def _here(context: Context, parts: list[Part], files: dict[int, Path]) -> Iterator[int]:
    for part in parts:
        _write(run_part(context, part), files[part.number])
        yield part.number


def _on_processes(context: Context, parts: list[Part], files: dict[int, Path], workers: int) -> Iterator[int]:
    """Yield part numbers as they are done. Forked where that can be: children then share what is compiled."""
    forked = "fork" in get_all_start_methods()
    if forked:
        warm_up(context)
    with ProcessPoolExecutor(
        workers,
        mp_context=get_context("fork" if forked else "spawn"),
        initializer=_begin_worker,
        initargs=(context,),
    ) as pool:
        pending: set[Future[int]] = {pool.submit(_work, part, str(files[part.number])) for part in parts}
        while pending:
            finished, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()


def warm_up(context: Context) -> None:
    """Compile all kernels, on one design and one day."""
    group = context.groups[0]
    steps = round(24.0 / context.step_h)
    judge(context, group, coordinates(context, 0, 1), [tables(context, group, years=1)[0][:steps]])


def _on_cluster(context: Context, parts: list[Part], files: dict[int, Path], address: str) -> Iterator[int]:
    try:
        dask: Any = import_module("distributed")
    except ImportError as error:
        raise InputError.single(
            source="--cluster", field="", found=address, mend="install dask and distributed to use a cluster"
        ) from error
    try:
        client = dask.Client(address, timeout=CLUSTER_TIMEOUT_S)
    except OSError as error:
        raise InputError.single(
            source="--cluster", field="", found=address, mend=f"give the address of a dask scheduler ({error})"
        ) from error
    with client:
        shared = client.scatter(context, broadcast=True)
        numbers = {client.submit(run_part, shared, part, pure=False): part.number for part in parts}
        for future, rows in dask.as_completed(list(numbers), with_results=True):
            _write(rows, files[numbers[future]])
            yield numbers[future]
