from fractions import Fraction

import numpy as np
import pytest
import torch

from emage.config import Config, DataConfig, GenerationConfig, OptimConfig, config_to_dict
from emage.config_checks import MAX_SEED, above_zero, at_least, between, check_seed, share, whole
from emage.errors import InputError

CHECKS = [
    lambda value: at_least("key", value, 0),
    lambda value: above_zero("key", 1, value),
    lambda value: between("key", value, 0, 1),
    lambda value: share("key", value),
]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("value", ["0.5", None, True, [0.5], np.array([0.5]), 0.5j, {}, torch.tensor([0.5, 0.5])])
def test_what_is_no_number_is_one_short_line(check, value):
    with pytest.raises(InputError, match="^key: got .*; it must be a number$") as caught:
        check(value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.array(0.5), torch.tensor(0.5), Fraction(1, 2)])
def test_real_numbers_of_any_kind_are_numbers(check, value):
    check(value)


@pytest.mark.parametrize("check", CHECKS)
def test_numbers_out_of_range_are_named_however_long(check):
    with pytest.raises(InputError, match="^key: got an integer of thousands of digits; it must be"):
        check(-(10**5000))
    with pytest.raises(InputError, match="^key: got nan; it must be"):
        check(np.float32("nan"))


@pytest.mark.parametrize("value", [5, np.int64(5), np.uint8(5), np.array(5), torch.tensor(5)])
def test_a_whole_number_of_any_kind_becomes_int(value):
    assert type(whole("key", value, 0, 5)) is int
    assert whole("key", value, 0, 5) == check_seed("seed", value) == 5
    assert type(Config(seed=value).seed) is int
    assert type(GenerationConfig(steps=value).steps) is int
    assert config_to_dict(Config(seed=value))["seed"] == 5


@pytest.mark.parametrize(
    "value",
    [-1, MAX_SEED + 1, 1.0, "1", None, True, torch.tensor(1.0), torch.tensor(True), [1], np.ones(1, int)],
)
def test_what_is_no_whole_number_in_range_is_refused(value):
    with pytest.raises(InputError, match=f"^key: got .*; it must be a whole number from 0 to {MAX_SEED}$"):
        whole("key", value, 0, MAX_SEED)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: GenerationConfig(temperature="1"), "generation.temperature: got '1'; it must be a number"),
        (lambda: GenerationConfig(guidance=None), "generation.guidance: got None; it must be a number"),
        (lambda: GenerationConfig(context="a"), "generation.context: got 'a'; it must be a number"),
        (lambda: GenerationConfig(steps="3"), "generation.steps: got '3'; it must be a whole number"),
        (lambda: GenerationConfig(window_frames=12.5), "generation.window_frames: got 12.5; it must be a whole number"),
        (lambda: DataConfig(fps="15"), "data.fps: got '15'; it must be a number"),
        (lambda: OptimConfig(batch_size=None), "optim.batch_size: got None; it must be a number"),
    ],
)
def test_options_of_another_type_are_named(make, message):
    with pytest.raises(InputError, match=f"^{message}"):
        make()
