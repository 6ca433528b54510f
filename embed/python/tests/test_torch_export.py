"""bernet.torch.export: the model's logits are the module's. Skipped without PyTorch."""

import importlib

import bernet
import numpy as np
import pytest

torch = pytest.importorskip("torch")
bt = importlib.import_module("bernet.torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402


@pytest.fixture(autouse=True)
def same_every_time():
    torch.manual_seed(1)
    torch.set_num_threads(1)


def bits(*shape):
    return torch.where(torch.randn(*shape) >= 0, 1.0, -1.0)


def trained(net, batches):
    """Parameters and statistics that are none of the first ones: γ of both signs, thresholds away from 0."""
    net.train()
    for parameter in net.parameters():
        if parameter.ndim <= 1:
            with torch.no_grad():
                parameter.add_(torch.randn_like(parameter) * 0.5)
    with torch.no_grad():
        for batch in batches:
            net(batch)
    return net.eval()


def check(net, x, exactly, **options):
    """The same outputs, and the model's own."""
    trained(net, [x])
    model = bt.export(net, x, **options)
    kind = np.uint8 if options.get("input") == "uint8" else np.float32
    found = model.run(x.numpy().astype(kind))["output"]
    right = net(x).detach().numpy()
    assert found.shape == right.shape
    if exactly:
        assert (found == right).all()
    else:
        assert np.abs(found - right).max() <= 1e-5 * max(1, np.abs(right).max())
    # A file and back.
    assert (bernet.load(model.to_bytes()).run(x.numpy().astype(kind))["output"] == found).all()
    return model


def operators(model):
    return [layer.operator for layer in model.layers]


def test_bernoulli_net_is_all_bits():
    net = nn.Sequential(
        bt.BernoulliConv2d(1, 8, 6, stride=2), bt.BernoulliConv2d(8, 16, 3, padding=1, padding_value=1),
        bt.BernoulliConv2d(16, 16, 3, groups=4, dilation=2), nn.MaxPool2d(2), nn.Flatten(),
        bt.BernoulliLinear(256, 24), nn.Dropout(), bt.ExpectationLinear(24, 10),
    )
    x = bits(50, 1, 28, 28)
    model = check(net, x, True, input="bit")
    assert set(operators(model)) <= {"binary conv", "threshold", "max pool", "transpose", "binary dense", "affine"}
    assert model.threshold == 128 and model.classes == 10
    pictures = ((x[:, 0] > 0).numpy() * 255).astype(np.uint8)
    assert (model.predict(pictures) == net(x).argmax(1).numpy()).all()
    assert (model.real_logits(pictures) == net(x).detach().numpy()).all()


def test_talk_net():
    """The dense layers as 1×1 convolutions, the expectation layer's logits summed over the positions."""
    net = nn.Sequential(
        bt.BernoulliConv2d(1, 8, 6, 2), bt.BernoulliConv2d(8, 32, 10, 2),
        bt.BernoulliConv2d(32, 64, 1), bt.BernoulliConv2d(64, 80, 1), bt.ExpectationLinear(80, 10),
    )
    check(net, bits(50, 1, 28, 28), True, input="bit")
    check(net, bits(50, 1, 28, 28), True)


def test_larq_net_on_floats():
    """Real first layer, bits after it: the thresholds are integers, and no bit differs."""
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8),
        bt.QuantConv2d(8, 16, 3, padding=1, input_quantizer="ste_sign"), nn.MaxPool2d(2), bt.BinaryBatchNorm(16),
        bt.QuantConv2d(16, 16, 3, 2, padding=1, padding_value=1, input_quantizer="approx_sign"), bt.BinaryBatchNorm(16),
        nn.Flatten(), bt.QuantLinear(144, 20, input_quantizer=bt.Sign()), bt.BinaryBatchNorm(20), bt.Sign(), bt.QuantLinear(20, 10),
    )
    model = check(net, torch.randn(20, 3, 12, 12), True, pixels="0..1")
    assert operators(model).count("threshold") >= 2 and operators(model).count("binary conv") == 2
    assert model.predict(np.zeros((2, 12, 12, 3), np.uint8)).shape == (2,)


def test_bytes_in():
    net = nn.Sequential(bt.QuantConv2d(1, 8, 5, 2, padding=1), bt.BinaryBatchNorm(8), bt.Sign(), bt.ExpectationLinear(8, 4))
    x = torch.randint(0, 256, (30, 1, 13, 13)).float()
    model = check(net, x, True, input="uint8")
    assert operators(model)[:2] == ["binary conv", "threshold"]
    assert (model.predict(x[:, 0].numpy().astype(np.uint8)) == net(x).argmax(1).numpy()).all()


def test_vectors_in():
    check(nn.Sequential(bt.BernoulliLinear(36, 9, normalise=False), bt.ExpectationLinear(9, 3)), bits(20, 36), True, input="bit")
    check(bt.ExpectationLinear(9, 3), bits(20, 9), True, input="bit")
    check(nn.Sequential(nn.Linear(7, 9), nn.BatchNorm1d(9), bt.Sign(), bt.QuantLinear(9, 3)), torch.randn(20, 7), True)


