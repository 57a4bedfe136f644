"""The operator that a hierarchy is, against its dense matrix."""

import pytest
import torch

from sparsecode.hierarchy import JointOperator
from tests.helpers.small_hierarchies import stack, two_branches


@pytest.mark.parametrize("model", [stack((0.5, 2.0)), two_branches()])
def test_the_joint_operators_adjoint_and_bound_are_those_of_its_matrix(model):
    operator = JointOperator.of(model, *model.groups, scales=[0.5, 2.0, 3.0])
    dense = operator.synthesise(torch.eye(sum(model.sizes), dtype=torch.float64)).T
    assert dense.shape == (*operator.signal_shape, *operator.code_shape)
    torch.testing.assert_close(operator.analyse(torch.eye(len(dense), dtype=torch.float64)), dense)
    largest = float(torch.linalg.matrix_norm(dense, 2)) ** 2
    assert largest <= operator.lipschitz() * (1 + 1e-9) < 2 * largest
    zeros = torch.zeros(1, sum(model.sizes), dtype=torch.float32)
    assert operator.to(torch.float32).synthesise(zeros).dtype == torch.float32
