"""The Pareto frontiers of a table of any size, made by the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from harness.board.catalogue.query import Query, axes
from harness.board.catalogue.tables import ROWS, where
from harness.board.pareto import frontier
from harness.metrics import Better

_SAMPLE = 4000
_PIVOTS = 10


def frontier_keys(connection: sa.Connection, query: Query, x: str, y: str, limit: int) -> list[str]:
    """Ids of the rows that no other of the same model and basis beats in both metrics.

    In two steps: rows that are beaten by some good rows of a sample are passed over in one scan without sorting; what
    is left, a hundredth of most tables, is sorted, and a window keeps the best `y` of all better `x`.

    Args:
        connection: to the database.
        query: which rows compete.
        x: an axis.
        y: another one.
        limit: most ids.

    Raises:
        BadInputError: a metric is no axis, or both are the same.
    """
    better_x, better_y, energy = axes(x, y)
    basis, a, b = ROWS.c.energy_basis if energy else ROWS.c.basis, ROWS.c[x], ROWS.c[y]
    rivals = [*where(query), a.is_not(None), b.is_not(None)]
    rivals += _pivots(connection, rivals, (basis, a, b), (better_x, better_y))
    best = sa.func.max if better_y is Better.HIGHER else sa.func.min
    left = sa.select(ROWS.c.id, ROWS.c.model, basis.label("basis"), a.label("x"), b.label("y")).where(*rivals).cte()
    tops = sa.select(left.c.model, left.c.basis, left.c.x, best(left.c.y).label("y"))
    tops = tops.group_by(left.c.model, left.c.basis, left.c.x)
    groups = tops.cte()
    order = groups.c.x.desc() if better_x is Better.HIGHER else groups.c.x.asc()
    before = best(groups.c.y).over(partition_by=(groups.c.model, groups.c.basis), order_by=order, rows=(None, -1))
    ahead = sa.select(groups, before.label("before")).cte()
    better = ahead.c.y > ahead.c.before if better_y is Better.HIGHER else ahead.c.y < ahead.c.before
    stands = [left.c[name] == ahead.c[name] for name in ("model", "basis", "x", "y")]
    direction = left.c.x.desc() if better_x is Better.HIGHER else left.c.x.asc()
    chosen = (
        sa.select(left.c.id)
        .join(ahead, sa.and_(*stands))
        .where(sa.or_(ahead.c.before.is_(None), better))
        .order_by(left.c.model, left.c.basis, direction, left.c.id)
        .limit(limit)
    )
    return list(connection.execute(chosen).scalars())


def _pivots(
    connection: sa.Connection,
    rivals: Sequence[sa.ColumnElement[bool]],
    columns: tuple[sa.ColumnElement[Any], ...],
    better: tuple[Better, Better],
) -> list[sa.ColumnElement[bool]]:
    """A condition that leaves out rows which are beaten for certain; none for a table that is small anyway.

    Ids are digests, so that the first of them are a sample drawn at random.
    """
    basis, a, b = columns
    first = sa.select(ROWS.c.id).order_by(ROWS.c.id).limit(_SAMPLE)
    if connection.execute(sa.select(sa.func.count()).select_from(first.subquery())).scalar_one() < _SAMPLE:
        return []
    sampled = sa.select(ROWS.c.model, basis, a, b).where(ROWS.c.id.in_(first), *rivals)
    points: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for model, name, value, other in connection.execute(sampled):
        points[model, name].append((value, other))
    beaten = []
    for (model, name), found in points.items():
        values = np.asarray(found)
        edge = np.unique(values[frontier(values[:, 0], values[:, 1], *better)], axis=0)
        chosen = edge[np.unique(np.linspace(0, len(edge) - 1, _PIVOTS).round().astype(int))]
        each = (
            sa.and_(
                a <= x if better[0] is Better.HIGHER else a >= x,
                b <= y if better[1] is Better.HIGHER else b >= y,
                sa.or_(a != x, b != y),
            )
            for x, y in chosen.tolist()
        )
        beaten.append(sa.and_(ROWS.c.model == model, basis == name, sa.or_(*each)))
    return [sa.not_(sa.or_(*beaten))] if beaten else []
