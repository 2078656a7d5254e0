# SPDX-License-Identifier: BSD-3-Clause
"""Bilevel problems written in Python, and optimizers over tensors."""
import numpy as np
import pytest

import hnas


class Lines:
    """L_valid = a w - 2 a + 1, L_train = (w - a)^2 at (a, w) = (2, -2):
    with a rate of 0.5 the virtual weight is 2, the exact gradient of a is 2,
    and -4 where w is taken as it is."""

    def __init__(self, ctx, **settings):
        self.a = hnas.Tensor([2.0], ctx, wanted=True)
        self.w = hnas.Tensor([-2.0], ctx, wanted=True)
        self.seen = []
        settings = {"w_lr": (0.5, 0.5), "w_momentum": 0, "w_weight_decay": 0,
                    "w_clip": 0, "u_weight_decay": 0, **settings}
        self.problem = hnas.Problem(self.train, self.valid, [self.w], [self.a],
                                    ctx=ctx, **settings)

    def train(self, tape, request):
        self.seen.append(("train", request))
        d = tape.add(self.w, tape.affine(self.a, -1))
        return tape.sum(tape.mul(d, d))

    def valid(self, tape, request):
        self.seen.append(("valid", request))
        both = tape.add(tape.mul(self.a, self.w), tape.affine(self.a, -2))
        return tape.sum(tape.affine(both, 1, 1))

    def values(self):
        return float(self.a.numpy()[0]), float(self.w.numpy()[0])


@pytest.mark.parametrize("order, slope", [("first", -4), ("second_fd", 2),
                                          ("second_exact", 2)])
def test_the_gradient_of_a_problem_is_the_closed_form(ctx, order, slope):
    lines = Lines(ctx, order=order)
    (g,) = lines.problem.gradient()
    np.testing.assert_allclose(g, [slope], rtol=1e-4)
    assert lines.values() == (2, -2)


def test_a_step_moves_u_by_adam_and_then_w_by_sgd(ctx):
    lines = Lines(ctx, order="second_exact", u_lr=0.25)
    info = lines.problem.step([0.5, 0.25])
    a, w = lines.values()
    assert a == pytest.approx(1.75)  # Adam's first step is the rate
    assert w == pytest.approx(-2 - 0.5 * 2 * (-2 - 1.75))
    assert info.step == lines.problem.steps == 1
    assert info.valid_loss == pytest.approx(2 * 2 - 4 + 1)
    assert info.train_loss == pytest.approx((-2 - 1.75) ** 2)
    assert [r.lam for name, r in lines.seen if name == "valid"] == [0.5, 0.25]
    assert lines.seen[-1] == ("train", hnas.LossRequest(0.5, 0, 0))


def test_after_u_projects(ctx):
    lines = Lines(ctx, u_lr=1.0,
                  after_u=lambda: lines.a.set(np.array([0.5], np.float32)))
    lines.problem.step()
    assert lines.values()[0] == 0.5


@pytest.mark.parametrize("where", ["train", "valid", "after_u"])
def test_an_exception_ends_the_step_and_nothing_has_moved(ctx, where):
    def fail(*_):
        raise KeyError(where)

    lines = Lines(ctx, **({"after_u": fail} if where == "after_u" else {}))
    if where != "after_u":
        lines.problem._losses = tuple(
            fail if name == where else getattr(lines, name)
            for name in ("train", "valid"))
    with pytest.raises(KeyError, match=where):
        lines.problem.step()
    assert lines.values() == (2, -2) and lines.problem.steps == 0


def test_a_loss_that_is_no_tensor_is_named(ctx):
    lines = Lines(ctx)
    lines.problem._losses = (lines.train, lambda tape, request: 3.0)
    with pytest.raises(TypeError, match="float, want hnas.Tensor"):
        lines.problem.step()


def test_a_cancelled_step_says_so(ctx):
    lines = Lines(ctx)
    lines.problem.cancel()
    with pytest.raises(hnas.StoppedError):
        lines.problem.step()
    lines.problem.step()
    assert lines.problem.steps == 1


def test_settings_are_checked(ctx):
    with pytest.raises(hnas.RangeError, match="warmup"):
        Lines(ctx, warmup=2)
    with pytest.raises(hnas.UnknownNameError, match="third"):
        Lines(ctx, order="third")


def descend(ctx, make, lr):
    """Five steps on the sum of (x - 1)^2; the values of x."""
    x, tape = hnas.Tensor([3.0, -1.0], ctx, wanted=True), hnas.Tape(ctx)
    optimizer = make([x])
    for _ in range(5):
        optimizer.zero_grad()
        tape.reset()
        d = tape.affine(x, 1, -1)
        tape.backward(tape.sum(tape.mul(d, d)))
        optimizer.step(lr)
    assert optimizer.steps == 5
    return x.numpy(copy=True)


@pytest.mark.parametrize("momentum, nesterov", [(0, False), (0.9, True)])
def test_sgd_is_torch_sgd(ctx, momentum, nesterov):
    torch = pytest.importorskip("torch")
    ours = descend(ctx, lambda p: hnas.SGD(
        p, momentum=momentum, nesterov=nesterov, weight_decay=0.01, clip=2,
        ctx=ctx), 0.1)
    theirs = torch.tensor([3.0, -1.0], requires_grad=True)
    optimizer = torch.optim.SGD([theirs], 0.1, momentum=momentum,
                                nesterov=nesterov, weight_decay=0.01)
    for _ in range(5):
        optimizer.zero_grad()
        ((theirs - 1) ** 2).sum().backward()
        torch.nn.utils.clip_grad_norm_([theirs], 2)
        optimizer.step()
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-5)


def test_adam_is_torch_adam(ctx):
    torch = pytest.importorskip("torch")
    ours = descend(ctx, lambda p: hnas.Adam(
        p, betas=(0.8, 0.99), weight_decay=0.01, ctx=ctx), 0.1)
    theirs = torch.tensor([3.0, -1.0], requires_grad=True)
    optimizer = torch.optim.Adam([theirs], 0.1, (0.8, 0.99), weight_decay=0.01)
    for _ in range(5):
        optimizer.zero_grad()
        ((theirs - 1) ** 2).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-5)


def test_a_gradient_that_is_no_number_moves_nothing(ctx):
    x, tape = hnas.Tensor([1.0], ctx, wanted=True), hnas.Tape(ctx)
    adam = hnas.Adam([x], ctx=ctx)
    tape.backward(tape.sum(tape.affine(tape.affine(x, 1e30), 1e30)))
    with pytest.raises(hnas.NotFiniteError):
        adam.step(0.1)
    assert x.numpy()[0] == 1 and adam.steps == 0
