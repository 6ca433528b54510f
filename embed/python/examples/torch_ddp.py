"""Data-parallel training on several processes, here of one machine:

torchrun --standalone --nproc-per-node 2 torch_ddp.py
"""

import argparse

import bernet
import bernet.torch as bt
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--images", type=int, default=60000)
    parser.add_argument("--form", default="sampled", help="sampled, exact, power-sums or normal")
    args = parser.parse_args()
    dist.init_process_group("gloo")
    rank, processes = dist.get_rank(), dist.get_world_size()
    torch.set_num_threads(1)
    # Latents start alike (DistributedDataParallel takes those of rank 0), weights are drawn by each process for itself.
    torch.manual_seed(rank)

    (images, labels), (test_images, test_labels) = bernet.mnist()
    x = torch.from_numpy(images[: args.images] > 0).float()[:, None] * 2 - 1
    data = TensorDataset(x, torch.from_numpy(labels[: args.images]).long())
    sampler = DistributedSampler(data, processes, rank, seed=1)
    loader = DataLoader(data, batch_size=256 // processes, sampler=sampler, drop_last=True)

    net = nn.Sequential(
        bt.BernoulliConv2d(1, 8, 6, stride=2, form=args.form, hard=True),
        bt.BernoulliConv2d(8, 32, 6, stride=2, form=args.form, hard=True),
        nn.Flatten(),
        bt.BernoulliLinear(512, 64, form=args.form, hard=True),
        bt.ExpectationLinear(64, 10),
    )
    parallel = DistributedDataParallel(net)
    steps = args.epochs * len(loader)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03, betas=(0.95, 0.99))
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    binarizer = bt.Binarizer(net, "part", steps=steps)
    for epoch in range(args.epochs):
        sampler.set_epoch(epoch)
        for batch, classes in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(parallel(batch), classes)
            loss.backward()
            optimizer.step()
            rate.step()
            binarizer.step()
        if rank == 0:
            print(f"epoch {epoch + 1}: loss {loss.item():.3f}, {binarizer.frozen:.0%} of the weights are frozen", flush=True)

    # The same binary net everywhere; one process writes it.
    bits = torch.cat([layer.binary_weights.flatten() for layer in binarizer.layers])
    first = bits.clone()
    dist.broadcast(first, 0)
    if not torch.equal(bits, first):
        raise SystemExit(f"process {rank}: expected the weights of process 0")
    if rank == 0:
        bt.recalibrate(net, x[:5000].split(500))
        model = bt.export(net, x[:100], input="bit")
        print(f"accuracy {(model.predict(test_images) == test_labels).mean():.4f} on {processes} processes")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
