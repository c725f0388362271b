"""The mixture of corpora: shares with temperature and caps, draws that depend on seed, step and sample alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dataloaders.mixing import InOrder, MixedWindows, Share, draw_places, mixture_shares
from emage.errors import InputError


class Numbered:
    """Windows that are their own number, 1000 a corpus."""

    def __init__(self, corpus: int, count: int) -> None:
        self.corpus, self.count = corpus, count

    def __len__(self) -> int:
        return self.count

    def read(self, indices) -> dict[str, torch.Tensor]:
        windows = torch.as_tensor(indices)
        corpus = torch.full_like(windows, self.corpus)
        return {"place": torch.stack([corpus, windows], dim=1), "corpus": corpus}


def mixed(seed: int = 0, batch_size: int = 8) -> MixedWindows:
    corpora = {"a": Numbered(0, 10), "b": Numbered(1, 1000), "c": Numbered(2, 3)}
    return MixedWindows(corpora, np.array([0.5, 0.3, 0.2]), seed=seed, batch_size=batch_size, num_steps=1000)


def test_shares_follow_hours_to_the_power_of_the_temperature():
    shares = [Share("a", 16.0), Share("b", 1.0)]
    np.testing.assert_allclose(mixture_shares(shares, 1.0), [16 / 17, 1 / 17])
    np.testing.assert_allclose(mixture_shares(shares, 0.5), [0.8, 0.2])
    np.testing.assert_allclose(mixture_shares(shares, 0.0), [0.5, 0.5])
    np.testing.assert_allclose(mixture_shares([Share("a", 16.0), Share("b", 1.0, weight=4)], 0.5), [0.5, 0.5])


def test_what_a_cap_takes_away_goes_to_the_others_and_may_reach_their_caps():
    shares = [Share("grid", 50.0, cap=0.15), Share("b", 30.0, cap=0.5), Share("c", 10.0)]
    made = mixture_shares(shares, 1.0)
    np.testing.assert_allclose(made, [0.15, 0.5, 0.35])
    with pytest.raises(InputError, match="the caps leave 0.30 of the windows to no corpus"):
        mixture_shares([Share("a", 1, cap=0.4), Share("b", 1, cap=0.3)], 1.0)
    with pytest.raises(InputError, match="b has no window to draw"):
        mixture_shares([Share("a", 1), Share("b", 0)], 1.0)


@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.1, 10), st.floats(0.3, 1)), min_size=4, max_size=7),
    st.floats(0, 1),
)
def test_shares_are_probabilities_within_their_caps(rows, temperature):
    shares = [Share(str(k), hours, weight, cap) for k, (hours, weight, cap) in enumerate(rows)]
    made = mixture_shares(shares, temperature)
    assert made.sum() == pytest.approx(1)
    assert all(share <= cap.cap + 1e-9 for share, cap in zip(made, shares, strict=True))
    free = [k for k, share in enumerate(shares) if made[k] < share.cap - 1e-9]
    wanted = [rows[k][1] * rows[k][0] ** temperature for k in free]
    np.testing.assert_allclose(made[free] * sum(wanted), np.array(wanted) * made[free].sum(), rtol=1e-6)


def test_corpora_come_as_often_as_they_should_and_their_windows_evenly():
    dataset = mixed()
    corpus, window = dataset.places(range(len(dataset)))
    np.testing.assert_allclose(np.bincount(corpus) / len(corpus), [0.5, 0.3, 0.2], atol=0.02)
    for number, count in ((0, 10), (2, 3)):
        seen = np.bincount(window[corpus == number], minlength=count) / (corpus == number).sum()
        np.testing.assert_allclose(seen, 1 / count, atol=0.04)
    assert window[corpus == 1].max() < 1000
    assert len(set(window[corpus == 1].tolist())) > 850


def test_a_window_depends_on_seed_step_and_sample_alone():
    one, other = mixed(), mixed()
    later = other.__getitems__([801, 5, 800])
    assert torch.equal(later[1]["place"], one[5]["place"])
    assert torch.equal(later[2]["place"], one[800]["place"])
    halves = [
        item["place"].tolist() for rank in (0, 1) for item in one.__getitems__(range(16 + 4 * rank, 20 + 4 * rank))
    ]
    assert halves == [item["place"].tolist() for item in one.__getitems__(range(16, 24))]
    draws = draw_places(3, np.arange(1000), 4)
    assert np.array_equal(draws[77], draw_places(3, 77, 4))
    for changed in (
        draw_places(4, np.arange(1000), 4),
        draw_places(3, np.arange(1000), 5),
        draw_places(3, 4, np.arange(1000)),
    ):
        assert abs(np.corrcoef(changed[:, 0], draws[:, 0])[0, 1]) < 0.1
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.1


def test_the_trainer_sees_them_in_order():
    dataset = mixed(batch_size=8)
    assert isinstance(dataset.order, InOrder)
    assert dataset.order.indices(16, 19) == [16, 17, 18]


def test_windows_and_draws_are_different_numbers():
    dataset = mixed(batch_size=8)
    assert len(dataset) == 8000
    assert dataset.num_windows == {"a": 10, "b": 1000, "c": 3}
    assert dataset.probabilities == {"a": 0.5, "b": 0.3, "c": 0.2}
