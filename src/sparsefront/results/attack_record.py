"""What is known of one attack that was run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparsefront.common.budget import Budget
from sparsefront.results.adversary_words import adversary_words
from sparsefront.results.attack_call import attack_call
from sparsefront.results.cost import Cost
from sparsefront.results.entry import Entry
from sparsefront.results.samples import NORMS

if TYPE_CHECKING:
    from sparsefront.attacks import NamedAttack


@dataclass(frozen=True)
class AttackRecord:
    """Name, knowledge, settings, budget, cost and fate of one attack: an entry of `attacks` in a results file.

    `of` makes it of an attack that was run, `written` turns it into JSON, `read` reads that.

    Attributes:
        name: the attack's name in YAML.
        knowledge: "white_box", "gray_box", "black_box", "transfer" or "control".
        attack: class name of the attack.
        settings: its constructor's arguments.
        view: class name of the view.
        view_settings: the view's constructor's arguments.
        target: which wrong class it aimed at, were it targeted.
        budget: the ball around each image that it kept to (`Attack.budget`), or None.
        minimises: the norm that it made as small as it could (`Attack.minimises`), or None.
        asks_only: whether it asked the deployed model for answers alone, or had a part that did, so that no gradient
            misled it.
        in_worst_case: whether a sample that falls to it counts as fallen: not to a control, nor at any size whatever.
        chain: attacks of one chain met only the samples that those before them left standing; None of one that met all.
        where: the signs of which a sample had to show one to be attacked; none of one that asked for none.
        start: `best` if it began from the best images that its chain had found, else `clean`.
        error: what stopped it, or None if it ran to its end.
        seconds: time that it took, or None.
        attacked: samples that it was run on, or None.
        forwards: images that went through the model, or None.
        backwards: images whose gradient was computed, or None.
    """

    name: str
    knowledge: str
    attack: str
    settings: Mapping[str, Any]
    view: str
    view_settings: Mapping[str, Any]
    target: str | None = None
    budget: Budget | None = None
    minimises: str | None = None
    asks_only: bool = False
    in_worst_case: bool = True
    chain: str | None = None
    where: tuple[str, ...] = ()
    start: str = "clean"
    error: str | None = None
    seconds: float | None = None
    attacked: float | None = None
    forwards: float | None = None
    backwards: float | None = None

    @classmethod
    def of(
        cls, named: "NamedAttack", backward: str, cost: Cost | None = None, error: str | None = None
    ) -> "AttackRecord":
        """Make the record of an attack that was run.

        Args:
            named: the attack.
            backward: the front end's backward mode where the view names none.
            cost: what it cost, if that was counted.
            error: what stopped it, if anything did.
        """
        from sparsefront.results.settings_of import settings_of  # needs torch, which reading does not

        view = settings_of(named.view)
        innermost = view["init_args"]
        while "view" in innermost:  # one around another
            innermost = innermost["view"]["init_args"]
        if innermost.get("backward", "") is None:
            innermost["backward"] = backward
        return cls(
            name=named.name,
            knowledge=named.knowledge,
            attack=type(named.attack).__name__,
            settings=settings_of(named.attack)["init_args"],
            view=view["class_path"],
            view_settings=view["init_args"],
            target=named.target,
            budget=named.attack.budget,
            minimises=named.attack.minimises,
            asks_only=named.view.is_deployed and (named.knowledge == "black_box" or not named.attack.by_gradient),
            in_worst_case=named.in_worst_case,
            chain=named.chain,
            where=named.where,
            start=named.start,
            error=error,
            **({} if cost is None else vars(cost)),
        )

    @classmethod
    def read(cls, entry: Entry) -> "AttackRecord":
        """From an entry of `attacks` in `results/<stage>_attacks.json`, or of `variants` in a representation record.

        Raises:
            ValueError: the entry has no name, does not say its budget, or has a value of another kind.
        """
        if not entry.mapping().get("name"):
            raise ValueError(
                f"{entry.path}: `attacks` must have a name in each entry, found none in `{entry.key}`; {entry.mend}."
            )
        attack, settings = _class(entry, "attack")
        view, view_settings = _class(entry, "view")
        in_worst_case = entry.get("in_worst_case")
        return cls(
            name=entry.at("name").text(),
            knowledge=entry.text_of("knowledge") or "unknown",
            attack=attack,
            settings=settings,
            view=view,
            view_settings=view_settings,
            target=entry.text_of("target"),
            budget=_budget(entry),
            minimises=_minimises(entry),
            asks_only=entry.at("asks_only").flag(),
            in_worst_case=in_worst_case is None or in_worst_case.flag(),
            chain=entry.text_of("chain"),
            where=tuple(sign.text() for sign in where.parts()) if (where := entry.get("where")) else (),
            start=entry.text_of("start") or "clean",
            error=entry.text_of("error"),
            **{key: entry.number_of(key, 0) for key in vars(Cost())},
        )

    def written(self) -> dict[str, Any]:
        """The record as an entry that `read` reads, ready for JSON."""
        costs = {key: getattr(self, key) for key in vars(Cost()) if getattr(self, key) is not None}
        return {
            "name": self.name,
            "knowledge": self.knowledge,
            "in_worst_case": self.in_worst_case,
            "attack": {"class_path": self.attack, "init_args": dict(self.settings)},
            "view": {"class_path": self.view, "init_args": dict(self.view_settings)},
            "target": self.target,
            "budget": None if self.budget is None else self.budget._asdict(),
            "minimises": self.minimises,
            "asks_only": self.asks_only,
            "chain": self.chain,
            "where": list(self.where),
            "start": self.start,
            **costs,
            "error": self.error,
        }

    @property
    def adversary(self) -> str:
        """Knowledge and backward mode in words, e.g. "white box, smooth"."""
        views, kind, settings = [], self.view, self.view_settings
        while isinstance(inner := settings.get("view"), Mapping):  # one around another
            views.append(kind)
            kind, given = str(inner.get("class_path")), inner.get("init_args")
            settings = given if isinstance(given, Mapping) else {}
        backward = settings.get("backward")
        return adversary_words(self.knowledge, None if backward is None else str(backward), views)

    @property
    def ball(self) -> Budget | None:
        """Its budget, where perturbations were measured in that norm and it is the same for every image; else None."""
        comparable = self.budget is not None and self.budget.norm in NORMS.values() and not self.budget.relative
        return self.budget if comparable else None

    def may_stay_inside(self, ball: Budget) -> bool:
        """Whether it keeps to that ball, or looks for the smallest perturbation in its norm."""
        return ball == self.ball or ball.norm == self.minimises

    @property
    def forwards_each(self) -> float | None:
        """Images that went through the model for each sample attacked, or None if unknown."""
        return self._each(self.forwards)

    @property
    def backwards_each(self) -> float | None:
        """Images whose gradient was computed for each sample attacked, or None if unknown."""
        return self._each(self.backwards)

    def _each(self, total: float | None) -> float | None:
        return total / self.attacked if self.attacked and total is not None else None

    @property
    def averages_draws(self) -> bool:
        """Whether it went by means over several passes through the deployed model, so that no single draw misled it."""
        deployed = self.asks_only if self.knowledge == "black_box" else self.knowledge == "white_box"
        return deployed and _averages(self.attack, self.settings)

    @property
    def call(self) -> str:
        """The attack as a call, e.g. "PGD(norm=Linf, eps=8/255, steps=40)"."""
        return attack_call(self.attack, self.settings)


def _averages(attack: str, settings: Mapping[str, Any]) -> bool:
    """Whether an attack, or the one that it runs, averages over passes."""
    inner = settings.get("attack")
    if isinstance(inner, Mapping) and isinstance(inner.get("init_args"), Mapping):
        return _averages(str(inner.get("class_path")), inner["init_args"])
    passes = settings.get("eot_iter", 1)
    rand = attack.rpartition(".")[2] == "AutoAttack" and settings.get("version") == "rand"
    return rand or (isinstance(passes, int) and passes > 1)


def _class(entry: Entry, key: str) -> tuple[str, dict[str, Any]]:
    """Name and constructor's arguments of the class under a key; both empty where none is named."""
    described = entry.get(key)
    if described is None:
        return "", {}
    settings = described.get("init_args")
    return described.text_of("class_path") or "", {} if settings is None else settings.mapping()


def _budget(entry: Entry) -> Budget | None:
    budget = entry.at("budget")
    if budget.value is None:
        return None
    return Budget(budget.at("norm").text(), budget.at("size").number(0), budget.at("relative").flag())


def _minimises(entry: Entry) -> str | None:
    norm = entry.at("minimises")
    return None if norm.value is None else norm.text()
