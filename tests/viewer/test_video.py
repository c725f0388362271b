import imageio_ffmpeg
import numpy as np
import pytest
from viewer.results import WORDS, performance, tone

from emage.viewer.painter import capsule_outline
from emage.viewer.shown import shown_performance
from emage.viewer.theme import THEMES
from emage.viewer.video import _Film, write_video


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_a_video_has_the_length_of_the_longer_stream_and_a_sound(tmp_path, seconds):
    path = tmp_path / "a.mp4"
    write_video(path, [shown_performance(performance(24), "a")], sound=tone(seconds), words=WORDS)
    reader = imageio_ffmpeg.read_frames(str(path))
    about = next(reader)
    assert (about["size"], about["fps"], about["audio_codec"]) == ((1280, 720), 30.0, "aac")
    frames = [np.frombuffer(frame, np.uint8).reshape(720, 1280, 3).astype(int) for frame in reader]
    assert len(frames) == round(30 * max(0.8, seconds))
    assert np.abs(frames[12] - frames[0]).max() > 60  # it moves
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_the_picture_shows_each_result_in_its_colour_and_the_mouth_that_opens():
    results = [shown_performance(performance(), "left"), shown_performance(performance(), "right")]
    film = _Film(results, tone(), WORDS, THEMES["dark"])
    picture = film.picture(0.3).astype(int)
    assert picture.shape == (720, 1920, 3)
    stage = picture[60:600]
    blue = (stage[..., 2] > stage[..., 0] + 50).sum(axis=0)
    orange = (stage[..., 0] > stage[..., 2] + 70).sum(axis=0)
    assert blue[:500].sum() > 20 * max(1, blue[960:1500].sum())
    assert orange[960:1500].sum() > 20 * max(1, orange[:500].sum())
    dark_mouth = [
        (np.abs(film.picture(t)[:, :960].astype(int) - [74, 31, 32]).max(axis=2) < 12).sum() for t in (0.0, 0.31)
    ]
    assert dark_mouth[1] > dark_mouth[0] + 100


def test_a_capsule_holds_both_circles_and_nothing_far_away():
    outline = capsule_outline(np.array([0.0, 0.0]), 2.0, np.array([10.0, 0.0]), 1.0)
    assert outline[:, 0].min() == pytest.approx(-2, abs=0.1)
    assert outline[:, 0].max() == pytest.approx(11, abs=0.1)
    assert np.abs(outline[:, 1]).max() == pytest.approx(2, abs=0.05)
    inside = capsule_outline(np.array([0.0, 0.0]), 5.0, np.array([1.0, 0.0]), 1.0)
    assert np.allclose(np.linalg.norm(inside, axis=1), 5)
