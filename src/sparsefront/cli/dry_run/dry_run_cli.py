"""The command line that builds and checks what the command would, and stops there."""

from typing import Any

from sparsefront.cli.sparsefront_cli import SparsefrontCLI


class DryRunCLI(SparsefrontCLI):
    """Builds and checks what the command would, and stops there."""

    def before_fit(self) -> None:
        """Refuse a fit that could not end well."""
        self.check_fit()

    def before_validate(self) -> None:
        """Refuse weights that are not what the settings ask for."""
        self.check_weights()

    before_test = before_validate
    before_predict = before_validate

    def fit(self, **kwargs: Any) -> None:
        """Do nothing, as in place of the other verbs."""

    validate = test = predict = fit
