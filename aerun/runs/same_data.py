"""Whether runs are of the same data: only then are their figures ranked without a warning."""

from collections.abc import Sequence

from aerun.runs.fingerprint import SPLITS, label
from aerun.runs.groups import Group, Run


def different_data(runs: Sequence[Run]) -> str:
    """Return in words that runs are of different data; empty where they are of the same, as far as is known.

    They are different where validation or test samples are, by which runs are judged, and where training samples are though the
    settings of the data are the same: then the files have changed. A study of dataset.n on one test split may be ranked.
    """
    fingerprinted = [run for run in runs if run.data.get("hash")]
    judged = {tuple(_hashes(run)[name] for name in SPLITS[1:]) for run in fingerprinted}
    by_settings: dict[str, set[str]] = {}
    for run in fingerprinted:
        settings = sorted((k, str(v)) for k, v in run.config.items() if k.startswith("dataset."))
        by_settings.setdefault(str(settings), set()).add(label(run.data))
    if len(judged) > 1:
        return f"{len(judged)} different sets of validation and test samples"
    if any(len(labels) > 1 for labels in by_settings.values()):
        return "the same settings, but training samples that have changed in between"
    return ""


def data_label(group: Group) -> str:
    """Return the short name of a group's data; several are joined by commas."""
    return ", ".join(dict.fromkeys(label(run.data) for run in group.runs))


def _hashes(run: Run) -> dict[str, str]:
    hashes = run.data["hash"]
    return {name: str(hashes.get(name)) for name in SPLITS} if isinstance(hashes, dict) else dict.fromkeys(SPLITS, str(hashes))
