"""Activations of a small network, for experiment E52: `python scripts/activations.py FOLDER`.

A net of 784-256-10 learns MNIST's 60,000 training digits (5 epochs of Adam, seed 0), and what its hidden layer says of them is
written beside their labels: FOLDER/mnist_layer.npz with x (60,000, 256) and y, and FOLDER/mnist_head.pt, the layer behind it,
which regularizer=downstream reads. E52 looks for them in $AERUN_DATA/activations. A quarter of a minute on one core.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from aerun.build import dataset_of
from aerun.settings.overrides import config_of, resolved

_HIDDEN, _EPOCHS, _BATCH, _RATE = 256, 5, 128, 1e-3


def trained(x: torch.Tensor, y: torch.Tensor) -> nn.Sequential:
    """Train the net on y of x."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(x.shape[1], _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 10))
    optimizer = torch.optim.Adam(net.parameters(), _RATE)
    for _ in range(_EPOCHS):
        for rows in torch.randperm(len(x)).split(_BATCH):
            optimizer.zero_grad()
            cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
    return net


def main() -> None:
    """Write both files and print how well the net reads digits that it has not seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    data = dataset_of(resolved(config_of(["dataset=mnist", "dataset.download=false"]))).load()
    x, y = (torch.cat([getattr(part, k) for part in (data.train, data.val)]) for k in ("x", "y"))
    x = x.flatten(1).float() / 255
    net = trained(x, y.long())
    with torch.no_grad():
        hidden = net[:2](x)
        right = net(data.test.x.flatten(1).float() / 255).argmax(1) == data.test.y
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "mnist_layer.npz", x=hidden.numpy(), y=y.numpy())
    torch.save(net[2:].state_dict(), folder / "mnist_head.pt")
    share = float(right.double().mean())
    print(f"{folder}: {len(x):,} activations of {_HIDDEN} units; the net's accuracy on 10,000 others: {share:.4f}")


if __name__ == "__main__":
    main()
