"""Errors of the operating system, for the user of a command."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

from sparsefront.common.atomic_file import os_error_in_words

Arguments = ParamSpec("Arguments")


def says_system_errors(program: str) -> Callable[[Callable[Arguments, int]], Callable[Arguments, int]]:
    """Let a command end with 1 and one sentence on what the operating system refused: a full disk, say."""

    def around(main: Callable[Arguments, int]) -> Callable[Arguments, int]:
        @functools.wraps(main)
        def inner(*args: Arguments.args, **kwargs: Arguments.kwargs) -> int:
            try:
                return main(*args, **kwargs)
            except OSError as error:
                print(f"{program}: {os_error_in_words(error)}", file=sys.stderr)
                return 1

        return inner

    return around
