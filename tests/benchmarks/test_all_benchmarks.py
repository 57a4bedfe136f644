"""What `python -m benchmarks` says of ratios that were better before."""

from benchmarks.__main__ import ratios, slower


def contest(ratio, threads=1, rival="b"):
    of = {"ours": "a", "rival": rival, "ratio": ratio, "goal": 1.0}
    return {"path": "p", "setting": "s", "machine": f"Linux, one, {threads} threads", "ratios": [of]}


def test_ratios_that_fell_beyond_noise_are_told_each_beside_the_same_rival_on_as_many_threads():
    before = ratios([contest(2.0), contest(3.0, threads=2), contest(4.0, rival="c"), contest(5.0, rival="gone")])
    now = ratios([contest(1.72), contest(2.5, threads=2), contest(9.0, rival="c"), contest(0.1, rival="new")])
    assert slower(before, now) == {("p", "s", 2, "a", "b"): (3.0, 2.5)}
