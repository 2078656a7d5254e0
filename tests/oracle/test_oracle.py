# SPDX-License-Identifier: BSD-3-Clause
"""Self-checks of the oracle: run as a script; the first failed assertion stops it."""

import copy
import tempfile

import torch
from torch.nn import functional as F

import closed_form
import golden
import tensor_file
from bilevel_torch import (
    ORDERS,
    Bilevel,
    Settings,
    gradient,
    second_exact,
    second_fd,
    valid_at,
    virtual_weights,
)
from generated_torch import Generated, TiledConv
from hnas_torch import (
    OPS,
    BatchNorm,
    Cell,
    FactorizedReduce,
    Supernet,
    count_weights,
    make_op,
    tracking,
)
from hyper_torch import Hypernet, expected_cost, gumbel_noise, op_costs, relax, scaled
from model_torch import Network, kept_edges
from presets_torch import falling, project

LAMBDA = 1e-2


def close(a, b, bound):
    """Largest error over largest value within `bound`."""
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    return float((a - b).abs().max()) <= bound * max(1e-300, float(b.abs().max()))


def small_step(**settings):
    """The golden files' supernet with the settings given, and a batch of each kind."""
    step = golden.make_step(Settings(**settings))
    batches = golden.make_batches()
    train, valid = ((x[0], y[0]) for x, y in (batches["train"], batches["valid"]))
    return step, train, valid


def test_known_sizes():
    assert count_weights(Supernet((3, 32, 32), 10, 16, 8)) == 1_930_618
    assert count_weights(Supernet((1, 28, 28), 10, 16, 3)) == 672_986
    assert count_weights(Generated(Supernet((1, 28, 28), 10, 16, 3), knots=5)) == 683_266


