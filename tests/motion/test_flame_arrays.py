"""Model files that would reach outside of an array, ask for too much memory, or bring values that are no numbers."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
from scipy import sparse
from synthetic_flame import flame_arrays

from emage.errors import InputError
from emage.motion import flame_arrays as module
from emage.motion.flame import load_flame

V = 200


def load(folder, **changes):
    (folder / "generic_model.pkl").write_bytes(pickle.dumps(flame_arrays() | changes))
    return load_flame(folder)


def regressor(kind, **changes):
    """The joint regressor (5, V) as a sparse matrix, with some of its arrays replaced behind scipy's back."""
    matrix = getattr(sparse, kind)(flame_arrays()["J_regressor"])
    vars(matrix).update(changes)
    return matrix


@pytest.mark.parametrize("kind", ["csc_matrix", "csr_matrix", "coo_matrix", "csc_array", "csr_array", "coo_array"])
def test_sparse_matrices_are_the_dense_arrays_that_they_stand_for(tmp_path, kind):
    found = load(tmp_path, J_regressor=regressor(kind)).joint_regressor
    assert torch.allclose(found, torch.as_tensor(flame_arrays()["J_regressor"]).float())


def test_entries_of_one_place_add_up_and_room_behind_the_entries_is_no_entry(tmp_path):
    places = np.array([3, 3, 3, 7]), np.array([0, 2, 3, 3, 3, 3])
    matrix = regressor("csr_matrix", indices=places[0], indptr=places[1], data=np.array([1.0, 2.0, 4.0, 8.0]))
    found = load(tmp_path, J_regressor=matrix).joint_regressor
    expected = torch.zeros(5, V)
    expected[0, 3], expected[1, 3] = 3, 4
    assert torch.equal(found, expected)


def csc(**changes):
    full = regressor("csc_matrix")
    parts = {name: np.array(getattr(full, name)) for name in ("indices", "indptr", "data")}
    made = {name: change(parts[name]) if callable(change) else change for name, change in changes.items()}
    return regressor("csc_matrix", **made)


def with_entry(place, value):
    def change(array):
        array = array.astype(np.asarray(value).dtype if np.asarray(value).dtype.kind == "u" else array.dtype)
        array[place] = value
        return array

    return change


DAMAGED = {
    "index far outside": csc(indices=with_entry(17, 2**31 - 1)),
    "index just outside": csc(indices=with_entry(17, 5)),
    "negative index": csc(indices=with_entry(17, -1)),
    "index beyond int64": csc(indices=with_entry(17, np.uint64(2**64 - 1))),
    "falling pointers": csc(indptr=with_entry(3, 900)),
    "negative pointer": csc(indptr=with_entry(3, -900)),
    "pointers beyond the entries": csc(indptr=with_entry(-1, 10**6)),
    "pointers that start late": csc(indptr=with_entry(0, 5)),
    "too few pointers": csc(indptr=lambda array: array[:100]),
    "no pointers": csc(indptr=lambda array: array[:0]),
    "fewer values than indices": csc(data=lambda array: array[:10]),
    "fractional indices": csc(indices=lambda array: array + 0.5),
    "table of indices": csc(indices=lambda array: array.reshape(2, -1)),
    "complex values": csc(data=lambda array: array * 1j),
    "values of text": csc(data=lambda array: array.astype(str).tolist()),
    "indices of None": csc(indices=None),
    "huge shape": csc(_shape=(10**9, 10**9)),
    "other shape": csc(_shape=(V, 5)),
    "negative shape": csc(_shape=(-5, V)),
    "one length": csc(_shape=(V,)),
    "shape of text": csc(_shape=("5", "200")),
    "shape without end": csc(_shape=(float("inf"), V)),
    "coo row outside": regressor("coo_matrix", coords=(np.array([5]), np.array([0])), data=np.ones(1)),
    "coo column negative": regressor("coo_matrix", coords=(np.array([0]), np.array([-V])), data=np.ones(1)),
    "coo of one axis": regressor("coo_matrix", coords=(np.array([0]),), data=np.ones(1)),
    "coo of unequal lists": regressor("coo_matrix", coords=(np.array([0]), np.array([0, 1])), data=np.ones(2)),
    "block matrix": regressor("bsr_matrix"),
    "diagonal matrix": regressor("dia_matrix"),
}


