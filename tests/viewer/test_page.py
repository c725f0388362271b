import base64
import json
import re

import numpy as np
import pytest
from viewer.results import WORDS, performance, tone

from emage.errors import InputError
from emage.viewer.page import write_page
from emage.viewer.shown import shown_performance


def data_of(path) -> dict:
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL).group(1))


def test_the_page_holds_every_frame_and_asks_for_nothing(tmp_path):
    shown = [shown_performance(performance(), "a & b"), shown_performance(performance(45, 15.0, with_face=False), "c")]
    write_page(tmp_path / "a.html", shown, sound=tone(), words=WORDS, title="<b>")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<title>&lt;b&gt;</title>" in text
    assert "{{" not in text
    assert not re.search(r"""(src|href)=["'](?!data:)|https?://|@import|url\(|fetch\(|XMLHttp""", text)
    data = data_of(tmp_path / "a.html")
    assert data["duration_s"] == 3.0
    assert [word[0] for word in data["words"]] == ["Hello", "</script>", "wörld"]
    for row, own in zip(data["results"], shown, strict=True):
        places = np.frombuffer(base64.b64decode(row["places"]), "<i2").reshape(row["frames"], row["joints"], 3)
        assert np.allclose(places * row["unit_cm"], own.positions_cm, atol=0.02)
    assert data["results"][1]["face"] is None
    weights = np.frombuffer(base64.b64decode(data["results"][0]["face"]), np.uint8).reshape(60, 51)
    assert np.allclose(weights / 255, shown[0].face, atol=0.003)
    assert base64.b64decode(data["sound"]["content"])[:4] == b"fLaC"
    assert len(base64.b64decode(data["peaks"])) == 200


def test_of_a_fast_recording_thirty_frames_a_second_travel_at_their_times(tmp_path):
    shown = shown_performance(performance(121, 120.0), "fast")
    write_page(tmp_path / "a.html", [shown])
    (row,) = data_of(tmp_path / "a.html")["results"]
    assert (row["fps"], row["frames"], row["source"]) == (30.0, 31, "120 fps, 121 frames")
    places = np.frombuffer(base64.b64decode(row["places"]), "<i2").reshape(31, -1, 3)
    assert np.allclose(places * row["unit_cm"], shown.positions_cm[::4], atol=0.02)


def test_a_page_without_sound_and_words_is_fine_and_one_without_a_result_is_not(tmp_path):
    write_page(tmp_path / "a.html", [shown_performance(performance(1), "one frame")])
    data = data_of(tmp_path / "a.html")
    assert (data["sound"], data["words"]) == (None, [])
    with pytest.raises(InputError, match="no result to show"):
        write_page(tmp_path / "b.html", [])
    assert not (tmp_path / "b.html").exists()
