"""What a run says before it trains, in four lines: its data, its model, its plan, its folder."""

from typing import TYPE_CHECKING

from aerun.core.text import counted, say, shown_line
from aerun.runs.folder import names_of

if TYPE_CHECKING:
    from pathlib import Path

    from aerun.build import RunPlan
    from aerun.core.facts import Facts
    from aerun.trainer.base import Job


def begin(folder: "Path", plan: "RunPlan", job: "Job") -> None:
    """Print the lines. folder: as it is shown."""
    for name, words in {**lines(plan, job), "run": str(folder)}.items():
        say(f"{name:<6} {shown_line(words)}")


def lines(plan: "RunPlan", job: "Job") -> dict[str, str]:
    """Return what a run is about to do, in words: its data, its model, its plan."""
    return {"data": _data(plan, job), "model": _model(plan), "plan": _plan(plan, job)}


def _data(plan: "RunPlan", job: "Job") -> str:
    data, facts = job.data, plan.facts
    rows = f"{len(data.train):,} training, {len(data.val):,} validation, {len(data.test):,} test"
    name = names_of(job.config or {}, job.folder)["data"]
    return f"{name}: {rows} samples, {facts.kind} of {' x '.join(map(str, facts.stored))}, {_range(facts)}"


def _range(facts: "Facts") -> str:
    if facts.tokens:
        return f"{len(facts.tokens)} symbols"
    if facts.low is None or facts.high is None:
        return "no bounds"
    prepared = " after preparation" if facts.prepared_from is not None else ""
    return f"{facts.low * facts.unit:g} to {facts.high * facts.unit:g}{prepared}"


def _model(plan: "RunPlan") -> str:
    # Deferred: the banner is imported by verbs that need no torch.
    from aerun.compose import option

    model, facts = plan.autoencoder, plan.facts
    auto = {part: " (auto)" if part in plan.auto else "" for part in ("arch", "loss")}
    parts = [f"{option(model.arch)}{auto['arch']} {_layers(plan)}", option(model.bottleneck)]
    parts += [f"loss {option(model.loss)}{auto['loss']}"]
    prior = model.chosen_parts().get("prior")
    parts += [] if prior is None else [f"prior {option(prior)}"]
    parts += [option(model.corruption)] if model.corruption.alters else []
    parts += [f"{name} {model.weight(name, None):g}" for name in model.terms]
    weights = sum(p.numel() for p in model.own_parameters())
    ratio = facts.size / model.code_elements
    size = f"{facts.size:,} -> {model.code_elements:,} numbers" + (f", {_rounded(ratio)} times fewer" if ratio > 1 else "")
    return f"{', '.join(parts)}; {size}; {weights:,} parameters"


def _rounded(ratio: float) -> str:
    return f"{ratio:.3g}" if ratio < 100 else f"{ratio:,.0f}"


def _layers(plan: "RunPlan") -> str:
    """Return the widths of the encoder, such as `64-512-256-8`; the numbers of channels of convolutions."""
    weights = plan.autoencoder.arch.encoder_weights()
    widths = [weights[0].shape[1], *(w.shape[0] for w in weights)]
    return "-".join(map(str, widths))


def _plan(plan: "RunPlan", job: "Job") -> str:
    trainer = plan.trainer
    length, size = trainer.length, min(trainer.batch_size, len(job.data.train))
    epochs = f"{counted(length.epochs, 'epoch')} of {counted(length.batches, 'batch')} of {size:,} ({length.source})"
    early = f"; fewer where {trainer.patience} in a row bring nothing better" if trainer.patience is not None else ""
    return f"{counted(length.steps, 'step')}: {epochs}{early}"
