import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from emage.errors import InputError
from emage.motion import rotation

ORDERS = [
    "".join(letters)
    for n in (1, 2, 3)
    for letters in itertools.product("XYZ", repeat=n)
    if all(a != b for a, b in itertools.pairwise(letters))
]
ORDERS_3 = [order for order in ORDERS if len(order) == 3]
TAIT_BRYAN = [order for order in ORDERS_3 if len(set(order)) == 3]


def randn(*shape: int, seed: int = 0, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype) * scale


def random_matrices(count: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(Rotation.random(count, rng=np.random.default_rng(seed)).as_matrix())


def half_turns() -> torch.Tensor:
    """Identity, half turns about the axes and diagonals, and rotations a hair away from a half turn."""
    axes = torch.tensor(
        [[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, -1], [1, 1, 1], [-1, 2, 3]]
    ).double()
    axes = torch.nn.functional.normalize(axes, dim=-1)
    angles = torch.tensor([math.pi, math.pi - 1e-9, math.pi + 1e-9, math.pi - 1e-4])
    vectors = (axes[None] * angles[:, None, None]).reshape(-1, 3)
    return torch.from_numpy(Rotation.from_rotvec(vectors.numpy()).as_matrix())


def xyzw(quat: torch.Tensor) -> np.ndarray:
    return quat[..., [1, 2, 3, 0]].numpy()


def same_up_to_sign(a: torch.Tensor, b: torch.Tensor, atol: float = 1e-6) -> bool:
    return torch.allclose((a * b).sum(dim=-1).abs(), torch.ones(a.shape[:-1], dtype=a.dtype), atol=atol)


# Known cases


def test_a_quarter_turn_about_z_takes_x_to_y():
    matrix = rotation.euler_to_matrix(torch.tensor([90.0], dtype=torch.float64), "Z")
    expected = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(matrix, expected, atol=1e-15, rtol=0)


def test_xyz_is_rx_times_ry_times_rz():
    angles = torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64)
    rx, ry, rz = (rotation.euler_to_matrix(angles[k : k + 1], "XYZ"[k]) for k in range(3))
    torch.testing.assert_close(rotation.euler_to_matrix(angles, "XYZ"), rx @ ry @ rz, atol=1e-15, rtol=0)


def test_rot6d_is_the_first_two_rows():
    matrix = random_matrices(1)[0]
    assert torch.equal(rotation.matrix_to_rot6d(matrix), torch.cat([matrix[0], matrix[1]]))


def test_quaternions_begin_with_the_real_part():
    quat = rotation.matrix_to_quat(torch.eye(3))
    assert quat.tolist() == [1, 0, 0, 0]
    half_turn_about_y = rotation.matrix_to_quat(torch.diag(torch.tensor([-1.0, 1.0, -1.0])))
    assert half_turn_about_y.abs().tolist() == [0, 0, 1, 0]


# scipy as the oracle


@pytest.mark.parametrize("order", ORDERS)
def test_euler_to_matrix_agrees_with_scipy(order):
    euler_deg = randn(200, len(order), scale=200.0)
    expected = Rotation.from_euler(order, euler_deg.numpy(), degrees=True).as_matrix()
    np.testing.assert_allclose(rotation.euler_to_matrix(euler_deg, order).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(
        rotation.euler_to_matrix(euler_deg.float(), order).numpy(), expected, atol=2e-6 * (1 + len(order))
    )


@pytest.mark.parametrize("order", ORDERS_3)
def test_matrix_to_euler_agrees_with_scipy(order):
    matrix = random_matrices(500)
    expected = Rotation.from_matrix(matrix.numpy()).as_euler(order, degrees=True)
    np.testing.assert_allclose(rotation.matrix_to_euler(matrix, order).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("matrix", [random_matrices(500), half_turns()], ids=["random", "half turns"])
def test_quat_and_axis_angle_agree_with_scipy(matrix):
    oracle = Rotation.from_matrix(matrix.numpy())
    quat = rotation.matrix_to_quat(matrix)
    assert same_up_to_sign(quat, torch.from_numpy(oracle.as_quat()[:, [3, 0, 1, 2]]), atol=1e-12)
    axis_angle = rotation.matrix_to_axis_angle(matrix)
    np.testing.assert_allclose(axis_angle.norm(dim=-1).numpy(), oracle.magnitude(), atol=1e-7)
    back = Rotation.from_rotvec(axis_angle.numpy()).as_matrix()
    np.testing.assert_allclose(back, matrix.numpy(), atol=1e-8)
    np.testing.assert_allclose(rotation.quat_to_matrix(quat).numpy(), matrix.numpy(), atol=1e-8)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-8, 1e-5, 1e-3, 1.0, 3.0, math.pi, 4.0, 2 * math.pi, 9.0])
