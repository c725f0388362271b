import numpy as np
import pytest
import soundfile
from singinghead_folder import clicks, smooth_frames, write_video

from emage.errors import InputError
from emage.singinghead_suite.frames import (
    VideoInfo,
    audio_track,
    corrected_frames,
    jpeg_round_trip,
    native_frames,
    probe,
    published_frames,
    shrink_as_opencv,
)

# cv2.resize(ramp(n), (4, 4)) of OpenCV 5.0.0.
OPENCV_9_TO_4 = """
    114 91 128 79 104 121 41 78 115 135 72 109 93 130 155 23 60 97 209 22 59 139 176 53
    197 94 111 191 228 41 153 190 227 178 119 156 141 178 115 135 172 209 128 145 170 122 159 136
"""
OPENCV_8_TO_4 = """
    116 89 126 146 119 92 112 149 122 78 115 152 164 137 110 130 167 140 96 133 170 126 99 136
    148 121 94 114 151 124 80 117 154 174 83 120 132 169 78 98 135 172 128 101 138 158 131 104
"""


def ramp(size: int) -> np.ndarray:
    return (np.arange(size * size * 3) * 37 % 256).astype(np.uint8).reshape(size, size, 3)


@pytest.mark.parametrize("shape", [(40, 40), (33, 57), (8, 8)])
def test_shrinking_is_bilinear_between_two_neighbours(shape):
    frame = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    size = 16
    expected = np.zeros((size, size, 3))
    for row in range(size):
        for column in range(size):
            y, x = ((k + 0.5) * n / size - 0.5 for k, n in ((row, shape[0]), (column, shape[1])))
            y, x = np.clip(y, 0, shape[0] - 1), np.clip(x, 0, shape[1] - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, shape[0] - 1), min(left + 1, shape[1] - 1)
            upper = frame[top, left] * (1 - x + left) + frame[top, right] * (x - left)
            lower = frame[bottom, left] * (1 - x + left) + frame[bottom, right] * (x - left)
            expected[row, column] = upper * (1 - y + top) + lower * (y - top)
    assert np.abs(shrink_as_opencv(frame, size) - expected).max() <= 1


def test_shrinking_rounds_as_opencv_does():
    for size, expected in ((9, OPENCV_9_TO_4), (8, OPENCV_8_TO_4)):
        assert shrink_as_opencv(ramp(size), 4).ravel().tolist() == [int(word) for word in expected.split()]
    assert np.array_equal(shrink_as_opencv(ramp(8), 8), ramp(8))


def test_jpeg_loses_a_little():
    frame = smooth_frames(1)[0]
    again = jpeg_round_trip(frame)
    assert 0 < np.abs(again.astype(int) - frame).mean() < 3


def test_frames_of_a_video_at_another_rate_are_taken_by_time(tmp_path):
    frames = smooth_frames(50)
    write_video(tmp_path / "slow.mp4", frames, fps=25)
    assert probe(tmp_path / "slow.mp4") == VideoInfo(64, 64, 25.0)
    found = corrected_frames(tmp_path / "slow.mp4", 64, 6)
    assert len(found) == 10
    for number, frame in enumerate(found):  # frame 6 k at 30 fps is at k / 5 s, where the file has its frame 5 k
        assert np.array_equal(frame, frames[5 * number])
    published = published_frames(tmp_path / "slow.mp4", 64, 6)
    assert published.shape == found.shape
    assert 0 < np.abs(published.astype(int) - found).mean() < 6  # encoded twice more
    every = list(native_frames(tmp_path / "slow.mp4", 64))
    assert np.array_equal(np.stack(every), frames)


def test_corrected_frames_are_filtered_and_published_ones_are_not(tmp_path):
    stripes = np.zeros((6, 256, 256, 3), np.uint8)
    stripes[:, :, 1::4] = stripes[:, :, 2::4] = 255  # the two columns of four that bilinear shrinking looks at
    write_video(tmp_path / "stripes.mp4", stripes)
    corrected, published = (make(tmp_path / "stripes.mp4", 64, 1) for make in (corrected_frames, published_frames))
    assert np.abs(corrected.astype(int) - 128).max() <= 2
    assert published.min() > 200


def test_a_reader_that_stops_early_leaves_no_process_behind(tmp_path):
    write_video(tmp_path / "video.mp4", smooth_frames(60, size=256))
    frames = native_frames(tmp_path / "video.mp4", 256)
    next(frames)
    frames.close()
    with pytest.raises(StopIteration):
        next(frames)


def test_sound_of_a_video(tmp_path):
    soundfile.write(tmp_path / "sound.wav", clicks(2), 16000)
    write_video(tmp_path / "loud.mp4", smooth_frames(60), sound=tmp_path / "sound.wav")
    write_video(tmp_path / "mute.mp4", smooth_frames(6))
    found = audio_track(tmp_path / "loud.mp4", 16000)
    assert abs(len(found) - 32000) < 3200
    overlap = min(len(found), 32000)
    assert np.corrcoef(found[:overlap], clicks(2)[:overlap])[0, 1] > 0.8
    assert audio_track(tmp_path / "mute.mp4", 16000) is None


@pytest.mark.parametrize("read", [probe, lambda p: corrected_frames(p, 64, 1), lambda p: list(native_frames(p, 64))])
def test_a_script_called_mp4_opens_no_other_video(tmp_path, read):
    write_video(tmp_path / "other.mp4", smooth_frames(6))
    (tmp_path / "bad.mp4").write_text(f"ffconcat version 1.0\nfile '{tmp_path / 'other.mp4'}'\n")
    with pytest.raises(InputError, match="bad.mp4: "):
        read(tmp_path / "bad.mp4")


@pytest.mark.parametrize("content", [b"", b"no video", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/video.ts\n"])
@pytest.mark.parametrize("read", [probe, lambda p: corrected_frames(p, 64, 1), lambda p: published_frames(p, 64, 1)])
def test_files_that_are_no_video_are_named(tmp_path, content, read):
    (tmp_path / "bad.mp4").write_bytes(content)
    with pytest.raises(InputError, match="bad.mp4: "):
        read(tmp_path / "bad.mp4")
