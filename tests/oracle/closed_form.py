# SPDX-License-Identifier: BSD-3-Clause
"""A bilevel problem whose gradients are known in closed form.

L_val = a w - 2 a + 1, L_train = w^2 - 2 a w + a^2, xi = 0.5, at (a, w) = (2, -2).
"""

import torch

from bilevel_torch import Problem, Virtual


def quadratic():
    """The problem and the weight optimizer's settings."""
    a = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    w = torch.tensor(-2.0, dtype=torch.float64, requires_grad=True)
    problem = Problem(
        w=[w],
        u=[a],
        train_loss=lambda: w * w - 2 * a * w + a * a,
        valid_loss=lambda: a * w - 2 * a + 1,
    )
    return problem, Virtual(lr=0.5)


EXPECTED = {"first": -4.0, "second_fd": 2.0, "second_exact": 2.0}
EXPECTED_VIRTUAL_WEIGHT = 2.0
EXPECTED_WITHOUT_SECOND_TERM = 0.0