def test_axis_angle_to_matrix_agrees_with_scipy_at_any_angle(angle):
    vectors = torch.nn.functional.normalize(randn(20, 3), dim=-1) * angle
    expected = Rotation.from_rotvec(vectors.numpy()).as_matrix()
    np.testing.assert_allclose(rotation.axis_angle_to_matrix(vectors).numpy(), expected, atol=1e-14)


def test_quat_multiply_agrees_with_scipy_and_with_matrices():
    a, b = (rotation.matrix_to_quat(random_matrices(50, seed)) for seed in (1, 2))
    product = rotation.quat_multiply(a, b)
    expected = Rotation.from_quat(xyzw(a)) * Rotation.from_quat(xyzw(b))
    np.testing.assert_allclose(rotation.quat_to_matrix(product).numpy(), expected.as_matrix(), atol=1e-12)
    torch.testing.assert_close(
        rotation.quat_to_matrix(product), rotation.quat_to_matrix(a) @ rotation.quat_to_matrix(b)
    )


@pytest.mark.parametrize("t", [0.0, 0.2, 0.5, 1.0])
def test_slerp_agrees_with_scipy(t):
    a, b = (rotation.matrix_to_quat(random_matrices(50, seed)) for seed in (1, 2))
    result = rotation.quat_to_matrix(rotation.slerp(a, b, t)).numpy()
    for row in range(50):
        pair = Rotation.from_quat(np.stack([xyzw(a[row]), xyzw(b[row])]))
        np.testing.assert_allclose(result[row], Slerp([0, 1], pair)(t).as_matrix(), atol=1e-9)


def test_angle_between_agrees_with_scipy():
    a, b = random_matrices(200, 1), random_matrices(200, 2)
    expected = (Rotation.from_matrix(a.numpy()).inv() * Rotation.from_matrix(b.numpy())).magnitude()
    np.testing.assert_allclose(rotation.angle_between(a, b).numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("angle", [1e-9, 1e-5, 0.5, math.pi - 1e-5, math.pi - 1e-9])
def test_angle_between_is_exact_where_acos_is_not(angle):
    matrix = rotation.axis_angle_to_matrix(torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64) * angle)
    assert rotation.angle_between(torch.eye(3, dtype=torch.float64), matrix).item() == pytest.approx(angle, rel=1e-6)


# Round trips and invariants


@settings(max_examples=60, deadline=None)
@given(
    order=st.sampled_from(ORDERS_3),
    angles=st.lists(st.sampled_from([0.0, 90.0, -90.0, 180.0, 45.0]) | st.floats(-720, 720), min_size=3, max_size=3),
)
def test_euler_survives_a_round_trip_as_a_rotation(order, angles):
    matrix = rotation.euler_to_matrix(torch.tensor(angles, dtype=torch.float64), order)
    again = rotation.euler_to_matrix(rotation.matrix_to_euler(matrix, order), order)
    torch.testing.assert_close(again, matrix, atol=1e-7, rtol=0)


