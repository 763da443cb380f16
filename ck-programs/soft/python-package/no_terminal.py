"""Answers for the questions of Collective Knowledge where nobody can type one.

CK asks in the middle of detecting software ("delete this entry and re-register?") and dies of EOFError when
standard input is no terminal: under make, in CI, over ssh. There each question gets the answer that pressing
Enter would give; a pipe with answers in it is read first.
"""

import sys

# A question that an empty line does not answer is asked again; after that many there is no way out of it.
MOST_DEFAULTS = 20


def answer_with_defaults(ck):
    """Replace the kernel's `inp` for this process, unless somebody sits at a terminal.

    Args:
        ck: the module `ck.kernel`.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        return
    given = [0]

    def inp(i):
        line = "" if sys.stdin is None else sys.stdin.readline()
        if line:
            return {"return": 0, "string": line.rstrip("\r\n")}
        given[0] += 1
        if given[0] > MOST_DEFAULTS:
            return {"return": 1, "error": "no terminal to answer: " + i["text"].strip()}
        ck.out(i["text"] + "(no terminal: default)")
        return {"return": 0, "string": ""}

    ck.inp = inp
