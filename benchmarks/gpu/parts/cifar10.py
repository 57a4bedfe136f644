"""Part 2: the networks of paper 001, trained in a few minutes and attacked white and black box."""

from collections.abc import Callable
from functools import cache, partial

from benchmarks.gpu import weights
from benchmarks.gpu.attacked import attacks, evaluate, labels_of, percent
from benchmarks.gpu.options import Options
from benchmarks.gpu.part import Entry, Part
from benchmarks.gpu.pictures import Pictures, test_pictures, training_pictures
from benchmarks.gpu.systems import System, systems
from benchmarks.gpu.trained import train, trained_model
from sparsefront.attacks import NamedAttack
from sparsefront.data.splits.stratified import stratified_cut
from sparsefront.frontends import Identity

N_VALIDATION = 5000  # of the training images, left out as `sparsefront.data` does; nothing is chosen by them here


def run(part: Part) -> None:
    """Train the natural and the top-T network, attack both, then train one adversarially and attack it too."""
    every = systems(part.options.toy)
    pictures = cache(lambda: part.pictures("trained_on", _to_train_on(part.options)))
    for group in (["natural", "top_t"], ["pgd_at"]):
        for name in group:
            part.do(f"{name}/training", partial(_train, part, name, every[name], pictures))
        for name in group:
            if weights.is_trained(part.options.out, name):
                _attack(part, name, every[name])


def _to_train_on(options: Options) -> Pictures:
    pictures = training_pictures(options)
    [_, rest] = stratified_cut(pictures.labels, [10 if options.toy else N_VALIDATION], seed=0)
    return Pictures(pictures.images[rest], pictures.labels[rest], f"{len(rest)} of {pictures.source}")


def _train(part: Part, name: str, system: System, pictures: Callable[[], Pictures], entry: Entry) -> None:
    options = part.options
    options.out.mkdir(parents=True, exist_ok=True)
    keep = partial(part.keep, f"{name}/training", entry)
    train(name, system, pictures(), part.rates, entry, keep, step=options.step, device=part.device, folder=options.out)


def _attack(part: Part, name: str, system: System) -> None:
    model = cache(lambda: trained_model(name, system, part.device, part.options.out))
    pictures = cache(lambda: part.pictures("attacked", test_pictures(part.options)))

    def under(named: NamedAttack, entry: Entry) -> None:
        chunk = 5 if part.options.toy else 500
        evaluate(model(), named, pictures(), entry, partial(part.keep, f"{name}/{named.name}", entry), chunk)

    listed = attacks(part.options.toy, system.frontend is not Identity)
    for named in listed:
        part.do(f"{name}/{named.name}", partial(under, named))
    found = [part.file.entries.get(f"{name}/{named.name}", {}) for named in listed]

    def worst(entry: Entry) -> None:
        whole = [one for one in found if one.get("whole")]
        if not whole:
            raise RuntimeError("no attack came to its end")
        predictions = [whole[0]["clean"], *(one["predictions"] for one in whole)]
        entry |= {"attacks": len(whole), "worst": percent(predictions, labels_of(pictures()))}

    part.file.entries.pop(f"{name}/worst", None)  # of what was whole by then
    part.do(f"{name}/worst", worst)
