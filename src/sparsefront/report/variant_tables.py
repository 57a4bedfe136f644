"""The tables of variants: accuracy, and how far they move representations."""

from collections.abc import Sequence

from sparsefront.report.row import rows_of, worst_row
from sparsefront.report.system_table import SystemTable
from sparsefront.results.representation_check import ORIGINAL
from sparsefront.results.representation_record import RepresentationRecord
from sparsefront.results.run import Run
from sparsefront.results.share import Share

ACCURACY_NOTE = (
    "% of all samples right, as they are and as variants, with its 95 % Wilson interval; white box, worst case: robust "
    "accuracy of the table above, the least of its white-box rows, whatever their sizes, and that over all attacks, "
    "where they were run"
)
DISTANCE_NOTE = (
    "of the last hidden layer: mean |h(variant) - h(original)| over images and neurons, by the mean standard deviation "
    "of a neuron over the original images"
)


def variant_tables(runs: Sequence[Run]) -> list[SystemTable]:
    """Accuracy on the variants and representation distances of the runs that have them; none where no run has."""
    known = [(run, run.representations) for run in runs if run.representations is not None]
    if not known:
        return []
    names = list(dict.fromkeys(name for _, record in known for name in record.names))
    accuracies = tuple((run.name, *_accuracies(run, record, names)) for run, record in known)
    variants = [name for name in names if name != ORIGINAL]
    distances = tuple((run.name, *_distances(record, variants)) for run, record in known)
    header = ("system", "n", *names, "white box", "worst case")
    return [
        SystemTable("Accuracy on the variants (paper 003, Figure 5)", header, accuracies, ACCURACY_NOTE),
        SystemTable(
            "Representation distance (paper 003, Table 1)",
            ("system", *variants),
            distances,
            _distance_note([record for _, record in known]),
        ),
    ]


def _accuracies(run: Run, record: RepresentationRecord, names: Sequence[str]) -> list[str]:
    shares = [record.accuracy(name) if name in record.names else None for name in names]
    count = len(record.arrays["label"])
    white = [row.robust for row in rows_of(run) if row.knowledge == "white_box" and row.in_worst_case and row.robust]
    least = min(white, key=lambda share: share.value, default=None)
    return [str(count), *(_percent(share, count) for share in (*shares, least, worst_row(run).robust))]


def _percent(share: Share | None, count: int) -> str:
    """With its interval, and the count of samples where it is another than the row's."""
    if share is None:
        return ""
    low, high = (100 * end for end in share.interval)
    counted = "" if share.total == count else f", n = {share.total}"
    return f"{100 * share.value:.1f} ({low:.0f}-{high:.0f}{counted})"


def _distances(record: RepresentationRecord, variants: Sequence[str]) -> list[str]:
    distance = record.provenance["distance"]
    return [f"{distance[name]:.3f}" if name in distance else "" for name in variants]


def _distance_note(records: Sequence[RepresentationRecord]) -> str:
    kinds = {(record.provenance["difference"], record.provenance["deviation"]) for record in records}
    if kinds == {("absolute", "over_images")}:
        return DISTANCE_NOTE
    told = "; ".join(f"difference {difference}, deviation {deviation}" for difference, deviation in sorted(kinds))
    unlike = ": do not compare their numbers" if len(kinds) > 1 else ""
    return f"of the last hidden layer, by the settings: {told}{unlike}"
