"""bernet.torch: layers, derivatives, schedules. Skipped without PyTorch."""

import doctest
import importlib
import io
import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")
bt = importlib.import_module("bernet.torch")
from bernet.poisson_binomial import PoissonBinomial  # noqa: E402
from torch import nn  # noqa: E402

FORMS = ["exact", "power-sums", "normal"]


@pytest.fixture(autouse=True)
def same_every_time():
    torch.manual_seed(1)
    torch.set_num_threads(1)


def means(*shape, dtype=torch.float64):
    return torch.rand(*shape, dtype=dtype) * 1.8 - 0.9


def bits(*shape):
    return torch.where(torch.randn(*shape) >= 0, 1.0, -1.0)


def test_survival_is_the_distribution():
    """Against bernet.poisson_binomial: S >= t is K >= (N + t)/2."""
    x, w = means(5, 36), means(4, 36)
    for threshold in (-3.0, 0.0, 0.5, 2.0, 100.0, -100.0):
        cut = int(np.ceil((36 + threshold) / 2))
        v = (1 + (x[:, None] * w[None]).numpy()) / 2
        right = PoissonBinomial(v).sf(cut - 1)
        assert np.abs(bt.survival(x, w, threshold).numpy() - right).max() < 1e-12
        assert np.abs(bt.survival(x.float(), w.float(), threshold).numpy() - right).max() < 1e-6
        assert np.abs(bt.survival(x, w, threshold, form="power-sums").numpy() - right).max() < 2e-4
        assert np.abs(bt.survival(x, w, threshold, form="normal").numpy() - right).max() < 5e-3


def test_power_sums_of_many_factors():
    x, w = bits(20, 800).double(), means(20, 800)
    right = bt.survival(x, w)
    assert (bt.survival(x, w, form="power-sums") - right).abs().max() < 1e-6
    assert (bt.survival(x.float(), w.float()) - right).abs().max() < 1e-6


def test_nearly_certain_factors_stay_in_range():
    w = torch.ones(3, 50, dtype=torch.float64)
    w[1, :2] = 0.5
    w[2, :] = 0.999
    for form in FORMS:
        found = bt.survival(bits(40, 50).double(), w, form=form)
        assert ((found >= 0) & (found <= 1)).all(), form


