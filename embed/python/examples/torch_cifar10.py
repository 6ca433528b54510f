"""A binary residual net on CIFAR-10, in the manner of Larq: `python torch_cifar10.py FOLDER`, with the binary version's files in it
(data_batch_1.bin … test_batch.bin)."""

import argparse
from pathlib import Path

import bernet.torch as bt
import numpy as np
import torch
from torch import Tensor, nn


def read(*paths: Path) -> tuple[Tensor, Tensor]:
    """Images from -1 to 1, (n, 3, 32, 32), and labels: a record is a byte of label and 3072 of pixels, channels first."""
    records = np.concatenate([np.fromfile(path, np.uint8).reshape(-1, 3073) for path in paths])
    pixels = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32))
    return pixels * (2 / 255) - 1, torch.from_numpy(records[:, 0].astype(np.int64))


class Block(nn.Module):
    """x + BN(conv(sign(x))), as in Bi-Real Net: the real numbers go past the signs."""

    def __init__(self, channels: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = bt.QuantConv2d(channels, outputs, 3, stride, padding=1, input_quantizer="approx_sign")
        self.norm = bt.BinaryBatchNorm(outputs)
        short = [nn.AvgPool2d(stride), nn.Conv2d(channels, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.short = nn.Sequential(*short) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.short(x) + self.norm(self.conv(x))


def network(width: int) -> nn.Module:
    """Two blocks each of 32×32, 16×16 and 8×8; the first and the last layer are real."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
    for channels, outputs, stride in [(1, 1, 1), (1, 1, 1), (1, 2, 2), (2, 2, 1), (2, 4, 2), (4, 4, 1)]:
        layers.append(Block(width * channels, width * outputs, stride))
    return nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    torch.manual_seed(1)
    x, y = read(*sorted(args.folder.glob("data_batch_*.bin")))
    test_x, test_y = read(args.folder / "test_batch.bin")
    net = network(args.width)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.005)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)
    binarizer = bt.Binarizer(net, "none", steps=args.steps)
    for step in range(args.steps):
        batch = torch.randint(len(x), (args.batch,))
        images = x[batch]
        if torch.rand(()) < 0.5:
            images = images.flip(3)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), y[batch])
        loss.backward()
        optimizer.step()
        rate.step()
        binarizer.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}: loss {loss.item():.3f}")
    bt.recalibrate(net, x[:5000].split(500))
    model = bt.export(net, test_x[:10], pixels="-1..1")
    if args.output:
        model.save(args.output)
    said = model.predict(test_x.numpy())
    print(f"accuracy {(said == test_y.numpy()).mean():.4f}")


if __name__ == "__main__":
    main()
