"""How a stage is split, how its neighbours are, and how it reads what comes: what costs depend on (pure).

Named tuples, since a search keeps costs by them, and makes many thousands.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from harness.models.split import Split


class Way(NamedTuple):
    """How a role is split.

    Attributes:
        parts: how many; 1 is the whole.
        split: along which axis parts differ; stays as it is where there is one part.
    """

    parts: int = 1
    split: Split = Split.COLUMNS

    @property
    def of_convolutions(self) -> bool:
        """Whether it splits convolutions."""
        return self.parts > 1 and self.split is not Split.COLUMNS

    @property
    def cuts_inputs(self) -> bool:
        """Whether each part reads something of its own (as `Role.cuts_inputs`)."""
        return self.parts > 1 and self.split in {Split.ROWS, Split.INPUT_CHANNELS}


WHOLE: Final = Way()


class Reading(NamedTuple):
    """How the next stage takes a tensor.

    Attributes:
        way: how it is split.
        end: number behind its last layer where parts are rows, since the halo depends on all its layers; else 0.
    """

    way: Way = WHOLE
    end: int = 0


class Cut(NamedTuple):
    """The layers of a stage, and how its neighbours and itself are split.

    Attributes:
        begin: number of the first layer.
        end: number behind the last one.
        way: how it is split.
        before: how the stage before is split; the whole for the initial.
        after: how the next stage takes its output; the whole for the initial.
    """

    begin: int
    end: int
    way: Way = WHOLE
    before: Way = WHOLE
    after: Reading = Reading()

    @property
    def parts(self) -> int:
        """Into which it is split."""
        return self.way.parts

    @property
    def reading(self) -> Reading:
        """How it takes its input."""
        return reading_of(self.way, self.end)


def reading_of(way: Way, end: int) -> Reading:
    """How a stage takes its input; where it ends matters to rows alone."""
    return Reading(way, end if way.parts > 1 and way.split is Split.ROWS else 0)