@pytest.mark.parametrize("matrix", [random_matrices(300), half_turns()], ids=["random", "half turns"])
@pytest.mark.parametrize("name", ["rot6d", "axis_angle", "quat"])
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-8), (torch.float32, 5e-6)])
def test_round_trips_of_matrices(matrix, name, dtype, atol):
    there, back = getattr(rotation, f"matrix_to_{name}"), getattr(rotation, f"{name}_to_matrix")
    again = back(there(matrix.to(dtype)))
    assert again.dtype == dtype
    torch.testing.assert_close(again, matrix.to(dtype), atol=atol, rtol=0)


@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (1, 2, 1)])
def test_leading_dimensions_and_dtype_are_kept(shape):
    matrix = rotation.euler_to_matrix(randn(*shape, 3, dtype=torch.float32), "ZXY")
    assert matrix.shape == (*shape, 3, 3)
    for name, width in (("quat", 4), ("rot6d", 6), ("axis_angle", 3)):
        values = getattr(rotation, f"matrix_to_{name}")(matrix)
        assert values.shape == (*shape, width)
        assert values.dtype == torch.float32
        assert getattr(rotation, f"{name}_to_matrix")(values).shape == (*shape, 3, 3)
    assert rotation.matrix_to_euler(matrix, "ZXY").shape == (*shape, 3)
    assert rotation.angle_between(matrix, matrix).shape == shape


def test_matrix_to_quat_never_has_a_negative_real_part():
    quat = rotation.matrix_to_quat(torch.cat([random_matrices(500), half_turns()]))
    assert (quat[:, 0] >= 0).all()
    torch.testing.assert_close(quat.norm(dim=-1), torch.ones(len(quat), dtype=torch.float64))


@pytest.mark.parametrize("order", ORDERS)
def test_euler_to_quat_is_continuous_where_the_angle_passes_a_full_turn(order):
    angles = torch.linspace(0, 720, 2000, dtype=torch.float64)[:, None].expand(-1, len(order))
    quat = rotation.euler_to_quat(angles, order)
    assert quat.diff(dim=0).norm(dim=-1).max() < 0.02
    torch.testing.assert_close(rotation.quat_to_matrix(quat), rotation.euler_to_matrix(angles, order))


def test_quat_to_matrix_does_not_depend_on_length_or_sign():
    quat = rotation.matrix_to_quat(random_matrices(20))
    torch.testing.assert_close(rotation.quat_to_matrix(-3.7 * quat), rotation.quat_to_matrix(quat))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_six_numbers_become_a_rotation(dtype):
    rows = randn(300, 6, dtype=dtype)
    rows[:50] *= 1e-3
    rows[50:60, 3:] = -2 * rows[50:60, :3]  # parallel
    rows[60:70, :3] = 0
    rows[70:80, 3:] = 0
    rows[80:90] = 0
    matrix = rotation.rot6d_to_matrix(rows)
    eye = torch.eye(3, dtype=dtype).expand(len(rows), 3, 3)
    torch.testing.assert_close(matrix @ matrix.mT, eye, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(matrix), torch.ones(len(rows), dtype=dtype), atol=1e-5, rtol=0)


def test_rot6d_keeps_the_direction_of_the_first_row():
    rows = randn(20, 6)
    first = torch.nn.functional.normalize(rows[:, :3], dim=-1)
    torch.testing.assert_close(rotation.rot6d_to_matrix(rows)[:, 0], first)
    # and the second row stays in the plane of both
    normal = torch.linalg.cross(rows[:, :3], rows[:, 3:], dim=-1)
    assert (rotation.rot6d_to_matrix(rows)[:, 1] * normal).sum(dim=-1).abs().max() < 1e-12


# Gimbal lock


