from dataclasses import replace

import numpy as np
import pytest
from viewer.results import performance

from emage.errors import InputError
from emage.motion.bvh import read_bvh, write_bvh
from emage.viewer.body_shape import capsules
from emage.viewer.shown import load_shown, shown_performance, sound_beside


@pytest.fixture(scope="module")
def shown():
    return shown_performance(performance(), "a")


def test_the_person_stands_on_the_floor_over_the_origin(shown):
    assert (shown.num_frames, shown.fps, shown.duration_s) == (60, 30.0, 2.0)
    lowest = np.median(shown.positions_cm[..., 1].min(axis=1))
    assert 0 < lowest < 0.03 * shown.height_cm
    assert np.allclose(shown.positions_cm[:, 0, [0, 2]].mean(axis=0), 0, atol=1e-3)
    assert shown.face.shape == (60, 51)


@pytest.mark.parametrize("options", [{}, {"unit": "m"}, {"up": "z"}, {"unit": "m", "up": "z"}])
def test_a_bvh_in_any_unit_and_world_is_the_same_picture(tmp_path, shown, options):
    result = performance()
    result.save_bvh(tmp_path / "a.bvh", **options)
    result.save_arkit_json(tmp_path / "a.json")
    for path in (tmp_path / "a.bvh", tmp_path / "a", tmp_path):
        read = load_shown(path)
        assert np.allclose(read.positions_cm, shown.positions_cm, atol=0.02)
        assert np.allclose(read.face, shown.face, atol=1e-5)
    (tmp_path / "a.json").unlink()
    assert load_shown(tmp_path / "a.bvh").face is None
    result.save_livelink_csv(tmp_path / "a.csv")
    assert np.allclose(load_shown(tmp_path / "a.bvh").face, shown.face, atol=1e-5)


@pytest.mark.parametrize("rename", ["mixamorig:{}".format, "{}.001".format, "Armature|{}".format])
def test_names_of_other_systems_are_the_same_picture(tmp_path, shown, rename):
    performance().save_bvh(tmp_path / "a.bvh")
    body = read_bvh(tmp_path / "a.bvh")
    names = tuple(rename(name) for name in body.names)
    write_bvh(tmp_path / "b.bvh", replace(body, skeleton=replace(body.skeleton, names=names)))
    other = load_shown(tmp_path / "b.bvh")
    assert other.joints == shown.joints
    assert other.positions_cm == pytest.approx(shown.positions_cm, abs=0.01)


def test_an_npz_of_ours_is_the_same_picture(tmp_path, shown):
    performance().save_npz(tmp_path / "a.npz")
    assert np.allclose(load_shown(tmp_path / "a.npz").positions_cm, shown.positions_cm)


def test_the_nose_is_in_front_of_the_skull(shown):
    low, nose = (shown.joints.index(name) for name in ("head low", "nose"))
    still = shown_performance(performance(num_frames=1), "still")
    assert still.positions_cm[0, nose, 2] > still.positions_cm[0, low, 2] + 0.01 * still.height_cm


def test_every_bone_has_its_flesh_and_the_thigh_is_thicker_than_a_finger(shown):
    bones = capsules(shown)
    pairs = {(shown.joints[bone.first], shown.joints[bone.second]): bone for bone in bones}
    assert (
        pairs["RightUpLeg", "RightLeg"].first_radius_cm
        > 4 * pairs["RightHandIndex1", "RightHandIndex2"].first_radius_cm
    )
    real = [name for name in shown.joints[1:] if name not in ("head low", "head high", "nose", "HeadEnd")]
    assert set(real) <= {second for _, second in pairs}
    assert all(bone.first_radius_cm > 0 and bone.second_radius_cm > 0 for bone in bones)


def test_what_cannot_be_shown_is_told(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="no such result"):
        load_shown(tmp_path / "none.bvh")
    with pytest.raises(InputError, match="a result is a .bvh"):
        load_shown(tmp_path / "a.txt")
    with pytest.raises(InputError, match="a folder with 0 .bvh files"):
        load_shown(tmp_path)
    assert sound_beside(tmp_path / "a.bvh") is None
    (tmp_path / "a.mp3").write_bytes(b"x")
    assert sound_beside(tmp_path / "a.bvh") == tmp_path / "a.mp3"
