import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from singinghead_folder import write_flame_npz

from emage.errors import InputError
from emage.motion.flame_file import flame_columns, flame_from_mapping, parse_flame_pickle, read_flame

SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "singinghead_sample"


def values(frames: int = 7, *, samples: int | None = None) -> np.ndarray:
    shape = (frames, 59) if samples is None else (samples, frames, 59)
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def node(frames: int = 7) -> dict:
    codes = values(frames)
    return {"expcodes": codes[:, :50], "posecodes": codes[:, 50:]}


def test_order_of_the_59_values():
    assert flame_columns("expression") == slice(0, 50)
    assert flame_columns("global") == slice(50, 53)
    assert flame_columns("neck") == slice(53, 56)
    assert flame_columns("jaw") == slice(56, 59)
    assert flame_columns("global", "neck") == slice(50, 56)
    with pytest.raises(InputError, match="'eyes'; choose one of expression, global, neck, jaw"):
        flame_columns("eyes")


@pytest.mark.parametrize("samples", [None, 3])
def test_an_npz_of_codes_is_read(tmp_path, samples):
    codes = values(samples=samples)
    write_flame_npz(tmp_path / "id0.npz", codes)
    found = read_flame(tmp_path / "id0.npz")
    assert np.array_equal(found.values, codes)
    assert found.samples.shape == (samples or 1, 7, 59)
    assert found.num_frames == 7


def test_pkl_as_the_corpus_has_it_and_as_others_write_it(tmp_path):
    codes = values()
    contents = {
        "corpus": {**node(), "shapecode": np.ones((1, 300)), "verts": "anything"},
        "lists": {"expcodes": codes[:, :50].tolist(), "posecodes": codes[:, 50:].tolist()},
        "names": {"expression": codes[:, :50].astype(float), "pose": codes[:, 50:]},
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(content, protocol=2))
        found = read_flame(tmp_path / f"{name}.pkl")
        assert np.array_equal(found.values, codes)
        assert found.values.dtype == np.float32
    assert read_flame(tmp_path / "corpus.pkl").shape_code.shape == (300,)
    assert read_flame(tmp_path / "names.pkl").shape_code is None


def test_a_frame_more_of_one_of_the_two_is_cut_with_a_notice():
    longer = {**node(8), "posecodes": node(7)["posecodes"]}
    found = flame_from_mapping(longer, "file")
    assert found.num_frames == 7
    assert found.notices == ("8 frames of expression beside 7 of pose: cut to 7",)
    with pytest.raises(InputError, match="20 frames of expression beside 7 of pose"):
        flame_from_mapping({**node(20), "posecodes": node(7)["posecodes"]}, "file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list; expected a mapping"),
        ({"posecodes": np.zeros((3, 9)), "shape": 1}, "no expcodes or expression; it holds posecodes, shape"),
        ({**node(), "posecodes": np.zeros((7, 6))}, r"posecodes has shape \(7, 6\).* = global 3, neck 3, jaw 3"),
        ({**node(), "expcodes": np.zeros((7, 100))}, r"expcodes has shape \(7, 100\); expected \(frames, 50\)"),
        ({**node(), "expcodes": np.zeros((0, 50))}, r"expcodes has shape \(0, 50\)"),
        ({**node(), "expcodes": "many"}, "expcodes is no array of numbers"),
        ({**node(), "expcodes": [[1.0], [1.0, 2.0]]}, "expcodes is no array of numbers"),
        ({**node(), "expcodes": np.full((7, 50), np.nan)}, r"expcodes\[0, 0\] is nan; 350 values are not finite"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, content, message):
    path = tmp_path / "id0_10_0_0.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=f"id0_10_0_0.pkl: {message}"):
        read_flame(path)


def test_files_that_are_no_npz_are_named(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "whole.npz", **node())
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:-200])
    np.savez(tmp_path / "objects.npz", expcodes=np.array([{}], dtype=object), posecodes=np.zeros((1, 9)))
    for name in ("text", "cut", "objects"):
        with pytest.raises(InputError, match=f"{name}.npz: cannot be read as npz of arrays"):
            read_flame(tmp_path / f"{name}.npz")
    with pytest.raises(InputError, match="none.npz: no such file"):
        read_flame(tmp_path / "none.npz")
    with pytest.raises(InputError, match=".npz or .pkl"):
        read_flame(tmp_path / "motion.csv")


def test_the_sample_of_the_corpus():
    if not SAMPLE.is_dir():
        pytest.skip("the SingingHead sample does not lie beside the project")
    with zipfile.ZipFile(SAMPLE / "flame_seqs.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".pkl")]
        motions = [parse_flame_pickle(archive.read(name), name) for name in names]
    assert len(motions) == 3
    for motion in motions:
        assert motion.values.shape == (240, 59)
        assert motion.notices == ()
        jaw = motion.values[:, flame_columns("jaw")]
        assert 0 < np.abs(jaw).max() < 0.6  # radians of a speaking jaw
