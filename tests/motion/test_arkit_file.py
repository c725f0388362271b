import pytest
import torch

from emage.errors import InputError, collected_warnings
from emage.motion.arkit import write_arkit_json
from emage.motion.arkit_file import arkit_beside, is_arkit_file, read_arkit_file
from emage.motion.livelink import write_livelink_csv


def face(num_frames: int = 40, width: int = 51) -> torch.Tensor:
    return torch.rand(num_frames, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("width", [51, 52])
def test_what_is_written_reads_back_whatever_the_format(tmp_path, width):
    weights = face(width=width)
    write_arkit_json(tmp_path / "a.json", weights, 25)
    write_livelink_csv(tmp_path / "a.csv", weights, 25)
    for path in sorted(tmp_path.iterdir()):
        assert is_arkit_file(path)
        with collected_warnings() as odd:
            found = read_arkit_file(path)
        assert found.fps == 25
        torch.testing.assert_close(found.weights, weights[:, :51], atol=1e-6, rtol=0)
        assert len(odd) == (width == 52)  # tongueOut moves


def test_what_is_odd_is_a_warning_that_names_the_file(tmp_path):
    write_livelink_csv(tmp_path / "a.csv", face(), 30)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    lines[7] = lines[7][:15] + ",0"
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with collected_warnings() as odd:
        read_arkit_file(tmp_path / "a.csv")
    assert odd == [f"{tmp_path / 'a.csv'}: 1 of 40 rows hold no face, the first at 0.200 s; the face before (at the start "
                   "the one after) is held there, and they are not scored"]  # fmt: skip


def test_other_files_of_these_endings_are_no_faces(tmp_path):
    for name, text in (
        ("emotions.csv", "0.0,5.2,1\n"),
        ("words.json", '{"words": []}'),
        ("empty.csv", ""),
        ("a.txt", ""),
    ):
        (tmp_path / name).write_text(text)
        assert not is_arkit_file(tmp_path / name)
    (tmp_path / "wrong.csv").write_bytes(b"\xff\xfe\x00\x01")
    assert not is_arkit_file(tmp_path / "wrong.csv")
    with pytest.raises(InputError, match="no file of ARKit weights; expected .json or .csv"):
        read_arkit_file(tmp_path / "a.txt")
    for name in ("none.csv", "none.json"):
        with pytest.raises(InputError, match="no such file"):
            read_arkit_file(tmp_path / name)


def test_the_face_beside_a_body(tmp_path):
    body = tmp_path / "a.bvh"
    assert arkit_beside(body) is None
    (tmp_path / "a.csv").write_text("0.0,5.2,1\n")  # BEAT's emotions
    assert arkit_beside(body) is None
    write_livelink_csv(tmp_path / "a.csv", face(), 30)
    assert arkit_beside(body) == tmp_path / "a.csv"
    (tmp_path / "a.json").write_text('{"text": "of something else"}')
    assert arkit_beside(body) == tmp_path / "a.csv"
    write_arkit_json(tmp_path / "a.json", face(), 30)
    assert arkit_beside(body) == tmp_path / "a.json"
    (tmp_path / "a.csv").unlink()
    (tmp_path / "a.json").write_text("[broken")
    assert arkit_beside(body) == tmp_path / "a.json"  # so that reading it says what is wrong