class Residual(nn.Module):
    """All ways to write the same few functions."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, bias=False)
        self.conv = bt.QuantConv2d(8, 8, 3, padding=1, padding_value=1, input_quantizer="approx_sign")
        self.norm = bt.BinaryBatchNorm(8)
        self.slope = nn.PReLU(8)
        self.down = nn.Sequential(nn.AvgPool2d(2, padding=1), nn.Conv2d(8, 8, 1))
        self.head = nn.Linear(32, 6)

    def forward(self, x):
        x = functional.relu(self.stem(x))
        x = x + self.slope(self.norm(self.conv(x)))
        x = self.down(x) * 0.5 + 1
        x = torch.cat([x, 1 - functional.max_pool2d(x, 3, 1, 1), x.clamp(-1, 1), torch.tanh(x)], dim=1)
        a = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        b = x.mean((2, 3))
        c = functional.avg_pool2d(x, 2)
        return self.head(a - b + functional.adaptive_avg_pool2d(c, 1).view(x.size(0), -1))


def test_residual_net():
    check(Residual(), torch.randn(10, 3, 12, 12), False)


def test_flattened_pictures_keep_pytorchs_order():
    x = torch.randn(6, 3, 4, 5)
    check(nn.Sequential(nn.Conv2d(3, 4, 2), nn.Flatten(), nn.Linear(48, 5)), x, False)
    check(nn.Sequential(nn.Conv2d(3, 4, 2), nn.Flatten(), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 5)), x, False)
    check(nn.Sequential(nn.Conv2d(3, 4, 2), nn.Flatten()), x, False)
    check(nn.Sequential(nn.Conv2d(3, 4, 2)), x, False)


@pytest.mark.parametrize("module", [
    nn.ReLU6(), nn.Hardtanh(-0.5, 2.0), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.Sigmoid(), nn.Tanh(), nn.PReLU(), nn.Softmax(1),
    nn.LogSoftmax(1), nn.Identity(),
], ids=lambda module: type(module).__name__)
def test_functions(module):
    check(nn.Sequential(nn.Linear(6, 5), module), torch.randn(9, 6) * 3, False)
    check(nn.Sequential(nn.Conv2d(2, 5, 1), module), torch.randn(4, 2, 3, 3), False)


def test_many_random_nets():
    """The same bits, whatever the sizes."""
    random = np.random.default_rng(1)
    for seed in range(25):
        torch.manual_seed(seed)
        channels, size = int(random.integers(1, 5)), int(random.integers(6, 12))
        layers, now = [], channels
        for _ in range(int(random.integers(1, 4))):
            groups = int(random.choice([1, now]))
            out = groups * int(random.integers(1, 8))
            options = {"padding": int(random.integers(0, 2)), "padding_value": int(random.choice([-1, 1])), "groups": groups}
            kernel, stride = tuple(random.integers(1, 3, 2).tolist()), tuple(random.integers(1, 3, 2).tolist())
            if random.random() < 0.5:
                layers.append(bt.BernoulliConv2d(now, out, kernel, stride, **options))
            else:
                layers += [bt.QuantConv2d(now, out, kernel, stride, **options), bt.BinaryBatchNorm(out), bt.Sign()]
            now = out
        layers.append(bt.ExpectationLinear(now, 3))
        check(nn.Sequential(*layers), bits(12, channels, size, size), True, input=random.choice(["bit", "float32"]))


def test_compiled_module():
    net = nn.Sequential(bt.BernoulliLinear(36, 9), bt.ExpectationLinear(9, 3))
    x = bits(4, 36)
    model = bt.export(torch.compile(net, backend="eager"), x, input="bit")
    assert (model.run(x.numpy())["output"] == net.eval()(x).detach().numpy()).all()


def test_training_goes_on_after_export():
    net = nn.Sequential(bt.BernoulliLinear(36, 9), nn.Dropout().eval(), bt.ExpectationLinear(9, 3))
    bt.export(net, bits(4, 36), input="bit")
    assert [one.training for one in net] == [True, False, True]


class Branches(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x + self.shift


class Two(nn.Module):
    def forward(self, x):
        return x, x


def test_refusals_name_the_module():
    image, vector = torch.randn(2, 3, 8, 8), torch.randn(2, 8)
    for net, x, options, match in [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU()), image, {}, r"1 \(GELU\): expected one of .*BernoulliConv2d"),
        (nn.Sequential(nn.ConvTranspose2d(3, 4, 3)), image, {}, r"0 \(ConvTranspose2d\)"),
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding="same")), image, {}, "0: expected a padding of numbers, .* found 'same'"),
        (nn.Sequential(nn.MaxPool2d(2, ceil_mode=True)), image, {}, "0: expected a max pool without"),
        (nn.Sequential(nn.Linear(8, 2)), image, {}, "0: Linear: expected a vector, found 3 channels.*Flatten"),
        (nn.Sequential(nn.BatchNorm1d(8, track_running_stats=False)), vector, {}, "running statistics"),
        (Branches(), vector, {}, "Branches: torch.fx cannot trace it"),
        (Own(), vector[:, :3], {}, "shift: expected modules and functions"),
        (Two(), vector, {}, "output: expected one tensor"),
        (nn.Linear(8, 2), vector, {"input": "bit"}, "example: expected -1 and 1"),
        (nn.Linear(8, 2), vector, {"input": "uint8"}, "whole numbers from 0 to 255"),
        (nn.Linear(8, 2), vector, {"input": "bits"}, "input: expected one of float32, bit, uint8"),
        (nn.Linear(8, 2), vector[0], {}, "example: expected the shape"),
        (nn.Linear(8, 2), vector, {"pixels": "0..2"}, "pixels: expected 0..1"),
    ]:
        with pytest.raises(ValueError, match=match):
            bt.export(net, x, **options)
