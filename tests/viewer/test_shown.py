from dataclasses import replace

import numpy as np
import pytest
import torch
from viewer.results import performance

from emage.errors import InputError, collected_warnings
from emage.motion.bvh import read_bvh, write_bvh
from emage.motion.layout import ARKIT_51
from emage.motion.livelink import write_livelink_csv
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


@pytest.mark.parametrize("face_fps", [24, 30, 60, 120])
def test_a_face_keeps_its_own_rate_beside_a_body_of_another(tmp_path, face_fps):
    performance(60, 30.0).save_bvh(tmp_path / "a.bvh")
    jaw = ARKIT_51.index("jawOpen")
    weights = torch.zeros(2 * face_fps, 51)
    weights[:, jaw] = 0.5 + 0.4 * torch.sin(torch.arange(2 * face_fps) * 3.0 / face_fps)
    write_livelink_csv(tmp_path / "a.csv", weights, face_fps)
    face = load_shown(tmp_path / "a.bvh").face
    assert face.shape == (60, 51)
    until = 60 - 30 // face_fps - 1  # after the last row it is held
    np.testing.assert_allclose(face[:until, jaw], 0.5 + 0.4 * np.sin(np.arange(until) / 10), atol=3e-3)


def test_a_csv_under_a_second_in_the_bodys_rate_is_as_long_as_the_body(tmp_path):
    """As other programs, and this one until it wrote base 60, count: frame 14 of a second of 30."""
    performance(15, 30.0).save_bvh(tmp_path / "a.bvh")
    weights = torch.linspace(0, 1, 15)[:, None].expand(-1, 51)
    write_livelink_csv(tmp_path / "a.csv", weights, 30)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    rows = [f"00:00:00:{k:02d}.000" + line[15:] for k, line in enumerate(lines[1:])]
    (tmp_path / "a.csv").write_text("\n".join([lines[0], *rows]))
    np.testing.assert_allclose(load_shown(tmp_path / "a.bvh").face, weights.numpy(), atol=1e-5)


def test_a_lost_face_is_held_and_told(tmp_path):
    performance(60, 30.0).save_bvh(tmp_path / "a.bvh")
    weights = torch.linspace(0, 0.9, 60)[:, None].expand(-1, 51)
    write_livelink_csv(tmp_path / "a.csv", weights, 30)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    lines[21:51] = [line[:15] + ",0" for line in lines[21:51]]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with collected_warnings() as odd:
        face = load_shown(tmp_path / "a.bvh").face
    np.testing.assert_allclose(face[19:50], np.broadcast_to(weights[19].numpy(), (31, 51)), atol=1e-5)
    assert "30 of 60 rows hold no face, the first at 0.667 s" in odd[0]


def test_the_emotions_of_beat_beside_a_body_are_no_face(tmp_path):
    performance(10).save_bvh(tmp_path / "a.bvh")
    (tmp_path / "a.csv").write_text("0.0,3.5,1,happiness\n")
    assert load_shown(tmp_path / "a.bvh").face is None


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
    (tmp_path / "b.m4a").write_bytes(b"x")
    (tmp_path / "c.mp4").write_bytes(b"x")  # may be the video that `emage view --mp4` wrote
    assert sound_beside(tmp_path / "b.bvh") == tmp_path / "b.m4a"
    assert sound_beside(tmp_path / "c.bvh") is None
