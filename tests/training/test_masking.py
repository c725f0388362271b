import numpy as np
import pytest
import torch
from tiny_bundles import masked_bundle

from emage.config import MaskedTransformerConfig
from emage.models.tokenizer import MotionTokenizer
from emage.motion.layout import ARKIT_51
from emage.motion.skeleton import BEAT_JOINTS
from emage.training.masking import EASIEST, HIDING, Shown, WindowMasks, hint_groups, part_value_columns

T, N, MANY = 32, 16, range(400)


@pytest.fixture(scope="module")
def tokenizer() -> MotionTokenizer:
    return masked_bundle().model.tokenizer


def masks(tokenizer: MotionTokenizer, **options) -> WindowMasks:
    return WindowMasks(MaskedTransformerConfig(tokenizer_configs={}, **options), tokenizer)


def flat(shown: Shown) -> list[torch.Tensor]:
    groups = (shown.given, shown.known, shown.hint_given)
    return [value for group in groups for value in group.values()] + [shown.spelled, shown.shift]


def test_a_window_is_drawn_alike_in_any_company(tokenizer):
    draws = masks(tokenizer)
    together, alone = draws.draw([5, 6, 7], T, 1.0), draws.draw([6], T, 1.0)
    assert all(torch.equal(a[1:2], b) for a, b in zip(flat(together), flat(alone), strict=True))
    assert any(not torch.equal(a[:1], b) for a, b in zip(flat(together), flat(alone), strict=True))


def test_shapes_at_an_odd_length(tokenizer):
    shown = masks(tokenizer).draw([1, 2], 7, 1.0)
    assert {value.shape for value in shown.known.values()} == {(2, 4)}
    for part, value in shown.hint_given.items():
        assert value.shape == (2, 7, tokenizer.vqvaes[part].num_values)


def test_training_grows_harder(tokenizer):
    draws = masks(tokenizer)
    first, last = draws.draw(MANY, T, 0.0), draws.draw(MANY, T, 1.0)
    hidden = [{part: ~value for part, value in shown.known.items()} for shown in (first, last)]
    assert max(value.float().mean(dim=1).max() for value in hidden[0].values()) <= EASIEST + 1 / N
    all_hidden = torch.stack(list(hidden[1].values())).flatten(2).all(dim=2).all(dim=0)
    assert abs(all_hidden.float().mean() - HIDING["everything"]) < 0.1  # and little else
    assert all(value.any(dim=1).any() for value in hidden[0].values())


def test_every_kind_of_hiding_occurs(tokenizer):
    known = torch.stack(list(masks(tokenizer).draw(MANY, T, 1.0).known.values()), dim=1)  # (B, parts, N)
    whole = known.all(dim=2)
    assert (whole.any(dim=1) & ~whole.all(dim=1)).any()  # some parts are known, others not
    seed = known[:, :, 0].all(dim=1) & ~known[:, :, N // 4 + 1 :].any(dim=2).any(dim=1)
    assert seed.any()
    same_in_all = (known == known[:, :1]).all(dim=1).all(dim=1)
    middle_only = same_in_all & known[:, 0, 0] & known[:, 0, -1] & ~known[:, 0].all(dim=1)
    assert middle_only.any()  # a span


@pytest.mark.parametrize("name", ["audio", "words", "speaker", "emotion"])
def test_inputs_are_hidden_as_often_as_the_config_says(tokenizer, name):
    options = {f"{name}_dropout": 0.4, "everything_dropout": 0.0}
    others = {f"{other}_dropout": 0.0 for other in ("audio", "words", "speaker", "emotion") if other != name}
    given = masks(tokenizer, **options, **others).draw(MANY, T, 1.0).given
    assert given[name].float().mean() == pytest.approx(0.6, abs=0.08)
    assert all(value.all() for key, value in given.items() if key != name)


def test_wrong_codes_are_as_many_as_the_config_says(tokenizer):
    steps = torch.arange(N)
    assert torch.equal(masks(tokenizer, code_noise=0.0).draw([1], T, 1.0).shift[0], steps)
    wrong = masks(tokenizer, code_noise=0.5).draw(MANY, T, 1.0).shift != steps
    assert wrong.float().mean() == pytest.approx(0.5 * (1 - 1 / N), abs=0.03)


def test_no_hints_without_a_share(tokenizer):
    given = masks(tokenizer, hint_share=0.0).draw(MANY, T, 1.0).hint_given
    assert not any(value.any() for value in given.values())


def test_columns_of_joints_fill_the_values_of_their_part(tokenizer):
    covered = {part: np.concatenate(list(part_value_columns(tokenizer, part).values())) for part in tokenizer.parts}
    for part, columns in covered.items():
        first = 3 if part == "lower" else 0  # the translation stands before, contact behind the rotations
        last = tokenizer.vqvaes[part].num_values - (4 if part == "lower" else 0)
        assert sorted(columns.tolist()) == list(range(first, last))
    names = {name for part in tokenizer.parts for name in part_value_columns(tokenizer, part)}
    assert names == {*BEAT_JOINTS, *ARKIT_51}


def test_an_arm_is_a_group_of_its_own(tokenizer):
    arm = hint_groups(tokenizer)["Right arm"]["upper"]
    places = part_value_columns(tokenizer, "upper")
    names = ("RightShoulder", "RightArm", "RightForeArm", "RightHand")
    assert sorted(arm) == sorted(np.concatenate([places[name] for name in names]))