@pytest.mark.parametrize("order", ORDERS_3)
@pytest.mark.parametrize("away", [0.0, 1e-15, 1e-13, 1e-10, 1e-7, 1e-4])
def test_the_rotation_is_right_at_and_near_gimbal_lock(order, away):
    locked = (90.0, -90.0) if order in TAIT_BRYAN else (0.0, 180.0)
    euler_deg = torch.tensor([[31.0, middle + math.degrees(away), -17.0] for middle in locked], dtype=torch.float64)
    matrix = torch.from_numpy(Rotation.from_euler(order, euler_deg.numpy(), degrees=True).as_matrix())
    for dtype, atol in ((torch.float64, 1e-8), (torch.float32, 2e-6)):
        angles = rotation.matrix_to_euler(matrix.to(dtype), order)
        again = rotation.euler_to_matrix(angles.double(), order)
        torch.testing.assert_close(again, matrix, atol=atol, rtol=0)


@pytest.mark.parametrize("order", ["XYZ", "ZXZ"])
def test_in_gimbal_lock_the_last_angle_is_zero(order):
    exact = {"XYZ": [[0.0, 0, 1], [1, 0, 0], [0, 1, 0]], "ZXZ": [[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]}[order]
    angles = rotation.matrix_to_euler(torch.tensor(exact, dtype=torch.float64), order)
    assert angles.tolist() == pytest.approx([90, 90 if order == "XYZ" else 0, 0])


# Gradients


def weighted_sum(values: torch.Tensor) -> torch.Tensor:
    """A smooth function in which every entry has a weight of its own."""
    weights = torch.arange(1, values.numel() + 1, dtype=values.dtype).reshape(values.shape)
    return (values * weights).sum()


def test_gradcheck_at_ordinary_places():
    matrix = random_matrices(3).requires_grad_()
    other = random_matrices(3, seed=5).requires_grad_()
    euler = randn(3, 3, scale=60.0, seed=3).requires_grad_()
    rows = randn(3, 6, seed=4).requires_grad_()
    quat_a, quat_b = (torch.nn.functional.normalize(randn(3, 4, seed=s), dim=-1).requires_grad_() for s in (6, 7))
    t = torch.tensor([0.1, 0.5, 0.8], dtype=torch.float64, requires_grad=True)
    check = torch.autograd.gradcheck
    for order in ("XYZ", "ZYX", "ZXZ"):
        assert check(lambda e, order=order: rotation.euler_to_matrix(e, order), (euler,), atol=1e-7)
        assert check(lambda m, order=order: rotation.matrix_to_euler(m, order), (matrix,), atol=1e-4)
    assert check(rotation.rot6d_to_matrix, (rows,))
    assert check(rotation.matrix_to_rot6d, (matrix,))
    assert check(rotation.matrix_to_quat, (matrix,))
    assert check(rotation.quat_to_matrix, (quat_a,))
    assert check(rotation.matrix_to_axis_angle, (matrix,))
    assert check(rotation.axis_angle_to_matrix, (randn(3, 3).requires_grad_(),))
    assert check(rotation.quat_multiply, (quat_a, quat_b))
    assert check(rotation.slerp, (quat_a, quat_b, t))
    assert check(rotation.angle_between, (matrix, other))
    assert check(rotation.unroll, (quat_a,))
    assert check(lambda e: rotation.unwrap_euler(e, "XYZ"), (euler,))


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1e-5])
def test_gradcheck_of_axis_angle_at_no_rotation(scale):
    vector = (torch.tensor([[0.3, -0.5, 0.7]], dtype=torch.float64) * scale).requires_grad_()
    assert torch.autograd.gradcheck(rotation.axis_angle_to_matrix, (vector,))
    # There and back is the identity, its gradient too.
    assert torch.autograd.gradcheck(
        lambda v: rotation.matrix_to_axis_angle(rotation.axis_angle_to_matrix(v)), (vector,)
    )
    jacobian = torch.autograd.functional.jacobian(
        lambda v: rotation.matrix_to_axis_angle(rotation.axis_angle_to_matrix(v)), vector
    )
    torch.testing.assert_close(jacobian.reshape(3, 3), torch.eye(3, dtype=torch.float64))


def test_gradcheck_of_a_half_turn():
    vector = torch.nn.functional.normalize(randn(4, 3), dim=-1).mul(math.pi).requires_grad_()
    assert torch.autograd.gradcheck(rotation.axis_angle_to_matrix, (vector,))
    assert torch.autograd.gradcheck(rotation.rot6d_to_matrix, (half_turns().flatten(1)[:, :6].requires_grad_(),))


