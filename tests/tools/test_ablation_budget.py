"""Equal seconds: what a step costs, and how many fit."""

import pytest
from ablation_budget import FEWEST_STEPS, LONG_STEPS, NUM_VALIDATIONS, SHORT_STEPS, Cost, pace, unevenness
from hypothesis import given
from hypothesis import strategies as st

from emage.config import load_config
from emage.errors import InputError


def test_cost_of_two_runs():
    cost = Cost.of_runs(8.0 + 0.5 * SHORT_STEPS, 8.0 + 0.5 * LONG_STEPS)
    assert (cost.fixed_s, cost.step_s) == pytest.approx((8.0, 0.5))
    assert cost.seconds(100) == pytest.approx(58.0)
    assert cost.steps(58.0) in (99, 100)
    assert cost.steps(58.4) == 100


@given(st.floats(0, 100), st.floats(1e-3, 5), st.floats(1, 1e5))
def test_no_run_takes_longer_than_its_seconds_and_one_more_step_would(fixed_s, step_s, seconds):
    cost = Cost(fixed_s, step_s)
    steps = cost.steps(seconds)
    if steps > FEWEST_STEPS:
        assert cost.seconds(steps) <= seconds * (1 + 1e-9) < cost.seconds(steps + 1) * (1 + 2e-9)
    else:
        assert steps == FEWEST_STEPS


def test_the_start_of_a_noisy_measurement_is_never_negative():
    assert Cost.of_runs(1.0, 10.0).fixed_s == 0


def test_a_step_that_costs_nothing_is_refused():
    with pytest.raises(InputError, match="quieter machine"):
        Cost.of_runs(10.0, 10.0)


@pytest.mark.parametrize("num_steps", [SHORT_STEPS, LONG_STEPS, 137, 1000])
def test_runs_of_any_length_validate_equally_often(num_steps):
    optim = load_config("configs/demo/camn.yaml", pace(num_steps)).optim
    assert optim.max_steps == num_steps
    validations = len(range(optim.eval_every, num_steps, optim.eval_every)) + 1
    assert validations == NUM_VALIDATIONS
    assert optim.save_every == optim.eval_every


def test_unevenness_is_a_share_of_the_second():
    assert unevenness(110, 100) == pytest.approx(0.1)
    assert unevenness(100, 100) == 0
