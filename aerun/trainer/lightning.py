"""The one LightningModule: its methods are called by Lightning alone."""

import time
from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from aerun.autoencoder import Autoencoder, Value
from aerun.core.facts import known_weight
from aerun.metrics.squared_error import of_elements
from aerun.schedule.base import Schedule
from aerun.trainer.batches import Call, mix
from aerun.trainer.figures import non_finite, train_row, val_row
from aerun.trainer.optimizer import Recipe, forgotten_state
from aerun.trainer.quick_step import quick_step
from aerun.trainer.ranks import Ranks
from aerun.trainer.turns import Turn


class Training(pl.LightningModule):
    """Takes several optimizer steps per call; sums stay in tensors and are read once a call; there is one log an epoch.

    `steps` counts optimizer steps (Lightning's `global_step` counts calls).
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        *,
        optimizer: Recipe,
        schedule: Schedule,
        seed: int,
        total: int,
        clip: float | None,
        accumulate: int,
        ranks: Ranks,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.autoencoder = autoencoder
        self.recipe, self.schedule, self.seed, self.total, self.clip = optimizer, schedule, seed, total, clip
        self.accumulate, self.ranks = accumulate, ranks
        self.steps = 0
        self.metrics: dict[str, float] = {}
        self.paused = False  # it stops for now, and not for good
        self.seconds = 0.0  # The time in epochs, those before an interruption included.
        self._began: float | None = None
        self.out_of_time = False  # whether trainer.max_time has ended it
        self._sums: dict[str, Any] = {}
        self._without: dict[Tensor, Optimizer] = {}  # of a run that goes on: the parameters that have no state

    def configure_optimizers(self) -> list[Optimizer]:
        self.turns = [Turn(key, regularizer, self.autoencoder) for key, regularizer in self.autoencoder.opposed().items()]
        own = self.recipe.make(self.autoencoder.own_parameters())
        return [own, *(o for turn in self.turns for o in turn.optimizers)]

    # -- training ----------------------------------------------------------------------------------------------------

    def on_train_start(self) -> None:
        self._began = time.perf_counter() - self.seconds
        self.validates = self.trainer.enable_validation  # whether Lightning does
        self._without = self._stateless() if self.steps else {}

    def spent(self) -> float:
        """Return the seconds in epochs so far, those before an interruption included."""
        return self.seconds if self._began is None else time.perf_counter() - self._began

    def _stateless(self) -> dict[Tensor, Optimizer]:
        """Return the parameters of which their optimizer keeps nothing."""
        every = self.optimizers(use_pl_optimizer=False)
        optimizers = every if isinstance(every, list) else [every]
        return {p: o for o in optimizers for group in o.param_groups for p in group["params"] if not o.state.get(p)}

    def _refuse_forgotten(self) -> None:
        """Raise AerunError where the first step of a run that goes on made an optimizer's state which the steps before had."""
        without, self._without = self._without, {}
        forgotten = [p for p, optimizer in without.items() if optimizer.state.get(p)]
        if forgotten:
            raise forgotten_state(self.steps - 1, len(forgotten))

    def on_train_epoch_start(self) -> None:
        self._seed_noise(mix(self.seed, self.current_epoch, 0))
        self._sums = {"values": 0.0, "samples": 0}
        self._lr = [group.get("initial_lr", group["lr"]) for group in self._raw_optimizer().param_groups]
        for group, lr in zip(self._raw_optimizer().param_groups, self._lr, strict=True):
            group["initial_lr"] = lr
        self._descended = [p for group in self._raw_optimizer().param_groups for p in group["params"] if p.requires_grad]
        self._step = quick_step(self._raw_optimizer())
        self._started = time.perf_counter()

    def _seed_noise(self, seed: int) -> None:
        """Seed each rank's noise differently: the samples of one batch must not share it."""
        own = mix(seed, self.ranks.rank, 4) if self.ranks.rank else seed
        # torch.manual_seed keeps a list of calls for devices that are not in use, which grows with every epoch.
        (torch.default_generator.manual_seed if self.device.type == "cpu" else torch.manual_seed)(own)

    def _raw_optimizer(self) -> Optimizer:
        optimizers = self.optimizers(use_pl_optimizer=False)
        return optimizers[0] if isinstance(optimizers, list) else optimizers

    def _counted_optimizer(self) -> Any:
        """Return the model's optimizer as Lightning counts it."""
        optimizers = self.optimizers()
        return optimizers[0] if isinstance(optimizers, list) else optimizers

    def training_step(self, call: Call, index: int) -> None:
        optimizer, rows, sizes = self._raw_optimizer(), list[Tensor](), [share.samples for share in call.shares]
        samples = call.samples(self.autoencoder.units)
        for left, (stored, x), share in zip(reversed(range(len(call))), samples, call.shares, strict=True):
            valid, c = self.autoencoder.facts.valid(stored), self.autoencoder.known(stored)
            seen = self.autoencoder.offered_seen(stored)
            about = (valid, seen, call.weight(share), c)
            value = self._backward_pass(optimizer, x, *about)
            rows.append(self.ranks.mean(self._descended, torch.stack(value.parts), share.weight))
            if self.clip is not None:
                torch.nn.utils.clip_grad_norm_(self.autoencoder.own_parameters(), self.clip)
            # The last step of a call goes through Lightning, so that its own counters move.
            (self._step if left else self._counted_optimizer().step)()
            self._take_turns(value, x, valid, c, seen)
            value.names.clear()
            self.steps += 1
            if self._without:
                self._refuse_forgotten()
        values = torch.stack(rows)
        self._refuse_non_finite(values, True, self.steps - len(values))
        self._sums["values"] = self._sums["values"] + (values * values.new_tensor(sizes)[:, None]).sum(0, dtype=torch.float64)
        self._sums["samples"] += sum(sizes)

    def _backward_pass(self, optimizer: Optimizer, x: Tensor, *about: Tensor | None) -> Value:
        """Compute the gradients of this rank's rows of one batch, in `accumulate` parts, and return their values.

        about: valid, seen, weight and c of them.
        """
        factor = self.schedule.factor(self.steps, self.total)
        for group, lr in zip(optimizer.param_groups, self._lr, strict=True):
            group["lr"] = lr * factor
        for group in optimizer.param_groups:  # as zero_grad does, whose wrappers take longer than this
            for p in group["params"]:
                p.grad = None
        if self.accumulate == 1:
            return self._add_gradients(1.0, x, *about)
        means = list[Tensor]()
        for part in _parts(self.accumulate, x, *about):
            share = len(part[0]) / len(x)
            value = self._add_gradients(share, *part)
            value.names.clear()  # It refers to itself: its tensors would outlast the next part.
            means.append(share * torch.stack(value.parts))
        return Value(value.loss, list(torch.stack(means).sum(0)), value.names)

    def _add_gradients(self, share: float, x: Tensor, *about: Tensor | None) -> Value:
        """Add to the gradients those of some rows, which are this share of a batch. about: as above."""
        value = self.autoencoder.objective(x, self.steps / self.total, *about)
        loss = value.loss if share == 1 else share * value.loss
        loss.backward(inputs=self._descended)  # The input gets none, whatever a regularizer needs of it.
        return value

    def _take_turns(self, value: Value, x: Tensor, *about: Tensor | None) -> None:
        progress, factor = self.steps / self.total, self.schedule.factor(self.steps, self.total)
        for turn in self.turns:
            turn.take(value.names, x, *about, progress=progress, factor=factor, clip=self.clip)

    def _refuse_non_finite(self, values: Tensor, training: bool, first: int) -> None:
        """Raise TrainingError for the first row (step) with a value that is not finite, before a checkpoint is written."""
        error = non_finite(values, self.autoencoder, training, first, self.current_epoch)
        if error is not None:
            raise error

    def _train_row(self) -> dict[str, float]:
        samples = self._sums["samples"]
        means = (self._sums["values"] / samples).tolist()
        lr = self._raw_optimizer().param_groups[0]["lr"]
        return train_row(self.autoencoder, means, lr, samples / self._train_seconds, max(0, self.steps - 1) / self.total)

    # -- validation --------------------------------------------------------------------------------------------------

    def validate(self, calls: Iterable[Call]) -> None:
        """Run validation as Lightning does, without its loop and hooks, which take longer than a small model."""
        before = [(module, module.training) for module in self.modules()]
        for module, _ in before:  # as eval() does, which takes ten times as long
            module.__dict__["training"] = False
        with torch.no_grad():
            self.on_validation_epoch_start()
            for number, call in enumerate(calls):
                with self.trainer.precision_plugin.val_step_context():
                    self.validation_step(call, number)
            self.on_validation_epoch_end()
        for module, training in before:
            module.__dict__["training"] = training

    def on_validation_epoch_start(self) -> None:
        self._train_seconds = time.perf_counter() - self._started
        self._seed_noise(mix(self.seed, 0, 2))  # The same noise in every epoch: the curve shows the model, not the draw.
        figures = len(self.autoencoder.keys(False)) + len(self.autoencoder.watch_keys())
        self._val_sums = torch.zeros(figures + 3, dtype=torch.float64, device=self.device)  # A rank may have no batch.

    def validation_step(self, call: Call, index: int) -> None:
        for stored, share in zip(call, call.shares, strict=True):
            x, beside = self.autoencoder.units(stored), self.autoencoder.beside(stored)
            value = self.autoencoder.objective(x, None, **beside, weight=call.weight(share))
            figures = [f.to(x) for f in self.autoencoder.watch(value.names)]
            value.names.clear()  # It refers to itself: batches would pile up until Python looks for such cycles.
            counted = known_weight(beside, x)
            error = of_elements(self.autoencoder(x, **beside), x, counted)
            elements = int(counted.sum()) if isinstance(counted, Tensor) else x.numel()
            rows = [torch.stack([*value.parts, *figures]).double() * len(x), error.sum().double()[None]]
            row = torch.cat([*rows, rows[0].new_tensor([len(x), elements])])
            self._val_sums = self._val_sums + row

    def on_validation_epoch_end(self) -> None:
        *sums, error, samples, elements = self.ranks.total(self._val_sums).tolist()
        means = [s / samples for s in sums]
        self._refuse_non_finite(torch.tensor([means[: len(self.autoencoder.keys(False))]]), False, self.steps)
        val = val_row(self.autoencoder, means, error / elements)
        # Here and not in on_train_epoch_end, which Lightning calls after the callbacks that read it.
        self.metrics = {"epoch": self.current_epoch, "step": self.steps, **self._train_row(), **val}
        if self.validates:
            self.log_dict(val)
        else:
            self.trainer.callback_metrics.update({k: torch.tensor(v, device=self.device) for k, v in val.items()})

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint |= {"steps": self.steps, "total": self.total, "seconds": self.spent(), "fused": 1}
        checkpoint["ended"] = self.trainer.should_stop and not (self.paused or self.out_of_time)  # both go on

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.steps, self.seconds = int(checkpoint["steps"]), float(checkpoint["seconds"])


def _parts(number: int, x: Tensor, *about: Tensor | None) -> list[tuple[Any, ...]]:
    """Return a batch, and what is known of its samples, cut into at most so many parts; None stays None."""
    count = min(number, len(x))
    return list(zip(*([None] * count if t is None else t.tensor_split(count) for t in (x, *about)), strict=True))
