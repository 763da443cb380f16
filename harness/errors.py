"""The only exceptions that a user sees as one line.

Everything raised here carries a message that names the thing, a hint that says the way out, and the exit
code of the process. Any other exception is a bug and keeps its traceback.

Exit codes: 1 the run was measured and is not valid; 2 bad input; 3 a node or the farm failed; 5 something
needed is not installed; 16 not found (Collective Knowledge's own code for it); 130 ended by Ctrl-C.
"""


class UserError(Exception):
    """Something the user can mend.

    Args:
        message: one line that names the thing that is wrong.
        hint: one line that says what to do next; may be empty.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type["UserError"], tuple[str, str]]:
        # Errors cross from a child process to its parent with their hint.
        return type(self), (self.message, self.hint)

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class BadInputError(UserError):
    """An option, a file or an environment variable that cannot be used (exit code 2)."""


class TargetNotSpecifiedError(UserError):
    """A farm command without a target (exit code 1, the code of the published artifact)."""

    exit_code = 1


class NotFoundError(UserError):
    """A target or another named thing that does not exist (exit code 16, as in Collective Knowledge)."""

    exit_code = 16


class MissingPackageError(UserError):
    """A package or a device that this command needs is not there (exit code 5)."""

    exit_code = 5


class FarmError(UserError):
    """A node is down, hung, or not the one that the plan expects (exit code 3)."""

    exit_code = 3


class InvalidRunError(UserError):
    """The run was measured, and its figures must not be used (exit code 1)."""

    exit_code = 1