@pytest.mark.parametrize("matrix", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_sparse_matrix_is_one_line(tmp_path, matrix):
    with pytest.raises(InputError, match="generic_model.pkl: J_regressor is a") as caught:
        load(tmp_path, J_regressor=matrix)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_a_sparse_matrix_of_any_length_is_bounded(tmp_path):
    pointers = np.zeros(10**9 // 1000 + 1, np.int64)
    template = regressor("csr_matrix", _shape=(10**9, 3), indptr=pointers, indices=np.zeros(0, int), data=np.zeros(0))
    with pytest.raises(InputError, match="v_template is a damaged sparse matrix"):
        load(tmp_path, v_template=template)


@pytest.mark.parametrize("name", ["v_template", "shapedirs", "posedirs", "J_regressor", "weights"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30])
def test_a_value_that_is_no_usable_number_is_named_with_its_place(tmp_path, name, value):
    array = flame_arrays()[name].copy()
    array[2, 1] = value
    with pytest.raises(InputError, match=rf"{name} holds .* at \(2, 1"):
        load(tmp_path, **{name: array})


@pytest.mark.parametrize("parents", [[0, 0, 7, 1, 1], [0, 1, 1, 1, 1], [0, 0, 1, 3, 1], [0, -1, 1, 1, 1]])
def test_a_joint_stands_behind_its_parent(tmp_path, parents):
    with pytest.raises(InputError, match="kintree_table names joint -?\\d as the parent of joint"):
        load(tmp_path, kintree_table=np.array([parents, range(5)]))


@pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.float64])
def test_the_parents_are_read_in_every_kind_of_number(tmp_path, dtype):
    table = np.array([[4294967295, 0, 1, 1, 1], [0, 1, 2, 3, 4]]).astype(dtype)
    assert load(tmp_path, kintree_table=table).parents.tolist() == [-1, 0, 1, 1, 1]


def test_faces_are_whole_numbers(tmp_path):
    faces = flame_arrays()["f"].astype(float)
    assert torch.equal(load(tmp_path, f=faces).faces, torch.as_tensor(faces).long())
    with pytest.raises(InputError, match="f holds numbers that are not whole"):
        load(tmp_path, f=faces + 0.5)
    with pytest.raises(InputError, match="f holds -2"):
        load(tmp_path, f=faces - faces.max() - 2)


def npz(folder, content: bytes):
    (folder / "FLAME_NEUTRAL.npz").write_bytes(content)
    return load_flame(folder)


def test_a_damaged_npz_is_one_line(tmp_path):
    np.savez_compressed(tmp_path / "whole.npz", **flame_arrays())
    content = (tmp_path / "whole.npz").read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 0xFF
    np.save(tmp_path / "array.npy", np.ones(3))
    single = (tmp_path / "array.npy").read_bytes()
    for damaged in (b"", content[:1000], content[:-100], bytes(flipped), single, pickle.dumps(1), b"PK\x03\x04" * 20):
        with pytest.raises(InputError, match="FLAME_NEUTRAL.npz: cannot be read as npz"):
            npz(tmp_path, damaged)


def test_an_npz_that_unpacks_to_more_than_a_model_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_MODEL_BYTES", 10**5)
    np.savez_compressed(tmp_path / "FLAME_NEUTRAL.npz", v_template=np.zeros((10**5, 3)))
    with pytest.raises(InputError, match="bytes of arrays; a model has 100000 at most"):
        load_flame(tmp_path)
    with zipfile.ZipFile(tmp_path / "FLAME_NEUTRAL.npz", "w") as archive:
        archive.writestr("v_template.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (")
    with pytest.raises(InputError, match="cannot be read as npz"):
        load_flame(tmp_path)
