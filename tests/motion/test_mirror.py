"""The mirror: positions come out mirrored whatever the layout, twice is nothing, and names change sides."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_bundles import skeleton

from emage.export import performance_to_bvh
from emage.motion.convert import convert
from emage.motion.layout import ARKIT_51, get_layout
from emage.motion.mirror import mirror_bones, mirror_face, mirror_motion, other_side
from emage.motion.skeleton import BEAT_JOINTS, Skeleton
from emage.performance import Performance

LAYOUTS = ("beat_full", "beat_full_rot6d", "beat_141")


def motion(layout: str, seed: int = 0, frames: int = 5) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    full = 40 * torch.randn(frames, get_layout("beat_full").dim, generator=draw)
    return convert(full, "beat_full", layout)


def symmetric(person: Skeleton) -> Skeleton:
    """Somebody whose left and right bones are the means of both."""
    bones = person.offsets_cm.clone()
    places = person.indices(BEAT_JOINTS)
    bones[places] = (bones[places] + mirror_bones(bones[places], BEAT_JOINTS)) / 2
    return Skeleton(person.names, person.parents, bones)


@pytest.mark.parametrize("layout", LAYOUTS[:2])
def test_every_joint_is_where_a_mirror_would_show_it(layout):
    person = symmetric(skeleton())
    here = motion(layout)
    there = mirror_motion(here, layout)
    bodies = [performance_to_bvh(Performance(x, layout, None, 15.0, person)) for x in (here, there)]
    names = list(bodies[0].names)
    seen = bodies[0].positions()[:, [names.index(other_side(name)) for name in names]] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(bodies[1].positions().float(), seen.float(), atol=1e-3, rtol=0)
    assert (bodies[0].positions() - bodies[1].positions()).abs().max() > 10


def test_layouts_agree():
    degrees = motion("beat_full")
    first = convert(mirror_motion(degrees, "beat_full"), "beat_full", "beat_full_rot6d")
    second = mirror_motion(convert(degrees, "beat_full", "beat_full_rot6d"), "beat_full_rot6d")
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(seed=st.integers(0, 2**31))
def test_twice_is_nothing(layout, seed):
    values = motion(layout, seed, frames=2)
    assert torch.equal(mirror_motion(mirror_motion(values, layout), layout), values)


def test_a_face_changes_sides():
    weights = torch.rand(3, 51, generator=torch.Generator().manual_seed(0))
    seen = mirror_face(weights)
    at = ARKIT_51.index
    for one, other in (("eyeBlinkLeft", "eyeBlinkRight"), ("jawLeft", "jawRight"), ("mouthLeft", "mouthRight")):
        assert torch.equal(seen[:, at(one)], weights[:, at(other)])
        assert torch.equal(seen[:, at(other)], weights[:, at(one)])
    assert torch.equal(seen[:, at("jawOpen")], weights[:, at("jawOpen")])
    assert torch.equal(mirror_face(seen), weights)


def test_bones_of_a_crooked_person_change_sides():
    bones = torch.randn(len(BEAT_JOINTS), 3, generator=torch.Generator().manual_seed(0))
    seen = mirror_bones(bones, BEAT_JOINTS)
    left, right = (BEAT_JOINTS.index(f"{side}ForeArm") for side in ("Left", "Right"))
    assert torch.equal(seen[left], bones[right] * torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.equal(mirror_bones(seen, BEAT_JOINTS), bones)
