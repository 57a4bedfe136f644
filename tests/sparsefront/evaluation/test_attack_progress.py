"""One bar over samples and attacks, with one remaining time."""

import pytest

from sparsefront.attacks import FGSM, PGD, AutoAttack, Growing, MixedSearch, NamedAttack, Neighbourhood, Square
from sparsefront.evaluation.attack_progress import AttackProgress
from sparsefront.evaluation.expected_passes import expected_passes
from sparsefront.results.cost import Cost

QUICK, SLOW = NamedAttack("quick", FGSM(eps=0.1)), NamedAttack("slow", PGD(eps=0.1, steps=10))


class Played:
    """An evaluation whose time is made up."""

    def __init__(self, attacks=(QUICK, SLOW), samples=20, seconds=None):
        self.now = 0.0
        self.seconds = seconds or {"quick": 0.1, "slow": 3.0}  # a sample
        self.costs = {named.name: Cost() for named in attacks}
        self.progress = AttackProgress(attacks, samples, shown=False, clock=lambda: self.now)
        self.names, self.seen = [named.name for named in attacks], []

    def batch(self, count, parts=1, passes={"quick": 2, "slow": 20}):  # noqa: B006
        for name in self.names:
            self.progress.begin(name, count, self.costs[name])
            for _ in range(parts):
                self.now += self.seconds[name] * count / parts
                self.costs[name].forwards += passes[name] * count // parts
                self.progress.tick()
                self.seen.append((self.progress.share, self.progress.remaining))
            self.progress.end()

    @property
    def truth(self):
        """Seconds that are left."""
        whole = sum(self.seconds.values()) * self.progress.samples
        return whole - self.now


def test_after_a_batch_the_remaining_time_is_what_the_rest_will_take():
    played = Played()
    played.batch(4)
    assert played.progress.remaining == pytest.approx(played.truth)
    assert played.progress.share == pytest.approx(played.now / (played.now + played.truth))
    for _ in range(4):
        played.batch(4)
    assert played.progress.remaining == 0
    assert played.progress.share == 1


def test_within_an_attack_it_moves_and_is_right():
    played = Played()
    played.batch(5)
    played.seen.clear()
    start = played.now
    played.batch(5, parts=10)
    shares = [share for share, _ in played.seen]
    assert shares == sorted(shares)
    assert len(set(shares)) > 15
    middle = played.seen[14][1]  # half of the slow attack's second batch
    assert middle == pytest.approx(62 - (start + 0.5 + 7.5), rel=0.02)


def test_before_anything_is_measured_the_settings_say_what_to_expect():
    played = Played(seconds={"quick": 0.2, "slow": 2.0})  # as many times as long as it has steps
    assert played.progress.remaining is None
    played.batch(20, parts=4)
    for share, left in played.seen:
        assert left == pytest.approx(44 * (1 - share), rel=0.02)
        assert 0 <= left < 44


def test_samples_taken_over_from_an_earlier_run_cost_nothing():
    played = Played()
    played.progress.skip(10)
    played.batch(5)
    assert played.progress.remaining == pytest.approx(5 * 3.1)


def test_without_a_known_number_there_is_no_time():
    played = Played(samples=20)
    played.progress.samples = None
    played.batch(4)
    assert played.progress.remaining is None


def test_expected_passes_follow_the_settings():
    def passes(attack, **more):
        return expected_passes(NamedAttack("a", attack, **more))

    assert passes(PGD(steps=40)) == 20 * passes(PGD(steps=2))
    assert passes(PGD(steps=40, n_restarts=3)) == 3 * passes(PGD(steps=40))
    assert passes(Square(n_queries=500)) == 500
    assert passes(MixedSearch(n_queries=500, n_walks=3)) == 1500
    assert passes(AutoAttack()) > 5000
    assert passes(Growing(attack=PGD(steps=10), sizes=[0.1, 0.2, 0.3])) == 3 * passes(PGD(steps=10))
    assert passes(PGD(steps=10), view=Neighbourhood(radius=0.1, n_samples=20)) == 20 * passes(PGD(steps=10))
