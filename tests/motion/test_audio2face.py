import json

import pytest
import torch

from emage.errors import InputError
from emage.motion.arkit_file import read_arkit_file
from emage.motion.audio2face import read_audio2face_csv
from emage.motion.layout import ARKIT_51, ARKIT_52


def face(num_frames: int = 40) -> torch.Tensor:
    return torch.rand(num_frames, 52, generator=torch.Generator().manual_seed(2)).double().round(decimals=6)


def export(path, names=ARKIT_52, rows=None, **fields):
    rows = face()[:, : len(names)].tolist() if rows is None else rows
    node = {"exportFps": 30.0, "trackPath": "x.wav", "numPoses": len(names), "numFrames": len(rows)} | fields
    node = {key: value for key, value in node.items() if value is not None}
    path.write_text(json.dumps({**node, "facsNames": list(names), "weightMat": rows}))
    return path


def frames_csv(path, names=ARKIT_52, *, first="", rows=None, time="timeCode"):
    rows = face()[:, : len(names)].tolist() if rows is None else rows
    columns = [f"blendShapes.{name[0].upper()}{name[1:]}" for name in names]
    lines = [",".join([*([""] if first else []), time, *columns])]
    for k, row in enumerate(rows):
        lines.append(",".join([*([str(k)] if first else []), f"{k / 30:.6f}", *map(str, row)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_an_exported_json_is_read(tmp_path):
    found = read_arkit_file(export(tmp_path / "a.json"), 77.0)
    assert (found.fps, found.num_frames) == (30, 40)
    torch.testing.assert_close(found.weights, face()[:, :51].float(), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.tongue_out, face()[:, 51].float(), atol=1e-6, rtol=0)
    assert found.valid.all()
    assert read_arkit_file(export(tmp_path / "a.json", exportFps=None), 25.0).fps == 25


@pytest.mark.parametrize("first", ["", "index"])
@pytest.mark.parametrize("time", ["timeCode", "time_code"])
def test_a_csv_of_audio2face_3d_is_read(tmp_path, first, time):
    found = read_arkit_file(frames_csv(tmp_path / "animation_frames.csv", first=first, time=time))
    assert found.fps == 30
    torch.testing.assert_close(found.weights, face()[:, :51].float(), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.times_s, torch.arange(40).double() / 30, atol=1e-6, rtol=0)


@pytest.mark.parametrize("save", [lambda p, n: export(p / "a.json", n), lambda p, n: frames_csv(p / "a.csv", n)])
def test_channels_that_a_file_lacks_are_not_valid_and_a_warning(tmp_path, save):
    names = [name for name in ARKIT_51 if not name.startswith("eyeLook")]
    with pytest.warns(UserWarning, match="8 of 51 facial channels are missing and stay 0: eyeLookDownLeft"):
        found = read_arkit_file(save(tmp_path, names))
    lacking = [ARKIT_51[k] for k in (~found.valid).nonzero()[:, 1].unique().tolist()]
    assert sorted(lacking) == sorted(name for name in ARKIT_51 if name.startswith("eyeLook"))


def test_a_count_of_frames_that_is_not_the_files_is_a_warning(tmp_path):
    with pytest.warns(UserWarning, match='"numFrames" says 90, the file holds 40 frames'):
        read_arkit_file(export(tmp_path / "a.json", numFrames=90))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"exportFps": None}, 'no "exportFps"; write it into the file'),
        ({"exportFps": "30"}, "\"exportFps\" is '30'; expected frames per second from 1 to 1000"),
        ({"exportFps": 1e300}, '"exportFps" is 1e\\+300; expected'),
        ({"names": ["innerBrowRaiserL", "jawDrop"]}, "unknown facial channel 'innerBrowRaiserL'"),
        ({"rows": [[0.0] * 51]}, "frame 0: 51 weights, expected 52"),
        ({"rows": [[True] + [0.0] * 51]}, "frame 0: browDownLeft is True"),
        ({"rows": [[40.0] + [0.0] * 51]}, "divide them by 100"),
        ({"rows": []}, 'no lists "facsNames" and "weightMat"'),
    ],
)
def test_faults_of_a_json_are_told(tmp_path, fields, message):
    with pytest.raises(InputError, match=message):
        read_arkit_file(export(tmp_path / "a.json", **fields))


def test_faults_of_a_csv_are_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("frame,time_code,emotion_values.joy,emotion_values.anger\n0,0.0,1,0\n1,0.033,1,0\n")
    with pytest.raises(InputError, match="it holds emotions, no blendShapes; give animation_frames.csv"):
        read_arkit_file(path)
    frames_csv(path, time="second")
    with pytest.raises(InputError, match="no column timeCode"):
        read_audio2face_csv(path)
    good = frames_csv(path).read_text().splitlines()
    for line, old, new, message in (
        (4, "0.066667", "0.033333", "line 4, column 1: time '0.033333' does not rise"),
        (4, "0.066667", "", "line 4, column 1: time '' does not rise"),
        (4, "0.066667", "nan", "line 4, column 1: 'nan'; expected a number"),
        (3, good[2].split(",")[1], "1e39", r"line 3, column 2: blendShapes.BrowDownLeft is 1e\+39"),
    ):
        path.write_text("\n".join([*good[: line - 1], good[line - 1].replace(old, new, 1), *good[line:]]))
        with pytest.raises(InputError, match=message):
            read_arkit_file(path)
    path.write_text("\n".join(good[:2]))
    with pytest.raises(InputError, match="at least 2 are needed"):
        read_arkit_file(path)
