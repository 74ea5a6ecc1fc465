import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genmech_fem.metrics import relative_frobenius, symmetric_matrix, upper_triangle

vectors = st.sampled_from([1, 3, 6, 21]).flatmap(lambda n: arrays(float, (2, n), elements=st.floats(-5, 5)))


@given(vectors)
def test_vector_and_symmetric_matrix_are_inverse(vector):
    matrix = symmetric_matrix(vector)
    np.testing.assert_array_equal(matrix, matrix.swapaxes(-1, -2))
    np.testing.assert_array_equal(upper_triangle(matrix), vector)


def test_the_distance_is_that_of_the_fourth_order_tensors():
    """The Frobenius norm of the Mandel matrix is the norm of C_ijkl, whatever the basis."""
    generator = np.random.default_rng(0)
    basis = np.array([[[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 0.5**0.5], [0.5**0.5, 0]]])
    a, b = (upper_triangle(m + m.T) for m in generator.random((2, 3, 3)))
    full = [np.einsum("mij,mn,nkl->ijkl", basis, symmetric_matrix(v), basis) for v in (a, b)]
    expected = np.linalg.norm(full[0] - full[1]) / np.linalg.norm(full[1])
    assert relative_frobenius(a, b) == pytest.approx(expected)


def test_a_vector_that_is_no_triangle_is_refused():
    with pytest.raises(ValueError, match="upper triangle, got 5"):
        symmetric_matrix(np.zeros(5))
