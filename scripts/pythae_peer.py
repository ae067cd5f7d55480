"""The MNIST MLP of `scripts/benchmark.py` trained by pythae 0.1.2, in an environment of its own: prints samples/s.

`python scripts/pythae_peer.py IMAGES.npy EPOCHS`; run by `scripts/benchmark.py --pythae PYTHON`, which writes the images.
"""

import logging
import sys
import tempfile
import time

import numpy as np
import torch
from pythae.models import AE, AEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import nn

BATCH, CODE = 128, 32


class Encoder(BaseEncoder):
    """784-512-256-32."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, CODE))

    def forward(self, x: torch.Tensor) -> ModelOutput:
        return ModelOutput(embedding=self.layers(x.flatten(1)))


class Decoder(BaseDecoder):
    """32-256-512-784."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(CODE, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 784))

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.layers(z).view(-1, 1, 28, 28))


class Clock(TrainingCallback):
    """Seconds of the fastest training epoch."""

    best = float("inf")

    def on_train_step_begin(self, training_config, **kwargs) -> None:
        self.started = getattr(self, "started", None) or time.perf_counter()

    def on_epoch_end(self, training_config, **kwargs) -> None:
        self.best = min(self.best, time.perf_counter() - self.started)
        self.started = None


def main() -> None:
    """Train and print."""
    logging.disable()
    images = (np.load(sys.argv[1]) / 255).astype(np.float32)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder, num_epochs=int(sys.argv[2]), per_device_train_batch_size=BATCH, learning_rate=1e-3, no_cuda=True
        )
        model = AE(AEConfig(input_dim=(1, 28, 28), latent_dim=CODE), encoder=Encoder(), decoder=Decoder())
        TrainingPipeline(training_config=config, model=model)(train_data=images, callbacks=[clock])
    print(f"samples/s {len(images) / clock.best}")


if __name__ == "__main__":
    main()
