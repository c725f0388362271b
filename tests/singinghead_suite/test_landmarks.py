import numpy as np
import pytest
from singinghead_folder import landmarks

from emage.errors import InputError
from emage.singinghead_suite.frames import VideoInfo
from emage.singinghead_suite.landmarks import at_video_rate, filled_as_published, filled_in_time, read_landmarks


def test_files_are_scaled_from_the_size_of_their_video(tmp_path):
    points = landmarks(4)
    np.save(tmp_path / "a.npy", np.concatenate([points, np.ones((4, 68, 1))], axis=2))
    assert np.array_equal(read_landmarks(tmp_path / "a.npy", None, 256), points)
    scaled = read_landmarks(tmp_path / "a.npy", VideoInfo(512, 1024, 30), 256)
    assert np.allclose(scaled, points * [0.5, 0.25])


def test_a_frame_with_one_point_missing_is_a_frame_without_a_face(tmp_path):
    points = landmarks(4)
    points[2, 17, 1] = np.nan
    np.save(tmp_path / "a.npy", points)
    found = read_landmarks(tmp_path / "a.npy", None, 256)
    assert np.isnan(found[2]).all()
    assert np.isfinite(found[[0, 1, 3]]).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((4, 51, 2)), "is not"),
        (np.zeros((68, 2)), "is not"),
        (np.zeros((0, 68, 2)), "is not"),
        (np.full((4, 68, 2), "x"), "is not"),
        (np.full((4, 68, 2), np.inf), "holds infinity"),
        (np.array([{}], dtype=object), "cannot be read as landmarks"),
    ],
)
def test_files_that_are_no_landmarks_are_named(tmp_path, content, message):
    np.save(tmp_path / "a.npy", content)
    with pytest.raises(InputError, match=f"a.npy: .*{message}"):
        read_landmarks(tmp_path / "a.npy", None, 256)


@pytest.mark.parametrize(("fps", "expected"), [(30, [0, 6, 12, 18]), (25, [0, 5, 10, 15]), (60, [0, 12, 24, 36])])
def test_frames_are_taken_by_time(fps, expected):
    points = np.broadcast_to(np.arange(fps * 2 // 3)[:, None, None].astype(float), (fps * 2 // 3, 68, 2))
    assert at_video_rate(points, fps, 6)[:, 0, 0].tolist() == expected


def test_missing_faces_are_filled_as_published_and_in_time():
    points = np.broadcast_to(np.arange(6.0)[:, None, None], (6, 68, 2)).copy()
    points[[2, 3, 5]] = np.nan
    assert filled_as_published(points)[:, 0, 0].tolist() == [0, 1, 1, 1, 4, 4]
    assert filled_in_time(points)[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 4]
    points[1] = np.nan
    assert filled_in_time(points) is None
    points = np.broadcast_to(np.arange(6.0)[:, None, None], (6, 68, 2)).copy()
    points[0] = np.nan
    assert filled_as_published(points) is None
    assert filled_in_time(points)[0, 0, 0] == 1
