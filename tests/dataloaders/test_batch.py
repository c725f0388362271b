import numpy as np
import pytest
import torch

from dataloaders import batch
from dataloaders.batch import BATCH_KEYS, collate


def item(seed: int, frames: int = 5) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    return {
        "motion": draw.normal(size=(frames, 141)).astype(np.float32),
        "face": draw.random((frames, 51), dtype=np.float32),
        "waveform": draw.random(frames * 100, dtype=np.float32),
        "words": draw.integers(0, 9, frames),
        "speaker": np.int64(seed),
        "emotion": draw.integers(0, 8, frames),
        "semantic": draw.random(frames, dtype=np.float32),
        "motion_valid": draw.random(frames) < 0.5,
        "face_valid": draw.random(frames) < 0.5,
    }


def test_a_batch_holds_each_window_in_its_row_with_its_type():
    items = [item(0), item(1), item(2)]
    stacked = collate(items)
    assert tuple(stacked) == BATCH_KEYS
    for key in BATCH_KEYS:
        for row in range(3):
            expected = torch.as_tensor(items[row][key])
            assert stacked[key][row].equal(expected)
            assert stacked[key].dtype == expected.dtype


def test_a_batch_shares_no_memory_with_its_windows():
    items = [item(0)]
    collate(items)["motion"].zero_()
    assert items[0]["motion"].any()


@pytest.mark.parametrize("items", [[], [item(0), item(1, frames=6)]])
def test_nothing_or_unequal_windows_are_no_batch(items):
    with pytest.raises(ValueError, match="stack|shape"):
        collate(items)


def test_the_table_of_the_file_names_every_key():
    named = {line.split("|")[1].strip() for line in batch.__doc__.splitlines() if line.startswith("| ")}
    assert named - {"key"} == set(BATCH_KEYS)
