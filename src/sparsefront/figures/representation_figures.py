"""The pictures of a system's representations."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sparsefront.figures.neuron import OTHER, POSITIVE, neuron_figure
from sparsefront.figures.panel import panel_figure
from sparsefront.figures.profiles import profiles_figure
from sparsefront.figures.radial import Ring, radial_figure
from sparsefront.figures.variants import variants_figure
from sparsefront.results.representation_record import RepresentationRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Shown(NamedTuple):
    """A figure with its words.

    Attributes:
        key: a word for it.
        title: above it.
        caption: what is drawn.
        figure: the figure.
    """

    key: str
    title: str
    caption: str
    figure: "Figure"


def representation_figures(record: RepresentationRecord, system: str) -> list[Shown]:
    """Figures 5, 3, 4, 6, 7 and 8 of paper 003 for one system, those that there is something to show in."""
    shares = {name: record.accuracy(name) for name in record.names}
    caption = "Share of all samples that are predicted right, as they are and as variants."
    five = Shown("variants", "Accuracy on the variants (Figure 5)", caption, variants_figure({system: shares}))
    return [five, *own_figures(record)]


def own_figures(record: RepresentationRecord) -> list[Shown]:
    """Figures 3, 4, 6, 7 and 8 of paper 003, those of one system alone."""
    return [*_selectivity(record), _weights(record), _neuron(record), *_pictures(record), _profiles(record)]


def _selectivity(record: RepresentationRecord) -> list[Shown]:
    rings = [
        Ring(group.name, moments[0], colour, moments[1])
        for group, colour in zip(record.groups, (POSITIVE, OTHER), strict=True)
        if (moments := record.training_moments(group)) is not None
    ]
    if not rings:
        return []
    count = int(record.arrays["training/images"].sum())
    caption = (
        f"Mean activation of each neuron of the last hidden layer over {count} training images; dotted: its standard "
        "deviation over them. Both circles have one scale."
    )
    figure = radial_figure(rings, "mean activation", record.neuron)
    return [Shown("selectivity", "Selectivity (Figure 3)", caption, figure)]


def _weights(record: RepresentationRecord) -> Shown:
    name = record.groups[0].name
    ring = Ring(f"towards {name}", np.maximum(record.arrays["weight"], 0), POSITIVE)
    caption = (
        "Positive weights of the last linear layer towards the class, less the mean of those towards others; negative "
        "ones are left out."
    )
    return Shown("weights", "Weights (Figure 4)", caption, radial_figure([ring], "weight", record.neuron))


def _neuron(record: RepresentationRecord) -> Shown:
    activations = {name: record.hidden(name)[:, record.neuron] for name in record.names}
    members = {group.name: group.members for group in record.groups}
    strongest = record.neuron == int(record.arrays["weight"].argmax())
    caption = (
        f"Activation of neuron {record.neuron}{', the strongest linear indicator,' if strongest else ''} on each image."
    )
    figure = neuron_figure(activations, members, record.neuron)
    return Shown("neuron", "One neuron (Figure 6)", caption, figure)


def _pictures(record: RepresentationRecord) -> list[Shown]:
    pictures = record.pictures
    if "clean" not in pictures:
        return []
    caption = (
        "Images, their variants, the difference, and what the front end leaves of each, or rebuilds from its code, "
        "where it returns images or can."
    )
    return [Shown("reconstructions", "Reconstructions (Figure 7)", caption, panel_figure(pictures))]


def _profiles(record: RepresentationRecord) -> Shown:
    profiles = {}
    for group in record.groups:
        if not group.members.any():
            continue
        sample = record.representative(group)
        title = f"{group.name} (image {int(record.arrays['index'][sample])})"
        profiles[title] = {name: record.hidden(name)[sample] for name in record.names}
    caption = (
        "All neurons of the last hidden layer on one image of the class and one of the others: those nearest to their "
        "mean in this layer."
    )
    return Shown("profiles", "All neurons (Figure 8)", caption, profiles_figure(profiles, record.neuron))
