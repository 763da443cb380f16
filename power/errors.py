"""What a user of the meter sees as one line."""

from __future__ import annotations


class PowerError(Exception):
    """An expected failure: what is wrong, and what to do about it.

    Args:
        message: one line that names the thing.
        hint: the way out.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[PowerError], tuple[str, ...]]:
        # An error of the process that samples is raised in the one that asked.
        return type(self), (self.message, self.hint)


class ProfileError(PowerError):
    """A profile of an instrument that cannot be used; the message names file and key."""


class LinkError(PowerError):
    """The instrument cannot be reached, or is not the one expected.

    Args:
        message: one line that names the resource.
        hint: the way out.
        cause: what happened, one word of `power.trace.FLAGS`.
    """

    def __init__(self, message: str, hint: str = "", cause: str = "unreachable") -> None:
        super().__init__(message, hint)
        self.cause = cause

    def __reduce__(self) -> tuple[type[PowerError], tuple[str, ...]]:
        return type(self), (self.message, self.hint, self.cause)


class ReplyError(PowerError):
    """A reply that holds no value.

    Args:
        message: one line with the reply.
        cause: what is wrong with it, one word of `power.trace.FLAGS`.
    """

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause

    def __reduce__(self) -> tuple[type[PowerError], tuple[str, ...]]:
        return type(self), (self.message, self.cause)


class TraceError(PowerError):
    """A recorded trace that cannot be analyzed; the message names line or column."""
