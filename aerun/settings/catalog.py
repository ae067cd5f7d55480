"""What can be chosen: every group with its options and their first comment line. Reads only text, so it is fast."""

from pathlib import Path

from aerun.core.paths import config_dir

ORDER = (
    "model",
    "model/arch",
    "model/bottleneck",
    "model/corruption",
    "model/loss",
    "regularizer",
    "dataset",
    "trainer",
    "optimizer",
    "schedule",
    "search",
)


def catalog() -> dict[str, dict[str, str]]:
    """Return {group: {option: one line about it}}."""
    root = config_dir()
    return {g: {p.stem: summary(p) for p in sorted((root / g).glob("*.yaml"))} for g in ORDER}


def summary(path: Path) -> str:
    """Return the first comment line of a YAML file that is not a directive."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and "@package" not in line:
            return line.lstrip("# ").strip()
    return ""
