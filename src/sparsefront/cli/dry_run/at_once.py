"""What a command line and its files tell alone, seen before Lightning is imported, which takes seconds."""

from collections.abc import Sequence

from sparsefront.cli.dry_run.config_files import check_config_files
from sparsefront.cli.dry_run.misspelt import check_spelling
from sparsefront.cli.dry_run.named_configs import reads_a_pipe, with_packaged_files
from sparsefront.cli.exit_with import exit_with
from sparsefront.cli.first_word import VERBS
from sparsefront.cli.messages.messages import in_one_sentence
from sparsefront.cli.protocol_words import with_protocol


def refuse_at_once(args: Sequence[str]) -> None:
    """Exit with one sentence on settings that cannot be right; the parser looks at all of it again.

    Args:
        args: the arguments of `sparsefront`, its verb first.
    """
    words = with_packaged_files(args)
    if words[0] not in VERBS or {"-h", "--help"} & set(words) or reads_a_pipe(words):
        return
    try:
        check_config_files(words, in_groups=False)
        check_spelling(with_protocol(words))
    except OSError:
        return  # the parser says what cannot be read
    except ValueError as error:
        exit_with(in_one_sentence(str(error)), error)
