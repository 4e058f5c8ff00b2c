"""Many questions to one environment, from a file: one change a line, as it would be typed behind ENV.

A line is SPECs, or one of `--update`, `--remove` and `--update-all` before them; words are quoted as in a shell, `#` begins a
comment. All lines are checked before the first is answered, so that a mistake in the last one costs no waiting.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from msgspec.structs import replace

from planner.errors import InputError
from planner.files import read_bytes, reason
from planner.situation import check_request

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from planner.question import Question

_OPERATIONS: dict[str, Literal["update", "remove", "update-all"]] = {
    "--update": "update",
    "--remove": "remove",
    "--update-all": "update-all",
}
_LIMIT = 16 * 1024 * 1024  # bytes: a hundred thousand changes


def read_each(path: str, question: Question) -> tuple[tuple[str, Question], ...]:
    """The question for each line of the file, with where it stands (`FILE:LINE`).

    Raises `InputError` naming the file, and every line that is no change, with what is wrong with it.
    """
    try:
        text = read_bytes(path, _LIMIT).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"--each {path}: {reason(error)}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"--each {path}: it is not UTF-8 (byte {error.start})") from None
    except ValueError as error:
        raise InputError(f"--each {path}: it cannot be read: {error}") from None
    found, wrong = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        where = f"{path}:{number}"
        try:
            words = shlex.split(line, comments=True)
            if words:
                asked = _asked(question, words)
                check_request(asked, lambda _text: None)
                found.append((where, asked))
        except (InputError, ValueError) as error:
            wrong.append(f"{where}: {error}")
    if wrong:
        raise InputError("\n".join(wrong))
    if not found:
        raise InputError(f"--each {path}: there is no change in it; write one a line, for example: python=3.11")
    return tuple(found)


def _asked(question: Question, words: Sequence[str]) -> Question:
    operation = question.operation
    if words[0] in _OPERATIONS:
        operation, words = _OPERATIONS[words[0]], words[1:]
    option = next((word for word in words if word.startswith("-")), None)
    if option is not None:
        raise InputError(
            f"{option} has no place in a line: there are {', '.join(_OPERATIONS)} before the SPECs; "
            "any other option is one of the whole command"
        )
    return replace(question, operation=operation, specs=tuple(words))
