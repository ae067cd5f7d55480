"""`sweep.resources`: more memory, devices or time for some jobs of a sweep than for the others, where a cluster gives them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aerun.core.errors import AerunError, nearest
from aerun.core.text import counted

_WHEN = "when"
_HOW = "such as 'sweep.resources=[{when: {model: conv}, mem_gb: 32, gpus_per_node: 1}]'"
_OF_ALL = ("_target_", "submitit_folder", "max_num_timeout", "array_parallelism")  # settings of a launcher, not of a job
_OF_RAY = ("num_cpus", "num_gpus", "memory", "resources", "accelerator_type", "max_retries")


def rules_of(cfg: DictConfig) -> list[dict[str, Any]]:
    """Return the rules of `sweep.resources`, as plain data; none where it is null.

    Raises AerunError for what is no list of tables with `when`, settings and their values, and settings of the launcher.
    """
    asked = cfg.sweep.resources
    rules = OmegaConf.to_container(asked, resolve=True) if OmegaConf.is_config(asked) else asked or []
    if not isinstance(rules, list) or not all(isinstance(rule, dict) and isinstance(rule.get(_WHEN), dict) for rule in rules):
        raise AerunError(f"sweep.resources={rules}: a list of tables, each with `when` and settings of the launcher, {_HOW}.")
    found = [{str(k): v for k, v in rule.items()} for rule in rules]
    if any(len(rule) < 2 for rule in found):
        raise AerunError(f"sweep.resources: {found[0][_WHEN]}: says of no setting what it is, {_HOW}.")
    return found


def resources_of(rules: Sequence[Mapping[str, Any]], typed: Sequence[str]) -> dict[str, Any]:
    """Return the settings of the launcher that a job with these overrides has of its own: of two rules the latter's."""
    found: dict[str, Any] = {}
    for rule in rules:
        if _matches(rule, typed):
            found |= {k: v for k, v in rule.items() if k != _WHEN}
    return found


def _matches(rule: Mapping[str, Any], typed: Sequence[str]) -> bool:
    """Return whether all that the rule's `when` names is typed of the job."""
    values = dict(o.lstrip("+").partition("=")[::2] for o in typed)
    return all(key in values and _same(values[key], value) for key, value in rule[_WHEN].items())


def _same(typed: str, value: Any) -> bool:
    try:
        return typed.lower() == str(value).lower() or float(typed) == float(value)
    except (TypeError, ValueError):
        return False


def check(cfg: DictConfig, kind: str, jobs: Sequence[Sequence[str]]) -> list[str]:
    """Return in lines how many jobs have resources of their own; none where no rule is given. kind: of the launcher.

    Raises AerunError for a launcher that has none to give, for a setting that it does not know, and for a rule of no job.
    jobs: their overrides; empty where they are drawn later.
    """
    rules = rules_of(cfg)
    if not rules:
        return []
    allowed = _allowed(cfg, kind)
    for rule in rules:
        unknown = next((key for key in rule if key not in (_WHEN, *allowed)), None)
        if unknown is not None:
            near = nearest(unknown, allowed)
            raise AerunError(f"sweep.resources: {unknown}: no such setting of a job{near} ({', '.join(allowed)}).")
        if jobs and not any(_matches(rule, typed) for typed in jobs):
            raise AerunError(f"sweep.resources: when: {rule[_WHEN]}: of no job of this command is that typed.")
    kinds: dict[str, int] = {}
    for typed in jobs:
        words = ", ".join(f"{k}={v}" for k, v in resources_of(rules, typed).items())
        kinds[words] = kinds.get(words, 0) + 1
    return [f"{counted(count, 'job')} with {words or 'what hydra.launcher says'}" for words, count in kinds.items()]


def _allowed(cfg: DictConfig, kind: str) -> Collection[str]:
    if kind == "RayLauncher":
        return _OF_RAY
    if kind in ("SlurmLauncher", "LocalLauncher"):
        return [str(k) for k in cfg.hydra.launcher if k not in _OF_ALL]
    raise AerunError(
        "sweep.resources: is for hydra/launcher=submitit_slurm and ray, which give a job memory and devices; jobs on this "
        "machine share it, and have settings such as trainer.accelerator and dataset.memory."
    )
