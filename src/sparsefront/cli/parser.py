"""The parser of the command line: jsonargparse's, whose messages are said again in one sentence."""

import re
import sys
from argparse import ArgumentError
from collections.abc import Sequence
from typing import Any, NoReturn

from pytorch_lightning.cli import LightningArgumentParser

from sparsefront import classifiers
from sparsefront.cli.config_loader import MODE
from sparsefront.cli.dry_run.config_files import check_config_files
from sparsefront.cli.dry_run.named_configs import with_packaged_files
from sparsefront.cli.exit_with import exit_with
from sparsefront.cli.messages.messages import in_one_sentence, of_entry, of_import
from sparsefront.cli.overridden_flags import keep_checkpoint
from sparsefront.cli.protocol_words import with_protocol

_CLASSIFIER_HELP = "--model.classifier.help"
_LISTED = re.compile(
    r"(\n  --model\.classifier CLASSIFIER\n(?:(?!\n  --).)*?),\s+known\s+subclasses:(?:(?!\n  --).)*", re.DOTALL
)
"""The help of the classifier: what comes before the classes that are imported, and these."""

_SIZE = re.compile(r"Annotated\[float\s+\|\s+str,\s+'a\s+size\s+in\s+pixel\s+units'\]")
"""How jsonargparse writes `PixelSize` in the help, which breaks it over lines."""


class Parser(LightningArgumentParser):
    """Says what is wrong without the two pages of usage before it, and takes no abbreviation for a setting."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, "parser_mode": MODE, **kwargs})
        self.family: list[Parser] = [self]
        """All parsers of the command line, this one and those of other subcommands."""

    def parse_args(self, args: Sequence[str] | None = None, *rest: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Let `--model.classifier.help ConvNet` know the project's classifiers by their names, as the values do."""
        words = with_packaged_files(sys.argv[1:] if args is None else args)
        for i, word in enumerate(words[:-1]):
            if word == _CLASSIFIER_HELP and words[i + 1] in classifiers.__all__:
                words[i + 1] = f"sparsefront.classifiers.{words[i + 1]}"
        if not self.exit_on_error:
            return super().parse_args(words, *rest, **kwargs)
        try:
            words = with_protocol(check_config_files(words))
            return super().parse_args(keep_checkpoint(words), *rest, **kwargs)
        except ValueError as error:
            exit_with(in_one_sentence(str(error)), error)
        except OSError:
            raise
        except Exception as error:
            exit_with(of_import(error), error)

    def parse_object(self, cfg_obj: Any, *rest: Any, **kwargs: Any) -> Any:
        """Parse nested settings; an error says which entry of a list it is about."""
        try:
            return super().parse_object(cfg_obj, *rest, **kwargs)
        except ArgumentError as error:
            raise ArgumentError(None, of_entry(cfg_obj, str(error))) from error

    def instantiate(self, namespace: Any, *rest: Any, **kwargs: Any) -> Any:
        """Build what settings name; an error says which entry of a list it is about."""
        try:
            return super().instantiate(namespace, *rest, **kwargs)
        except ValueError as error:
            error.args = (of_entry(namespace, str(error)), *error.args[1:])
            raise

    def format_help(self, *args: Any, **kwargs: Any) -> str:
        """Format the help, which names the project's own classifiers alone and says how a size is written."""
        ours = ", ".join(name for name in classifiers.__all__ if name not in ("CodeReader", "ReadOut"))
        told = f"\\1,\n{24 * ' '}known here: {ours})"
        text = _SIZE.sub("number or fraction such as 8/255", super().format_help(*args, **kwargs))
        return _LISTED.sub(told, text)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Exit with the sentence for a message."""
        if not self.exit_on_error:
            super().error(message, ex)  # the parser around this one knows the rest
        options = {"--config", "--help", *(word for one in self.family for word in _options(one))}
        exit_with(in_one_sentence(message, sorted(options)), ex)


def _options(parser: Parser) -> list[str]:
    """The flags that a parser knows, out of its usage."""
    return re.findall(r"--[\w.]+\+?", parser.format_usage())
