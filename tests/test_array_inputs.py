import re

import numpy as np
import pytest
import torch

from emage.array_inputs import as_labels, as_mask, as_numbers, check_rows
from emage.errors import InputError

ROWS = np.array([[0.5, -1.25], [2.0, 3.0], [0.0, 1e-3]])


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "longdouble", ">f8", "int64", "uint8", "bool"])
def test_arrays_of_any_real_type_become_float32(kind):
    values = np.abs(ROWS).astype(kind)
    made = as_numbers("rows", values)
    assert made.dtype == torch.float32
    np.testing.assert_allclose(made.numpy(), values.astype(np.float64), rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_tensors_of_any_real_type_become_float32_and_are_detached(dtype):
    values = torch.tensor([[1, 2], [3, 4]], dtype=dtype)
    assert as_numbers("rows", values).tolist() == [[1, 2], [3, 4]]
    tracked = torch.ones(2, 2, requires_grad=True)
    assert not as_numbers("rows", tracked).requires_grad


def test_what_is_passed_in_is_never_shared_or_changed():
    for values in (ROWS.astype(np.float32), torch.from_numpy(ROWS).float()):
        made = as_numbers("rows", values)
        made += 1
        np.testing.assert_allclose(np.asarray(values), ROWS.astype(np.float32))


@pytest.mark.parametrize("values", [ROWS.tolist(), tuple(map(tuple, ROWS)), ROWS[::-1][::-1], np.asfortranarray(ROWS)])
def test_lists_and_views_are_arrays(values):
    np.testing.assert_allclose(as_numbers("rows", values).numpy(), ROWS, rtol=1e-6)


@pytest.mark.parametrize(
    "values", ["text", ["a", "b"], [[1], [1, 2]], np.array([None]), 1j, torch.ones(2, dtype=torch.complex64), [{}]]
)
def test_what_is_no_array_of_numbers_is_one_line(values):
    for convert in (as_numbers, as_mask, as_labels):
        with pytest.raises(InputError, match="^rows: ") as error:
            convert("rows", values)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "values", [[True, False], [1, 0], np.array([1.0, 0.0]), torch.tensor([1, 0], dtype=torch.uint8)]
)
def test_a_mask_is_true_and_false_or_1_and_0(values):
    assert as_mask("mask", values).tolist() == [True, False]


@pytest.mark.parametrize("values", [[2, 0], [0.5, 1.0], [np.nan, 1.0], [-1, 0]])
def test_another_mask_is_refused(values):
    with pytest.raises(InputError, match="mask: got values other than 0 and 1"):
        as_mask("mask", values)


@pytest.mark.parametrize("values", [2, 2.0, np.float32(2), np.uint8(2), torch.tensor(2)])
def test_a_whole_number_is_a_label_whatever_its_type(values):
    assert as_labels("emotion", values) == 2
    assert as_labels("emotion", values).dtype == np.int64


@pytest.mark.parametrize("values", [2.7, [1.0, 2.5], np.nan, np.inf, [-np.inf, 1], True])
def test_a_label_that_is_not_whole_is_refused(values):
    with pytest.raises(InputError, match="emotion: got .*expected whole numbers"):
        as_labels("emotion", values)


@pytest.mark.parametrize("value, expected", [(1e300, 2**31), (-1e300, -(2**31)), (2**63 - 1, 2**31)])
def test_a_label_beyond_the_integers_stays_out_of_every_range(value, expected):
    assert as_labels("emotion", value) == expected


def test_the_first_row_beyond_the_limit_is_named():
    check_rows("rows", torch.tensor([[2.0, -2.0]]), 2.0)
    for bad in (np.nan, np.inf, 1e39, -1e19, 2.5):
        shown = "inf" if bad == 1e39 else f"{bad:g}"  # float32 ends before
        rows = as_numbers("rows", [[0, 0], [0, bad], [bad, 0]])
        with pytest.raises(InputError) as caught:
            check_rows("rows", rows, 2.0)
        assert str(caught.value) == f"rows: frame 1 holds {shown} in column 1; expected numbers from -2 to 2"
        with pytest.raises(InputError, match=f"rows: frame 2 holds {re.escape(shown)} in column 0"):
            check_rows("rows", rows, 2.0, torch.tensor([[True, True], [True, False], [True, False]]))
        check_rows("rows", rows, 2.0, torch.tensor([[True, True], [True, False], [False, True]]))
