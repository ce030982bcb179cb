"""A linear program under construction: columns, rows and coefficients as arrays.

Families of constraints add whole blocks of variables and rows at once; solvers take the finished :class:`Program`.
The objective is a cost to be minimised.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Index = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Values = float | Floats
Number = TypeVar("Number", np.int32, np.float64)


@dataclass(frozen=True, kw_only=True)
class Program:
    """A finished linear or mixed-integer program."""

    cost: Floats
    lower: Floats
    upper: Floats
    integer: Flags
    row_lower: Floats
    row_upper: Floats
    matrix: sp.csr_matrix
    offset: float


@dataclass(kw_only=True)
class Matrix:
    """Collects columns, rows and coefficients."""

    offset: float = 0.0
    """Constant part of the cost."""
    _lower: list[Floats] = field(default_factory=list)
    _upper: list[Floats] = field(default_factory=list)
    _cost: list[Floats] = field(default_factory=list)
    _integer: list[Flags] = field(default_factory=list)
    _row_lower: list[Floats] = field(default_factory=list)
    _row_upper: list[Floats] = field(default_factory=list)
    _rows: list[Index] = field(default_factory=list)
    _columns: list[Index] = field(default_factory=list)
    _values: list[Floats] = field(default_factory=list)
    _extra: list[tuple[Index, Floats]] = field(default_factory=list)
    _column_count: int = 0
    _row_count: int = 0

    def columns(
        self,
        shape: tuple[int, ...],
        *,
        lower: Values = 0.0,
        upper: Values = np.inf,
        cost: Values = 0.0,
        integer: bool = False,
    ) -> Index:
        """Add a block of variables and return their numbers in the given shape; bounds and costs are broadcast."""
        count = int(np.prod(shape))
        for store, values in ((self._lower, lower), (self._upper, upper), (self._cost, cost)):
            store.append(_filled(values, shape, np.float64))
        self._integer.append(np.full(count, integer))
        first = self._column_count
        self._column_count += count
        return np.arange(first, first + count, dtype=np.int32).reshape(shape)

    def rows(self, shape: tuple[int, ...], *, lower: Values = -np.inf, upper: Values = np.inf) -> Index:
        """Add a block of rows and return their numbers in the given shape."""
        count = int(np.prod(shape))
        for store, values in ((self._row_lower, lower), (self._row_upper, upper)):
            store.append(_filled(values, shape, np.float64))
        first = self._row_count
        self._row_count += count
        return np.arange(first, first + count, dtype=np.int32).reshape(shape)

    def put(self, rows: Index, columns: Index, values: Values) -> None:
        """Add coefficients; the three are broadcast against each other, repeated places add up."""
        shape = np.broadcast(rows, columns, values).shape
        self._rows.append(_filled(rows, shape, np.int32))
        self._columns.append(_filled(columns, shape, np.int32))
        self._values.append(_filled(values, shape, np.float64))

    def add_cost(self, columns: Index, costs: Floats) -> None:
        """Add to the costs of columns that are there already."""
        self._extra.append((columns.ravel(), costs.ravel()))

    def finish(self) -> Program:
        """Return the program."""
        rows, columns = _join_index(self._rows), _join_index(self._columns)
        values = _join(self._values)
        matrix = sp.coo_matrix((values, (rows, columns)), shape=(self._row_count, self._column_count)).tocsr()
        matrix.eliminate_zeros()
        cost = _join(self._cost)
        for index, costs in self._extra:
            np.add.at(cost, index, costs)
        return Program(
            cost=cost,
            lower=_join(self._lower),
            upper=_join(self._upper),
            integer=np.concatenate(self._integer) if self._integer else np.zeros(0, dtype=bool),
            row_lower=_join(self._row_lower),
            row_upper=_join(self._row_upper),
            matrix=matrix,
            offset=self.offset,
        )


def _filled(values: npt.ArrayLike, shape: tuple[int, ...], kind: type[Number]) -> npt.NDArray[Number]:
    """Return values broadcast to a shape, flat; several times as quick as ``np.broadcast_to`` on small blocks."""
    block = np.empty(shape, dtype=kind)
    block[...] = values
    return block.ravel()


def _join(parts: list[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)


def _join_index(parts: list[Index]) -> Index:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)
