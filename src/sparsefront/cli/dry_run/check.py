"""A command line tried without doing what it asks for."""

import logging
import warnings
from collections.abc import Sequence
from typing import Any

from sparsefront.cli.exit_on_error import exit_on_error
from sparsefront.cli.sparsefront_cli import SparsefrontCLI


def check(args: Sequence[str]) -> None:
    """Exit with one sentence, as `sparsefront` would, on settings that cannot be right; do nothing else.

    Args:
        args: the arguments of `sparsefront`, its verb first.
    """
    before = logging.root.manager.disable
    logging.disable(logging.INFO)  # seed and devices are said by the command itself
    try:
        with warnings.catch_warnings(), exit_on_error():
            warnings.filterwarnings("ignore", "LightningCLI's args parameter")  # the caller has a command line too
            _dry_run(args[0])(args)
    finally:
        logging.disable(before)


def _dry_run(verb: str) -> type[SparsefrontCLI]:
    """Builds and checks what the command would, and stops there; knows no other verb, whose parser takes time."""

    class DryRun(SparsefrontCLI):
        @staticmethod
        def subcommands() -> dict[str, set[str]]:
            return {verb: SparsefrontCLI.subcommands()[verb]}

        def before_fit(self) -> None:
            self.check_fit()

        def before_validate(self) -> None:
            self.check_weights()

        before_test = before_validate
        before_predict = before_validate

        def fit(self, **kwargs: Any) -> None:
            """Do nothing, as in place of the other verbs."""

        validate = test = predict = fit

    return DryRun
