"""The command line that builds and checks what the command would, and stops there."""

from typing import Any

from sparsefront.cli.sparsefront_cli import SparsefrontCLI


def dry_run(verb: str) -> type[SparsefrontCLI]:
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