@pytest.mark.parametrize("form", FORMS)
def test_gradcheck(form):
    x, w = means(3, 9).requires_grad_(), means(2, 9).requires_grad_()
    threshold = torch.tensor([1.0, -1.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x, w: bt.survival(x, w, threshold, form=form), (x, w))


@pytest.mark.parametrize("form", FORMS)
def test_gradcheck_of_layers(form):
    """By input, latents and β, whose derivative the exact form's step function has none of: without normalisation β is left out."""
    layer = bt.BernoulliLinear(7, 3, form=form, natural=False, normalise=False, temperature=1.0, dtype=torch.float64)
    layer.beta.requires_grad_(False)
    conv = bt.BernoulliConv2d(
        2, 4, 3, 2, padding=1, groups=2, form=form, natural=False, normalise=False, temperature=1.0, dtype=torch.float64
    )
    conv.beta.requires_grad_(False)
    for module, x in [(layer, means(4, 7)), (conv, means(2, 2, 5, 5))]:
        def function(x, latent, module=module):
            return torch.func.functional_call(module, {"latent": latent}, (x,))

        latent = module.latent.detach().clone().requires_grad_()
        assert torch.autograd.gradcheck(function, (x.requires_grad_(), latent))


def test_expectation_is_linear_and_exact():
    layer = bt.ExpectationLinear(9, 4, natural=False, temperature=1.0, dtype=torch.float64)
    x = means(3, 9).requires_grad_()
    expected = x @ layer.means.T / 3
    assert (layer(x) - expected).abs().max() < 1e-12
    assert torch.autograd.gradcheck(layer, (x,))


def test_convolution_is_the_dense_layer_on_windows():
    for form in FORMS:
        conv = bt.BernoulliConv2d(3, 5, (2, 3), stride=(1, 2), dilation=(2, 1), padding=1, form=form, dtype=torch.float64)
        dense = bt.BernoulliLinear(18, 5, form=form, dtype=torch.float64)
        with torch.no_grad():
            dense.latent.copy_(conv.latent.flatten(1))
        x = bits(4, 3, 7, 8).double()
        found = conv(x)
        windows = nn.functional.unfold(nn.functional.pad(x, (1, 1, 1, 1), value=-1.0), (2, 3), (2, 1), 0, (1, 2))
        right = dense(windows.transpose(1, 2).reshape(-1, 18)).view(4, -1, 5).transpose(1, 2)
        assert (found.flatten(2) - right).abs().max() < 1e-9
        assert (conv.eval()(x).flatten(2) - dense.eval()(windows.transpose(1, 2)).transpose(1, 2)).abs().max() == 0


def test_forms_agree():
    """Deep enough, all forms of a layer say nearly the same, and so do their derivatives."""
    x, results = bits(50, 400), []
    latent = None
    for form in FORMS:
        layer = bt.BernoulliLinear(400, 6, form=form)
        latent = layer.latent.detach().clone() if latent is None else latent
        with torch.no_grad():
            layer.latent.copy_(latent)
        y = layer(x)
        (y * torch.linspace(-1, 1, 6)).sum().backward()
        results.append((y.detach(), layer.latent.grad, layer.beta.grad))
    for other in results[1:]:
        for right, found in zip(results[0], other):
            assert (right - found).abs().max() < 0.1 * right.abs().max()
    assert (results[0][0] - results[1][0]).abs().max() < 1e-4


def test_sampled_weights_have_their_means():
    layer = bt.ExpectationLinear(10, 3, sampled=True, temperature=0.5)
    drawn = torch.stack([layer(torch.eye(10)) for _ in range(3000)]) * torch.exp(layer.log_scale)
    assert set(drawn.unique().round(decimals=4).tolist()) == {-1.0, 1.0}
    assert (drawn.mean(0).T - layer.means).abs().max() < 0.08


def test_natural_gradient_goes_to_the_latents():
    x = bits(20, 9)
    grads = []
    for natural in (True, False):
        layer = bt.ExpectationLinear(9, 2, natural=natural, temperature=0.7)
        with torch.no_grad():
            layer.latent.copy_(torch.linspace(-1, 1, 18).view(2, 9))
        layer(x).square().sum().backward()
        grads.append(layer.latent.grad)
        slope = (1 - layer.means.detach() ** 2) / 0.7
    assert torch.allclose(grads[0] * slope, grads[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", bt.SURROGATES)
def test_surrogates(name):
    """The derivative of Sign is the surrogate, and the surrogate that of the function it is named after."""
    x = torch.tensor([-3.0, -1.1, -0.9, -0.3, 0.0, 0.2, 0.7, 1.2], requires_grad=True)
    y = bt.Sign(name, width=0.8)(x)
    assert y.tolist() == [-1, -1, -1, -1, 1, 1, 1, 1]
    y.sum().backward()
    assert torch.equal(x.grad, bt.surrogate(x.detach(), name, 0.8))
    whole = {"identity": None, "hard-tanh": 2, "polynomial": 2, "heavy-tailed": None}[name]
    if whole:
        grid = torch.linspace(-5, 5, 100001)
        assert abs(bt.surrogate(grid, name).sum().item() * 1e-4 - whole) < 1e-3


def test_larq_names():
    assert bt.Sign("ste_sign").surrogate == "hard-tanh" and bt.Sign("approx_sign").surrogate == "polynomial"
    with pytest.raises(ValueError, match="surrogate: expected one of identity, .* found 'swish'"):
        bt.Sign("swish")


def test_quantised_layers():
    dense, conv = bt.QuantLinear(9, 4), bt.QuantConv2d(2, 4, 3, padding=1)
    x = bits(5, 9)
    assert torch.equal(dense(x), x @ torch.sign(dense.latent).T)
    image = bits(2, 2, 6, 6)
    right = nn.functional.conv2d(image, torch.sign(conv.latent), padding=1)
    assert torch.equal(conv(image), right) and torch.equal(conv.eval()(image), right)
    with torch.no_grad():
        dense.latent[0, 0] = 1.5
    dense(x).sum().backward()
    # Larq's ste_sign passes nothing beyond ±1.
    assert dense.latent.grad[0, 0] == 0 and dense.latent.grad[0, 1] == x[:, 1].sum()


def test_batch_norm_is_the_usual_one():
    ours, theirs = bt.BinaryBatchNorm(3), nn.BatchNorm2d(3, eps=1e-4)
    x = torch.randn(8, 3, 5, 5) * 4 + 2
    with torch.no_grad():
        ours.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        ours.bias.copy_(torch.tensor([0.1, 0.2, -3.0]))
        theirs.load_state_dict({"weight": ours.weight, "bias": ours.bias}, strict=False)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    assert torch.allclose(ours(a), theirs(b), atol=1e-5)
    ours(a)[:, :, ::2].square().sum().backward()
    theirs(b)[:, :, ::2].square().sum().backward()
    assert torch.allclose(a.grad, b.grad, atol=1e-4)
    assert torch.allclose(ours.moments.running_mean, theirs.running_mean, atol=1e-5)


def test_binarizer_has_the_schedules_of_the_command_line():
    """The numbers of src/train/schedule.rs's tests."""
    def of(way, layers=5, **more):
        net = nn.Sequential(*[bt.BernoulliLinear(10, 10) for _ in range(layers)])
        return bt.Binarizer(net, way, steps=100, **more)

    part = of("part")
    assert [part.share(done, 0) for done in (0.39, 0.4, 0.42, 0.95, 1.0)] == [0, 0.05, 0.05, 1, 1]
    whole = of("all")
    assert [whole.share(done, 2) for done in (0.84, 0.86)] == [0, 1]
    layer = of("layer", 3)
    frozen = [[layer.share(done, index) for index in range(3)] for done in (0.41, 0.6, 0.95)]
    assert frozen == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    both = of("layer", 2, parts=2)
    assert [[both.share(done, index) for index in range(2)] for done in (0.41, 0.7, 0.95)] == [[0.5, 0], [1, 0.5], [1, 1]]
    assert of("none").share(1.0, 0) == 0


def test_frozen_weights_stay():
    """Whatever the optimiser does to the latents afterwards, momentum included."""
    net = nn.Sequential(bt.BernoulliLinear(36, 8, form="sampled"), bt.QuantLinear(8, 8), bt.ExpectationLinear(8, 4))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.3)
    binarizer = bt.Binarizer(net, "part", steps=40, parts=4)
    seen = {}
    for _ in range(40):
        optimizer.zero_grad()
        net(bits(20, 36)).square().mean().backward()
        for layer in binarizer.layers:
            assert (layer.latent.grad[layer.frozen != 0] == 0).all()
        optimizer.step()
        binarizer.step()
        for index, layer in enumerate(binarizer.layers):
            kept = seen.get(index, torch.zeros_like(layer.frozen))
            assert torch.equal(layer.frozen[kept != 0], kept[kept != 0])
            assert (layer.latent.abs() <= 1).all()
            seen[index] = layer.frozen.clone()
            weights = layer.binary_weights
            assert torch.equal(weights[layer.frozen != 0], layer.frozen[layer.frozen != 0].float())
    assert binarizer.frozen == 1.0
    assert net[0].temperature.item() == pytest.approx(0.02) and net[0].width.item() == pytest.approx(0.8)


def test_training_resumes_to_the_same_bits():
    def begin():
        torch.manual_seed(2)
        net = nn.Sequential(bt.BernoulliLinear(36, 8), bt.ExpectationLinear(8, 4))
        return net, torch.optim.Adam(net.parameters(), lr=0.05), bt.Binarizer(net, "part", steps=20)

    def go(net, optimizer, binarizer, steps):
        for step in steps:
            torch.manual_seed(step)
            optimizer.zero_grad()
            net(bits(20, 36)).square().mean().backward()
            optimizer.step()
            binarizer.step()

    whole = begin()
    go(*whole, range(20))
    half = begin()
    go(*half, range(10))
    file = io.BytesIO()
    torch.save([part.state_dict() for part in half], file)
    file.seek(0)
    again = begin()
    for part, state in zip(again, torch.load(file)):
        part.load_state_dict(state)
    go(*again, range(10, 20))
    for right, found in zip(whole[0].state_dict().values(), again[0].state_dict().values()):
        assert torch.equal(right, found)


def test_recalibration_measures_the_binary_net():
    net = nn.Sequential(bt.BernoulliLinear(36, 8), nn.Flatten(), bt.QuantLinear(8, 6), bt.BinaryBatchNorm(6), nn.BatchNorm1d(6))
    x = bits(200, 36)
    bt.recalibrate(net, [(x[:100], None), (x[100:], None)])
    assert not net.training and not net[3].moments.measuring and net[4].momentum == 0.1
    sums = x @ net[0].binary_weights.T
    halves = [sums[:100], sums[100:]]
    assert torch.allclose(net[0].moments.running_mean, sum(half.mean(0) for half in halves) / 2, atol=1e-5)
    assert torch.allclose(net[0].moments.running_var, sum(half.var(0, correction=0) for half in halves) / 2, rtol=1e-4)


@pytest.mark.parametrize("form", [*FORMS, "sampled"])
def test_compiled_is_the_same(form):
    """torch.compile takes all forms in one graph."""
    net = nn.Sequential(bt.BernoulliConv2d(1, 4, 3, form=form), bt.BernoulliConv2d(4, 8, 3, form=form, hard=True),
                        bt.QuantConv2d(8, 8, 1), bt.BinaryBatchNorm(8), bt.Sign(), bt.ExpectationLinear(8, 4))
    x = bits(10, 1, 8, 8)
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    results = []
    for module in (net, compiled):
        state = {name: value.clone() for name, value in net.state_dict().items()}
        torch.manual_seed(3)
        net.zero_grad()
        y = module(x)
        y.square().sum().backward()
        results.append([y.detach(), *(one.grad.clone() for one in net.parameters())])
        net.load_state_dict(state)
    if form == "sampled":
        return
    for right, found in zip(*results):
        assert torch.allclose(right, found, rtol=1e-4, atol=1e-4)


def test_autocast_keeps_sums_whole():
    """Sums of a thousand ±1 are not numbers of bfloat16: layers keep to their own type."""
    layer = bt.QuantLinear(1001, 4)
    x = bits(20, 1001)
    right = layer(x)
    net = bt.BernoulliLinear(1001, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = layer(x)
        assert nn.functional.linear(x, torch.sign(layer.latent)).dtype == torch.bfloat16
        assert net(x).dtype == torch.float32
        net(x.bfloat16()).sum().backward()
    assert found.dtype == torch.float32 and torch.equal(found, right)


def test_misuse_says_what_to_do():
    x = torch.ones(2, 9)
    for raises, match, call in [
        (ValueError, "form: expected one of sampled, exact, power-sums, normal, found 'central'", lambda: bt.BernoulliLinear(9, 2, form="central")),
        (ValueError, "temperature: expected more than 0", lambda: bt.BernoulliLinear(9, 2, temperature=0)),
        (ValueError, r"padding_value: expected one of \(-1, 1\), found 0", lambda: bt.BernoulliConv2d(1, 2, 3, padding=1, padding_value=0)),
        (ValueError, "groups: expected a divisor of 3 and 4", lambda: bt.QuantConv2d(3, 4, 3, groups=2)),
        (ValueError, "expected 9 features, found", lambda: bt.BernoulliLinear(9, 2)(torch.ones(2, 8))),
        (ValueError, r"expected the shape \(n, 3, height, width\)", lambda: bt.QuantConv2d(3, 4, 3)(x)),
        (ValueError, "1.5, expected -1 to 1|1.5", lambda: bt.survival(x * 1.5, x)),
        (TypeError, "float32 or float64, one type", lambda: bt.survival(x.half(), x.half())),
        (ValueError, "on the CPU, found meta.*power-sums", lambda: bt.survival(x.to("meta"), x.to("meta"))),
        (ValueError, "expected a layer of binary weights", lambda: bt.Binarizer(nn.Linear(2, 2), steps=3)),
        (ValueError, "way: expected one of", lambda: bt.Binarizer(bt.QuantLinear(2, 2), "some", steps=3)),
    ]:
        with pytest.raises(raises, match=match):
            call()


def test_layers_run_on_any_device():
    """The meta device stands for one that has none of our kernels."""
    x = torch.ones(4, 36, device="meta")
    for form in ("power-sums", "normal", "sampled"):
        assert bt.BernoulliLinear(36, 8, form=form, device="meta")(x).shape == (4, 8)
    with pytest.raises(ValueError, match="runs on any device"):
        bt.BernoulliLinear(36, 8, device="meta")(x)


def test_examples_of_the_documentation():
    """Every public name has an example, and it runs."""
    for name in bt.__all__:
        found = getattr(bt, name)
        if callable(found):
            assert ">>>" in found.__doc__, name
    for module in ("_functional", "_layers", "_quantised", "_binarizer", "_export"):
        module = importlib.import_module(f"bernet.torch.{module}")
        result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
        assert result.failed == 0 and result.attempted > 0, module


def test_without_pytorch(monkeypatch):
    import subprocess
    import sys

    code = "import sys; sys.modules['torch'] = None\ntry:\n    import bernet.torch\nexcept ImportError as error:\n    print(error)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert re.search(r"PyTorch is not installed; pip install torch", said)
