"""Turns a config into objects: the only place that instantiates.

Whatever a user may have got wrong is reported here, in words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aerun import pictures
from aerun.autoencoder import Autoencoder
from aerun.build.auto import settled
from aerun.build.callbacks import callbacks_of
from aerun.build.composition import model_of
from aerun.build.data import dataset_of
from aerun.build.features import with_borrowed
from aerun.build.loggers import loggers_of
from aerun.build.maker import Config, Maker, settings_of
from aerun.build.optimizer import recipe_of
from aerun.core.checks import integer, matches_type, reject_unknown_keys, seed_of, table
from aerun.core.errors import AerunError, nearest
from aerun.core.facts import Facts
from aerun.core.seeding import seed_all
from aerun.dataset.base import Dataset
from aerun.evaluate import applications
from aerun.evaluate.prefixes import group_of
from aerun.evaluate.reconstruction import FIGURES
from aerun.evaluate.task import AUTO, PLAIN, task_of, unmeasured
from aerun.logger.base import Logger
from aerun.runs.identity import LATER
from aerun.runs.warm_start import load_initial_weights
from aerun.schedule.base import Schedule
from aerun.settings.labels import ASIDE, labels_of
from aerun.settings.synonyms import own_words
from aerun.trainer.base import Trainer
from aerun.trainer.optimizer import Recipe

if TYPE_CHECKING:
    from pytorch_lightning import Callback

__all__ = ["Config", "Maker", "RunPlan", "build", "dataset_of", "model_of", "settings_of"]

_TOP = ("dataset", "model", "reg", "trainer", "optimizer", "schedule", "seed", "objective", "evaluate", "pictures", "callbacks")
_MODEL = ("name", "latent_dim", "arch", "bottleneck", "corruption", "loss", "prior", "init_from", "init_part", "freeze")
_OLDER = {"max_steps": None, "save_every": 10, **LATER}  # Settings of a trainer that older runs do not name.


@dataclass(frozen=True)
class RunPlan:
    """Everything a run needs, built and checked, before any data is read.

    config: the settings that it was built from, every option chosen; auto: the parts that the data chose.
    """

    config: dict[str, Any]
    auto: frozenset[str]
    dataset: Dataset
    facts: Facts
    autoencoder: Autoencoder
    trainer: Trainer
    optimizer: Recipe
    schedule: Schedule
    seed: int
    objectives: list[str]
    evaluate: list[str]
    task: str
    unmeasured: str
    pictures: list[str]
    loggers: list[Logger]
    callbacks: "list[Callback]"
    warnings: list[str]


def build(cfg: Config, trusted: Sequence[str] | None = None) -> RunPlan:
    """Return the objects of a resolved config.

    trusted: None for a config that the user typed, whose targets may be anything that can be imported. For the config of a
    run's folder, which may be a stranger's, it is a tuple of modules: targets are then the options of their groups and the
    classes of these modules.

    Raises AerunError for unknown keys, values of a wrong type or range, and illegal compositions.
    """
    if "experiment" in cfg:
        raise AerunError(
            "experiment: a preset begins with the line `# @package _global_`, and holds settings of a run below it."
        )
    reject_unknown_keys("", cfg, (*_TOP, *ASIDE, "sweep", "search"), advice=own_words)
    labels_of(cfg)
    reject_unknown_keys("model", cfg["model"], _MODEL, advice=own_words)
    make = Maker(trusted)
    make.refuse_foreign(cfg, ("dataset", "trainer", "optimizer", "schedule"))
    seed = seed_of(cfg)
    dataset = dataset_of(cfg, trusted)
    facts = dataset.row_facts()
    cfg, auto = settled(cfg, facts, make)
    seed_all(seed)
    preparation = dataset.row_preparation()
    cfg, layers = with_borrowed(cfg, facts, preparation, make) if trusted is None else (cfg, {})
    autoencoder, warnings = model_of(cfg, facts, preparation, trusted)
    for key, found in layers.items():
        autoencoder.terms[key].regularizer.borrow(found.weights)
        warnings += found.warnings
    trainer = _trainer_of(make, cfg)
    trainer.refuse(autoencoder)
    warnings += _begun(autoencoder, cfg["model"], trusted)
    loggers, left_out = loggers_of(make, cfg)
    warnings += left_out
    evaluate, task = _applications(cfg.get("evaluate", []), autoencoder, dataset, brief=bool(trainer.limit_batches))
    return RunPlan(
        config=cfg,
        auto=auto,
        dataset=dataset,
        facts=facts,
        autoencoder=autoencoder,
        trainer=trainer,
        optimizer=recipe_of(make, cfg["optimizer"]),
        schedule=make("schedule", cfg["schedule"], {}),
        seed=seed,
        objectives=_objectives(cfg["objective"], autoencoder, evaluate),
        evaluate=evaluate,
        task=task,
        unmeasured=unmeasured(autoencoder, dataset) if task == PLAIN else "",
        pictures=_pictures(cfg.get("pictures", "default"), autoencoder, dataset),
        loggers=loggers,
        callbacks=callbacks_of(make, cfg),
        warnings=warnings,
    )


def _trainer_of(make: Maker, cfg: Config) -> Trainer:
    """Return the trainer, which also knows how many epochs the data set says are enough for it, where it does."""
    enough = cfg["dataset"].get("epochs")
    node = {**_OLDER, **table("trainer", cfg)}
    trainer: Trainer = make("trainer", node, {})
    trainer.enough = None if enough is None else integer("dataset.epochs", enough, 1)
    return trainer


def _begun(autoencoder: Autoencoder, settings: Config, trusted: Sequence[str] | None) -> list[str]:
    """Load another run's weights and freeze what is to be frozen; return the warnings.

    `trusted` is set where a run's folder is read in order to go on with it.
    """
    if settings.get("init_from") is None and autoencoder.prior is not None and autoencoder.prior.reads_codes:
        raise AerunError(
            "model.prior.start=fit needs codes of a trained model, to which it is fitted: add model.init_from=RUN, or use "
            "model.prior.start=spread."
        )
    for key, term in autoencoder.terms.items():
        if settings.get("init_from") is None and term.regularizer.reads_codes:
            raise AerunError(
                f"regularizer={key} needs codes of a trained model to begin with: add model.init_from=RUN, a run of the same "
                "sizes without it, such as one of model=ae."
            )
    if all(settings.get(k) in (None, "all") for k in ("init_from", "init_part", "freeze")):
        return []
    return load_initial_weights(autoencoder, settings, again=trusted is not None)


def _applications(names: Any, autoencoder: Autoencoder, dataset: Dataset, brief: bool) -> tuple[list[str], str]:
    """Return the applications that are asked at the end, and the task that the run is for.

    auto: the task's own, and the sizes of a nested code; none where the training is so brief that it proves nothing.
    """
    names = [names] if isinstance(names, str) else names
    if not matches_type(names, list[str]):
        words = "must be auto, all, or a list of applications, such as evaluate=[probe,anomaly]"
        raise AerunError(f"evaluate={names}: {words}.")
    own = task_of(autoencoder, dataset)
    of_task = [*([own] if own != PLAIN else []), *(["sizes"] if autoencoder.sizes else [])] if not brief else []
    chosen = [n for name in names for n in (of_task if name == AUTO else [name])]
    chosen = applications.select_applications(dict.fromkeys(chosen), autoencoder, dataset) if chosen else []
    return chosen, task_of(autoencoder, dataset, [name for name in chosen if name in names])


def _pictures(names: Any, autoencoder: Autoencoder, dataset: Dataset) -> list[str]:
    if names == []:
        return []
    names = [names] if isinstance(names, str) else names
    if not matches_type(names, list[str]):
        raise AerunError(f"pictures={names}: must be default, all, or a list of pictures, such as pictures=[traversals,atoms].")
    return pictures.select_pictures(names, autoencoder, dataset)


def _objectives(requested: Any, autoencoder: Autoencoder, evaluate: list[str]) -> list[str]:
    """Return the figures that a run returns to a sweeper, the first of which ranks it.

    Raises AerunError for a figure that the run will not have.
    """
    names = [requested] if isinstance(requested, str) else requested
    if not matches_type(names, list[str]) or not names or len(set(names)) < len(names):
        raise AerunError(f"objective={requested}: a figure, or a list of different ones, such as [val/mse,latent_dim].")
    figures = [f"{s}/{k}" for s in ("train", "val") for k in autoencoder.keys(s == "train")] + ["val/mse", *FIGURES]
    figures += [f"val/{k}" for k in autoencoder.watch_keys()]
    if evaluate:
        figures += applications.figures(evaluate)
    figures += [f"{group_of(autoencoder)}/{k}/se" for k in autoencoder.sizes]
    figures += ["latent_dim", "code_elements", "parameters", "bytes", "seconds"]
    for name in names:
        if name not in figures:
            raise AerunError(f"objective={name}: no such figure{nearest(name, figures)}; one of {', '.join(figures)}.")
    return list(names)