def exact_half_turns(dtype: torch.dtype) -> torch.Tensor:
    """Identity and the half turns about x, y and z without any rounding, where naive formulas divide by zero."""
    diagonals = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    return torch.diag_embed(diagonals).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_at_no_rotation_half_turns_and_gimbal_lock(dtype):
    locks = [rotation.euler_to_matrix(torch.tensor([20.0, 90.0, 30.0], dtype=dtype), order) for order in ORDERS_3]
    exact_lock = torch.tensor([[[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]], dtype=dtype)
    places = torch.cat([exact_half_turns(dtype), half_turns().to(dtype), torch.stack(locks), exact_lock])
    functions = {
        "rot6d": rotation.matrix_to_rot6d,
        "quat": rotation.matrix_to_quat,
        "axis_angle": rotation.matrix_to_axis_angle,
        "angle to identity": lambda m: rotation.angle_between(m, torch.eye(3, dtype=dtype)),
        "angle to itself": lambda m: rotation.angle_between(m, m.detach()),
        **{f"euler {order}": lambda m, order=order: rotation.matrix_to_euler(m, order) for order in ORDERS_3},
    }
    for name, function in functions.items():
        matrix = places.clone().requires_grad_()
        values = function(matrix)
        weighted_sum(values).backward()
        assert values.isfinite().all(), name
        assert matrix.grad.isfinite().all(), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_towards_matrices_are_finite_at_zero_and_pi(dtype):
    zero, pi = torch.zeros(1, 3, dtype=dtype), torch.tensor([[math.pi, 0, 0], [0, 0, -math.pi]], dtype=dtype)
    flat = torch.zeros(3, 6, dtype=dtype)
    flat[1, 0] = flat[2, 0] = flat[2, 3] = 1  # zero, second row zero, rows parallel
    cases = [
        (rotation.axis_angle_to_matrix, torch.cat([zero, pi])),
        (lambda e: rotation.euler_to_matrix(e, "XYZ"), torch.cat([zero, pi.rad2deg()])),
        (rotation.quat_to_matrix, torch.eye(4, dtype=dtype)),
        (rotation.rot6d_to_matrix, flat),
    ]
    for function, at in cases:
        at = at.clone().requires_grad_()
        weighted_sum(function(at)).backward()
        assert at.grad.isfinite().all()


def test_slerp_between_equal_and_opposite_quaternions():
    quat = rotation.matrix_to_quat(random_matrices(5))
    for other in (quat, -quat):
        a, b = quat.clone().requires_grad_(), other.clone().requires_grad_()
        result = rotation.slerp(a, b, torch.linspace(0, 1, 5, dtype=torch.float64))
        torch.testing.assert_close(result, quat)
        weighted_sum(result).backward()
        assert a.grad.isfinite().all()
        assert b.grad.isfinite().all()


# Bad input


@pytest.mark.parametrize("order", ["", "xyz", "XYZX", "XXY", "XW"])
def test_an_unknown_order_is_named(order):
    with pytest.raises(InputError, match="Euler order"):
        rotation.euler_to_matrix(torch.zeros(max(len(order), 1)), order)


@pytest.mark.parametrize("function", [rotation.nearest_euler, rotation.unwrap_euler])
def test_two_letters_are_too_few_for_branches(function):
    with pytest.raises(InputError, match="three letters"):
        function(
            torch.zeros(2, 3), order="XY", **({"reference_deg": 0.0} if function is rotation.nearest_euler else {})
        )


def test_wrong_width_is_named():
    with pytest.raises(InputError, match="2 columns do not fit the order 'XYZ'"):
        rotation.euler_to_matrix(torch.zeros(4, 2), "XYZ")
    with pytest.raises(InputError, match="'XY'"):
        rotation.matrix_to_euler(torch.eye(3), "XY")
