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


# Of recipes, in the order in which they are listed: `# family: NAME` in their headers.
FAMILIES = ("plain", "sparse", "denoising", "regularized", "variational", "prior matching", "discrete and compressed")


def catalog() -> dict[str, dict[str, str]]:
    """Return {group: {option: one line about it}}."""
    return {g: {name: summary(path) for name, path in option_files(g).items()} for g in ORDER}


def summary(path: Path) -> str:
    """Return the first comment line of a YAML file that is not a directive."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and "@package" not in line:
            return line.lstrip("# ").strip()
    return ""


def option_files(group: str, own: Path | None = None) -> dict[str, Path]:
    """Return {option: its YAML file} of a group; those of the folder own replace them by name."""
    shipped = {p.stem: p for p in sorted((config_dir() / group).glob("*.yaml"))}
    return shipped | {p.stem: p for p in sorted((own / group).glob("*.yaml"))} if own else shipped


def family(path: Path) -> str:
    """Return the family that a recipe's header names; "" where it names none."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# family:"):
            return line.removeprefix("# family:").strip()
    return ""


def settings_of(path: Path) -> list[str]:
    """Return the lines of an option's file but for the one that says where Hydra puts it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("# @package")]
