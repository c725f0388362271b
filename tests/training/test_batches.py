from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emage.training.batches import MIRROR, SOUND, Share, StepBatches, WindowOrder, draw_seeds, draw_windows, step_seed


def global_batches(num_windows: int, share: Share, steps: int, first_step: int = 0) -> list[list[int]]:
    """The windows of each step, put together from what the processes get."""
    per_rank = []
    for rank in range(share.world_size):
        mine = Share(share.batch_size, rank, share.world_size, share.accumulation_steps)
        sampler = StepBatches(WindowOrder(num_windows, seed=3), mine, first_step)
        per_rank.append(list(islice(sampler, steps * share.accumulation_steps)))
    batches = []
    for step in range(steps):
        micro_steps = range(step * share.accumulation_steps, (step + 1) * share.accumulation_steps)
        batches.append([index for micro in micro_steps for rank in per_rank for index in rank[micro]])
    return batches


@given(num_windows=st.integers(1, 40), batch_size=st.integers(1, 24), steps=st.integers(1, 6))
def test_every_pass_sees_every_window_once(num_windows, batch_size, steps):
    stream = sum(global_batches(num_windows, Share(batch_size), steps), [])
    passes = [stream[k : k + num_windows] for k in range(0, len(stream), num_windows)]
    assert all(sorted(whole) == list(range(num_windows)) for whole in passes if len(whole) == num_windows)
    assert len(set(passes[-1])) == len(passes[-1])


@given(
    num_windows=st.integers(1, 40),
    world_size=st.integers(1, 3),
    accumulation_steps=st.integers(1, 3),
    micro=st.integers(1, 3),
    first_step=st.integers(0, 5),
)
def test_processes_and_accumulation_share_the_batch_of_one_process(
    num_windows, world_size, accumulation_steps, micro, first_step
):
    batch_size = micro * world_size * accumulation_steps
    shared = global_batches(num_windows, Share(batch_size, 0, world_size, accumulation_steps), 3, first_step)
    alone = global_batches(num_windows, Share(batch_size), first_step + 3)
    assert shared == alone[first_step:]  # so a run may also go on at any step


def test_fewer_windows_than_a_batch_fill_it_by_repeating():
    assert [sorted(batch) for batch in global_batches(3, Share(6), 2)] == [[0, 0, 1, 1, 2, 2]] * 2


def test_seed_and_pass_change_the_order():
    first, second = WindowOrder(50, seed=0).indices(0, 50), WindowOrder(50, seed=0).indices(50, 100)
    assert first != second
    assert first != WindowOrder(50, seed=1).indices(0, 50)


@pytest.mark.parametrize("other", [(1, 5, 0), (0, 6, 0), (0, 5, 1)])
def test_torch_is_seeded_by_seed_step_and_rank(other):
    assert step_seed(0, 5, 0) == step_seed(0, 5, 0)
    assert step_seed(0, 5, 0) != step_seed(*other)
    assert 0 <= step_seed(*other) < 2**63


def test_a_window_is_drawn_by_its_own_seed_as_often_as_the_share_says():
    seeds = draw_seeds(5, 2, range(1000))
    drawn = draw_windows(seeds, 0.3, MIRROR)
    assert drawn.float().mean().item() == pytest.approx(0.3, abs=0.05)
    parts = [
        draw_windows(part, 0.3, MIRROR) for part in seeds.split(7)
    ]  # as other processes and micro-batches hold them
    assert torch.equal(torch.cat(parts), drawn)
    assert not torch.equal(draw_windows(seeds, 0.3, SOUND), drawn)
    assert not torch.equal(draw_windows(draw_seeds(5, 3, range(1000)), 0.3, MIRROR), drawn)
    assert not draw_windows(seeds, 0.0, MIRROR).any()
    assert draw_windows(seeds, 1.0, MIRROR).all()
