"""Whatever ends a command is one sentence where its settings, or the machine, are the reason."""

from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning.utilities.exceptions import MisconfigurationException

from sparsefront.cli.exit_with import exit_with
from sparsefront.cli.messages.messages import in_one_sentence, of_missing, owner_of, with_owner
from sparsefront.common.atomic_file import os_error_in_words
from sparsefront.common.extras import MissingExtraError
from sparsefront.common.refusals import part_that_refused
from sparsefront.training.process_watch import wait_for_news


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Exit with one sentence where the settings, a file or a missing package is what ends the work inside."""
    try:
        yield
    except RuntimeError as error:
        wait_for_news(error)
        raise
    except MissingExtraError as error:
        exit_with(str(error), error)
    except ImportError as error:
        exit_with(of_missing(error), error)
    except (ValueError, OSError, MisconfigurationException) as error:
        cause: BaseException = error
        if str(error).startswith("Does not validate against any of the Union subtypes") and error.__cause__:
            cause = error.__cause__  # what the class said, without jsonargparse's account of where
        said = os_error_in_words(cause) if isinstance(cause, OSError) else str(cause)
        exit_with(in_one_sentence(with_owner(said, _owner(cause))), error)


def _owner(error: BaseException) -> str:
    part = part_that_refused(error)
    return "" if part is None else owner_of(part.__name__, part.__module__)
