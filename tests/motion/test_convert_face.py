"""FLAME codes from layout to layout: known parts, there and back, rotations composed on the sphere."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from emage.errors import InputError
from emage.motion.convert_face import (
    FACE_GROUPS,
    convert_face,
    head_rotation,
    join_face,
    known_groups,
    split_face,
    to_face_all,
)
from emage.motion.layout import get_layout

FLAME = ("flame_59", "emoca_56", "flame_53", "flame_103")


def codes(layout: str, *shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, get_layout(layout).dim, generator=generator, dtype=torch.float64)


def test_the_59_columns_are_those_of_singinghead():
    parts = split_face(torch.arange(59.0)[None], "flame_59")
    assert {name: values[0, 0].item() for name, values in parts.items()} == {
        "expression": 0,
        "global": 50,
        "neck": 53,
        "jaw": 56,
    }
    assert get_layout("flame_59").columns[55:57] == ("neck_z", "jaw_x")
    assert get_layout("face_all").columns[50:52] == ("noseSneerRight", "expression_0")
    assert get_layout("face_all").columns[101] == "expression_50"


@pytest.mark.parametrize("layout", [*FLAME, "face_all"])
def test_parts_and_back(layout):
    values = codes(layout, 4, 7)
    assert torch.equal(join_face(split_face(values, layout), layout), values)


def test_global_and_neck_become_one_rotation_in_the_order_of_the_chain():
    values = codes("flame_59", 30)
    made = convert_face(values, "flame_59", "emoca_56")
    expected = Rotation.from_rotvec(values[:, 50:53].numpy()) * Rotation.from_rotvec(values[:, 53:56].numpy())
    turned = Rotation.from_rotvec(made[:, 50:53].numpy())
    assert (turned * expected.inv()).magnitude().max() < 1e-7
    assert not np.allclose(made[:, 50:53], values[:, 50:53] + values[:, 53:56], atol=0.1)
    assert torch.equal(made[:, 53:], values[:, 56:])


@given(st.integers(0, 2**31))
def test_the_head_is_the_same_whichever_way_it_is_written(seed):
    values = codes("flame_59", 3, seed=seed)
    there = convert_face(values, "flame_59", "emoca_56")
    back = convert_face(there, "emoca_56", "flame_59")
    heads = [head_rotation(split_face(v, "flame_59")) for v in (values, back)]
    torch.testing.assert_close(heads[0], heads[1], atol=1e-9, rtol=0)
    assert torch.equal(back[:, 53:56], torch.zeros(3, 3, dtype=torch.float64))
    torch.testing.assert_close(convert_face(back, "flame_59", "emoca_56"), there, atol=1e-12, rtol=0)


def test_coefficients_are_filled_with_zeros_or_cut():
    wide = convert_face(codes("flame_53", 5), "flame_53", "flame_103")
    assert torch.equal(wide[:, :50], codes("flame_53", 5)[:, :50])
    assert not wide[:, 50:100].any()
    assert torch.equal(convert_face(wide, "flame_103", "flame_53"), codes("flame_53", 5))


@pytest.mark.parametrize("layout", [*FLAME, "arkit_51"])
def test_any_face_fits_into_face_all_and_what_it_does_not_know_is_told(layout):
    values = codes(layout, 2, 3)
    made = to_face_all(values, layout)
    known = dict(zip(FACE_GROUPS, known_groups(layout).tolist(), strict=True))
    parts = split_face(made, "face_all")
    for name, is_known in known.items():
        assert bool(parts[name].any()) == is_known, name
    expected = {
        "flame_59": {"expression", "jaw", "head"},
        "emoca_56": {"expression", "jaw", "head"},
        "flame_53": {"expression", "jaw"},
        "flame_103": {"expression", "expression_rest", "jaw"},
        "arkit_51": {"arkit"},
    }
    assert {name for name, is_known in known.items() if is_known} == expected[layout]
    if layout in FLAME and "neck" not in dict(get_layout(layout).parts):
        assert torch.equal(convert_face(made, "face_all", layout), values)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: convert_face(torch.zeros(2, 51), "arkit_51", "flame_59"), "no parts of FLAME codes"),
        (lambda: convert_face(torch.zeros(2, 59), "flame_59", "arkit_51"), "takes a fitted map"),
        (lambda: convert_face(torch.zeros(2, 59), "flame_59", "face_all"), "takes a fitted map"),
        (lambda: convert_face(torch.zeros(2, 58), "flame_59", "emoca_56"), "58 columns, expected 59"),
        (lambda: join_face({"expression": torch.zeros(2, 50)}, "flame_53"), "part jaw is not given"),
    ],
)
def test_what_cannot_be_is_said(call, reason):
    with pytest.raises(InputError, match=reason):
        call()
