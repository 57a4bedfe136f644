"""A command line of some verbs alone, whose parsers take a part of the time of all."""

from sparsefront.cli.sparsefront_cli import SparsefrontCLI

_EVERY = SparsefrontCLI.subcommands()


def parse_only(monkeypatch, *verbs):
    """Leave out the parsers of all other verbs for one test; the last call counts."""
    kept = {verb: _EVERY[verb] for verb in verbs}
    monkeypatch.setattr(SparsefrontCLI, "subcommands", staticmethod(lambda: kept))
