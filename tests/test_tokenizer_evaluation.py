"""What a tokenizer loses: known errors of a stand-in whose codes are known too."""

import math

import pytest
import torch
from motion.test_parts import FULL, someone
from tiny_bundles import skeleton
from torch import Tensor, nn

from emage.motion import rotation
from emage.motion.parts import PartValues
from emage.tokenizer_evaluation import TokenizerScores, score_lines

BODY = {"2": skeleton(), "4": skeleton(2.0)}


class Repeats(nn.Module):
    """Gives back what it was given, changed; its codes are the frames' numbers."""

    num_quantizers, codebook_size, downsample = 2, 8, 2

    def __init__(self, part: str, change=lambda x: x) -> None:
        super().__init__()
        self.values, self.change = PartValues(part, FULL), change
        self.fps = torch.tensor(15.0)

    def encode(self, values: Tensor) -> Tensor:
        self.given = values
        steps = torch.arange(-(-values.shape[1] // 2))
        return torch.stack([steps % 4, torch.zeros_like(steps)], dim=-1)[None]

    def decode(self, codes: Tensor, num_frames: int) -> Tensor:
        assert num_frames == self.given.shape[1]
        return self.change(self.given)


def scores(part: str, change=lambda x: x, motion: Tensor | None = None) -> dict:
    measured = TokenizerScores(Repeats(part, change), BODY)
    motion = someone(16) if motion is None else motion
    for speaker in BODY:
        measured.add(motion, torch.full((16, 51), 0.5), speaker)
    return measured.compute()


@pytest.mark.parametrize("part", ["upper", "hands", "lower", "face"])
def test_what_comes_back_unchanged_has_no_error(part):
    found = scores(part)
    errors = {"angle_deg", "angle_moving_deg", "position_cm", "translation_cm", "face_mae"} & set(found)
    assert {name: found[name] for name in errors} == pytest.approx(dict.fromkeys(errors, 0.0), abs=1e-3)
    assert (
        errors
        == {
            "upper": {"angle_deg", "angle_moving_deg", "position_cm"},
            "hands": {"angle_deg", "angle_moving_deg", "position_cm"},
            "lower": {"angle_deg", "angle_moving_deg", "position_cm", "translation_cm"},
            "face": {"face_mae"},
        }[part]
    )
    assert found["frames"] == 32
    assert found.get("contact_accuracy", 1.0) == 1.0


def test_a_known_turn_of_every_joint():
    turn = rotation.euler_to_matrix(torch.tensor([7.0, 0.0, 0.0]), "XYZ")
    values = PartValues("upper", FULL)

    def turned(rows: Tensor) -> Tensor:
        return rotation.matrix_to_rot6d(turn @ values.matrices(rows)).flatten(-2)

    found = scores("upper", turned)
    assert found["angle_deg"] == pytest.approx(7.0, rel=1e-3)
    assert set(found["angle_deg_by_joint"]) == set(values.joints)
    assert found["position_cm"] > 0.1


def test_joints_that_never_move_do_not_thin_out_the_error_of_those_that_do():
    motion = someone(16)
    still = FULL.joint_columns([name for name in FULL.held_joints("upper") if name != "LeftArm"])
    motion[:, still] = motion[:1, still]
    columns = PartValues("upper", FULL).columns.tolist()
    places = [columns.index(column) for column in FULL.joint_columns(["LeftArm"]).tolist()]

    def forgets(rows: Tensor) -> Tensor:
        changed = rows.clone()
        changed[..., places] = rows[:, :1, places]
        return changed

    found = scores("upper", forgets, motion)
    assert found["moving_joints"] == 1
    assert found["angle_moving_deg"] == pytest.approx(11 * found["angle_deg"], rel=1e-4)


def test_root_face_and_contact():
    def moved(rows: Tensor) -> Tensor:
        changed = rows.clone()
        changed[..., :3] += torch.tensor([3.0, 0.0, 4.0])
        changed[..., -4:] = 1 - changed[..., -4:]
        return changed

    found = scores("lower", moved)
    assert found["translation_cm"] == pytest.approx(5.0, rel=1e-5)
    assert found["position_cm"] == pytest.approx(5.0, rel=1e-4)
    assert found["contact_accuracy"] == 0.0
    assert scores("face", lambda x: x - 0.2)["face_mae"] == pytest.approx(0.2)
    assert scores("face", lambda x: x + 7.0)["face_mae"] == pytest.approx(0.5)  # a weight ends at 1


def test_codes_used_and_their_information():
    found = scores("face")  # level 0 uses 4 of 8 codes evenly, level 1 one
    assert found["used"] == [0.5, 0.125]
    assert found["perplexity"] == pytest.approx([4.0, 1.0])
    assert found["bits_per_second"] == pytest.approx(2 * 3 * 7.5)
    assert found["entropy_bits_per_second"] == pytest.approx(2 * 7.5)
    assert math.log2(found["codebook_size"]) == 3


def test_the_table_has_a_row_a_part_and_a_dash_where_there_is_nothing():
    lines = score_lines([scores("upper"), scores("face")])
    assert len(lines) == 4
    assert lines[2].split()[:2] == ["upper", "0.00"]
    assert lines[3].split()[:6] == ["face", "-", "-", "-", "-", "0.0000"]
    assert lines[3].split()[-1] == "45"
