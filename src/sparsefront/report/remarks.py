"""What is said below a table without headlines."""

from collections.abc import Sequence

from sparsefront.report.markdown import markdown_text
from sparsefront.report.remedies import remedies
from sparsefront.report.sentences import cautions, reservation
from sparsefront.results.run import Run


def remarks(runs: Sequence[Run]) -> str:
    """What worst cases do not rest on, what came of signs of hidden gradients, and cautions, as a Markdown list.

    It begins and ends in a newline; each sentence is there once.
    """
    said = [*filter(None, map(reservation, runs)), *(f"{run.name}: {told}" for run in runs if (told := remedies(run)))]
    said += [f"Caution: {sentence}" for sentence in cautions(runs)]
    return "".join(f"\n- {markdown_text(sentence)}" for sentence in dict.fromkeys(said)) + "\n"