def test_op_weights_and_sizes():
    c = 6
    sep, dil = lambda k: 2 * (k * k * c + c * c), lambda k: k * k * c + c * c
    weights = {f"sep_conv_{k}x{k}": sep(k) for k in (3, 5, 7)}
    weights.update({f"dil_conv_{k}x{k}": dil(k) for k in (3, 5)})
    weights["conv_7x1_1x7"] = 14 * c * c
    for name in OPS:
        for stride in (1, 2):
            op = make_op(name, c, stride)
            skips = c * c if name == "skip_connect" and stride == 2 else 0
            assert count_weights(op) == weights.get(name, skips), name
            for h, w in ((6, 8), (7, 5), (1, 1), (2, 3)):
                y = op(torch.randn(2, c, h, w))
                assert y.shape == (2, c, -(-h // stride), -(-w // stride)), name


def test_op_gradients():
    for name in OPS:
        for stride in (1, 2):
            op = make_op(name, 2, stride).double()
            x = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
            if name != "none":
                assert torch.autograd.gradcheck(op, (x,)), name


def test_factorized_reduce_shift():
    reduce = FactorizedReduce(2, 2)
    x = torch.randn(1, 2, 3, 3)
    second = reduce.conv1.weight[0, :, 0, 0] @ F.relu(x[0, :, 1, 1])
    padded = torch.zeros(2, 2)
    padded[0, 0] = second
    flat = padded - padded.mean()
    assert close(reduce(x)[0, 1], flat / (flat.square().mean() + BatchNorm.eps).sqrt(), 1e-5)


def test_batch_norm_statistics():
    norm = BatchNorm(2)
    x = torch.randn(3, 2, 2, 2)
    norm(x)
    assert norm.running_mean.eq(0).all() and norm.running_var.eq(1).all()
    with tracking(norm):
        norm(x)
    assert close(norm.running_var, 0.9 + 0.1 * x.var(dim=(0, 2, 3)), 1e-6)
    with tracking(norm):
        assert norm(torch.ones(1, 2, 1, 1)).eq(0).all()


def test_max_pool_ties():
    x = torch.zeros(1, 1, 3, 3, requires_grad=True)
    F.max_pool2d(x, 3, stride=3).sum().backward()
    assert x.grad.flatten().tolist() == [1] + [0] * 8


def test_general_cell():
    cell = Cell(1, 2, [(1, 2), (0, 1), (0, 2)], ("none", "skip_connect"), 3, outputs=[2])
    x = torch.randn(1, 3, 4, 4)
    gates = torch.tensor([[0.5, 2.0], [0.0, 3.0], [1.0, 4.0]])
    assert cell.pairs == [(0, 1), (0, 2), (1, 2)]
    assert close(cell([x], gates), (3 + 2 * 4) * x, 1e-6)


def test_example_gates():
    step, (x, _), _ = small_step()
    gates = step.gates(step.hyper(LAMBDA))
    repeated = [g.expand(len(x), *g.shape) for g in gates.values()]
    assert close(step.net(x, *repeated), step.net(x, *gates.values()), 1e-13)


def test_scales():
    assert scaled(5.0, "raw", (1e-4, 1e-1)) == 5.0
    assert abs(scaled(1e-4, "log", (1e-4, 1e-1)) + 1) < 1e-15
    assert abs(scaled(1e-1, "log", (1e-4, 1e-1)) - 1) < 1e-15
    for lam in (0.0, -1.0, float("nan")):
        try:
            scaled(lam, "log", (1e-4, 1e-1))
        except ValueError:
            continue
        raise AssertionError(lam)


def test_relaxations():
    alpha = torch.randn(5, 8, dtype=torch.float64, requires_grad=True)
    noise = gumbel_noise(alpha.shape, torch.float64)
    soft = relax(alpha, "gumbel", 0.5, noise)
    hard = relax(alpha, "gumbel_hard", 0.5, noise)
    assert sorted(hard[0].tolist()) == [0] * 7 + [1]
    weight = torch.randn_like(alpha)
    (a,) = gradient((soft * weight).sum(), [alpha])
    (b,) = gradient((hard * weight).sum(), [alpha])
    assert close(a, b, 1e-15)
    per_example = gumbel_noise((3, 5, 8), torch.float64)
    assert relax(alpha, "gumbel", 1.0, per_example).shape == (3, 5, 8)


def test_drawn_only():
    step, (x, _), _ = small_step(relaxation="gumbel_hard")
    noise = {k: gumbel_noise((5, 8), torch.float64) for k in ("normal", "reduce")}
    full = step.logits(x, LAMBDA, noise)
    assert close(step.logits(x, LAMBDA, noise, drawn_only=True), full, 1e-13)


def test_alpha_paths():
    step, train, _ = small_step(relaxation="gumbel_hard", alpha_paths=2, order="first")
    noise = {k: gumbel_noise((5, 8), torch.float64) for k in ("normal", "reduce")}
    few = step.limited(LAMBDA, noise)
    assert all(few[k].isfinite().sum(dim=1).eq(2).all() for k in few)
    problem = step.problem(train, train, LAMBDA, noise)
    some = gradient(problem.valid_loss(), step.u)
    step.settings.alpha_paths = 0  # all are evaluated, at gates that are 0
    every = gradient(step.problem(train, train, LAMBDA, few).valid_loss(), step.u)
    assert all(close(a, b, 1e-12) for a, b in zip(some, every))
    full = gradient(step.problem(train, train, LAMBDA, noise).valid_loss(), step.u)
    assert not close(some[0], full[0], 1e-3)


def test_cost():
    net = Supernet((1, 28, 28), 10, 16, 3)
    uniform = {k: torch.full((14, 8), 1 / 8, dtype=torch.float64) for k in ("normal", "reduce")}
    for metric in ("params", "macs"):
        tables, fixed = op_costs(net, metric)
        assert abs(float(expected_cost(uniform, tables)) - 1) < 1e-12
        assert fixed > 0 and not tables["normal"][:, :3].any()
    total = sum(float(t.sum()) for t in op_costs(net)[0].values()) + op_costs(net)[1]
    assert total == 672_986


def test_closed_form():
    problem, opt = closed_form.quadratic()
    weights, _ = virtual_weights(problem, opt)
    assert float(weights[0]) == closed_form.EXPECTED_VIRTUAL_WEIGHT
    _, unrolled, _ = valid_at(problem, weights)
    assert float(unrolled[0]) == closed_form.EXPECTED_WITHOUT_SECOND_TERM
    for order, expected in closed_form.EXPECTED.items():
        _, (g,) = ORDERS[order](problem, opt)
        assert abs(float(g) - expected) < 1e-9, order


def test_fd_against_exact():
    for nesterov in (False, True):
        step, train, valid = small_step(nesterov=nesterov, virtual_clip=True, clip=0.5)
        step.w_step(valid, [LAMBDA])  # a momentum buffer
        problem = step.problem(train, valid, LAMBDA)
        _, exact = second_exact(problem, step.virtual())
        _, approximate = second_fd(problem, step.virtual(), radius=1e-5)
        for a, b in zip(approximate, exact):
            assert close(a, b, 1e-4)


def test_exact_against_unrolled():
    """The chain rule through w' itself, by autograd."""
    step, train, valid = small_step(momentum=0.0)
    problem = step.problem(train, valid, LAMBDA)
    _, exact = second_exact(problem, step.virtual())
    names = [name for name, _ in step.net.named_parameters()]
    grads = gradient(problem.train_loss(), problem.w, create_graph=True)
    lr, decay = step.settings.w_lr, step.settings.weight_decay
    moved = {n: w - lr * (g + decay * w) for n, w, g in zip(names, problem.w, grads)}
    gates = step.gates(step.hyper(LAMBDA))
    x, y = valid
    logits = torch.nn.utils.stateless.functional_call(step.net, moved, (x, *gates.values()))
    for a, b in zip(exact, gradient(F.cross_entropy(logits, y), problem.u)):
        assert close(a, b, 1e-10)


def test_virtual_step_is_the_step():
    """w' is what SGD makes of w at the same parameters, buffers and clip."""
    for nesterov in (False, True):
        step, train, valid = small_step(nesterov=nesterov, virtual_clip=True, clip=0.5)
        step.w_step(valid, [LAMBDA])
        weights, _ = virtual_weights(step.problem(train, valid, LAMBDA), step.virtual())
        step.w_step(train, [LAMBDA])
        for a, b in zip(weights, step.w):
            assert close(a, b, 1e-12)


def test_clip_is_torch_clip():
    step, train, _ = small_step(clip=0.5, momentum=0.0, weight_decay=0.0)
    twin = copy.deepcopy(step)
    twin.train_loss(train, LAMBDA).backward()
    torch.nn.utils.clip_grad_norm_(twin.w, 0.5)
    expected = [w - 0.025 * w.grad for w in twin.w]
    step.w_step(train, [LAMBDA])
    for a, b in zip(step.w, expected):
        assert close(a, b, 1e-12)


def test_passes_are_pure():
    for order in ORDERS:
        step, train, valid = small_step(order=order)
        before = copy.deepcopy(step.net.state_dict())
        step.alpha_step(train, valid, [LAMBDA])
        for name, value in step.net.state_dict().items():
            assert torch.equal(value, before[name]), name
        step.w_step(train, [LAMBDA])
        assert not torch.equal(step.net.stem.bn.running_mean, before["stem.bn.running_mean"])


def test_draws_are_averaged():
    step, train, valid = small_step()
    grads = []
    for lam in (1e-3, 1e-1):
        grads.append(second_fd(step.problem(train, valid, lam), step.virtual())[1])
    mean = [(a + b) / 2 for a, b in zip(*grads)]
    expected = copy.deepcopy(step.hyper)
    adam = torch.optim.Adam(expected.parameters(), 3e-4, (0.5, 0.999), weight_decay=1e-3)
    for u, g in zip(expected.parameters(), mean):
        u.grad = g
    adam.step()
    step.alpha_step(train, valid, [1e-3, 1e-1])
    for a, b in zip(step.u, expected.parameters()):
        assert close(a, b, 1e-12)


def test_tensor_file():
    tensors = {"a": torch.randn(2, 3).numpy(), "b": torch.randn(4).double().numpy()}
    with tempfile.NamedTemporaryFile() as file:
        tensor_file.save(file.name, tensors, {"seed": "1"})
        loaded, metadata = tensor_file.load(file.name)
    assert metadata == {"seed": "1"} and set(loaded) == set(tensors)
    assert all((loaded[name] == tensors[name]).all() for name in tensors)


def test_one_float32_step():
    """Single precision, raw relaxation, one reduction cell, a generator without lambda."""
    net = Supernet((1, 7, 7), 3, 2, 1, nodes=1)
    hyper = Hypernet(2, 8, kind="constant")
    step = Bilevel(net, hyper, Settings(order="first", relaxation="raw"))
    batch = torch.randn(3, 1, 7, 7), torch.tensor([0, 1, 2])
    assert all(torch.tensor(step.step(batch, batch, [LAMBDA])).isfinite())


def test_discrete_network_is_the_supernet_with_one_hot_gates():
    """The same weights by name; dead edges are gone; affine weights change nothing at first."""
    net = Supernet((2, 10, 10), 5, 4, 4, nodes=3).double()
    ops = {"normal": golden.NORMAL, "reduce": golden.REDUCE}
    gates = {
        kind: torch.stack([F.one_hot(torch.tensor(net.ops.index(o)), len(net.ops)) for o in names])
        for kind, names in ops.items()
    }
    alone = Network((2, 10, 10), 5, 4, 4, 3, golden.NORMAL, golden.REDUCE).double()
    weights = net.state_dict()
    alone.load_state_dict({name: weights[name] for name in alone.state_dict()})
    x = torch.randn(3, 2, 10, 10, dtype=torch.float64)
    want = net(x, gates["normal"].double(), gates["reduce"].double())
    assert close(alone(x)[0], want, 1e-12)
    assert close(alone.make_affine().double()(x)[0], want, 1e-12)
    assert (2, 3, "skip_connect") not in kept_edges(golden.NORMAL, 3)


def test_generated_kernels_are_those_of_a_stored_net():
    """What the tiles lay out, put into a net that stores its kernels."""
    stored = Supernet((1, 8, 8), 5, 4, 3, nodes=2).double()
    net = Generated(copy.deepcopy(stored), side=4, embedding=3, with_s=True).double()
    with torch.no_grad():
        net.kernels.v.normal_()
    gates = torch.rand(2, 5, 8, dtype=torch.float64)
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    y = net(x, *gates, s=0.7)
    tiled = {name: m for name, m in net.named_modules() if isinstance(m, TiledConv)}
    weights = {**net.state_dict(), **{n + ".weight": m.kernel for n, m in tiled.items()}}
    stored.load_state_dict({name: weights[name] for name in stored.state_dict()})
    assert len(tiled) == 97 and close(y, stored(x, *gates), 1e-12)
    assert not close(y, net(x, *gates, s=-0.7), 1e-3)


def test_the_cone_is_projected_onto():
    """Zero operation first, then by cost, equals in any order; violators are pooled."""
    assert falling([3.0, 1.0, 1.0, -2.0]) == [3.0, 1.0, 1.0, -2.0]
    assert falling([0.0, 2.0, 1.0]) == [1.0, 1.0, 1.0]
    b1, cost = torch.tensor([[0.0, 1.0, 5.0, 2.0]]), torch.tensor([[0.0, 9.0, 9.0, 4.0]])
    project(b1, cost, 0)
    assert close(b1, torch.tensor([[7 / 3, 1.0, 7 / 3, 7 / 3]]), 1e-6)


def main():
    """Every test in order of its definition."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tests = [f for name, f in globals().items() if name.startswith("test_")]
    for test in tests:
        test()
        print("ok", test.__name__)
    print(f"{len(tests)} tests passed")


if __name__ == "__main__":
    main()
