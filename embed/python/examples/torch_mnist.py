"""A binary net for MNIST, trained in PyTorch and run by bernet: 97 % in two minutes of one core."""

import sys

import bernet
import bernet.torch as bt
import torch
from torch import nn

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 12
torch.manual_seed(1)
torch.set_num_threads(1)

(images, labels), (test_images, test_labels) = bernet.mnist()
x = torch.from_numpy(images > 0).float()[:, None] * 2 - 1
y = torch.from_numpy(labels).long()

net = nn.Sequential(
    bt.BernoulliConv2d(1, 16, 6, stride=2, form="sampled"),
    bt.BernoulliConv2d(16, 64, 6, stride=2, form="sampled"),
    nn.Flatten(),
    bt.BernoulliLinear(1024, 128, form="sampled"),
    bt.ExpectationLinear(128, 10),
)
steps = epochs * (len(x) // 250)
optimizer = torch.optim.Adam(net.parameters(), lr=0.05, betas=(0.95, 0.99))
rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=steps, pct_start=0.1, cycle_momentum=False)
binarizer = bt.Binarizer(net, "part", steps=steps)
for epoch in range(epochs):
    for batch in torch.randperm(len(x)).split(250):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        rate.step()
        binarizer.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}, {binarizer.frozen:.0%} of the weights are frozen")
bt.recalibrate(net, x[:10000].split(1000))
model = bt.export(net, x[:100], input="bit")
print(f"accuracy {(model.predict(test_images) == test_labels).mean():.4f}")
