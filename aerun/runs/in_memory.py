"""Samples that a program gave in memory: what they are called beside those of files."""

from pathlib import Path

from aerun.core.errors import AerunError
from aerun.formats import arrow_files
from aerun.formats.arrays import read_array

SAMPLES, BOTH, TABLE = "samples.npy", "samples.npz", "samples.parquet"  # what a run keeps them as, in its own folder


def in_memory(folder: Path, path: object) -> str:
    """Return words for samples that the run in `folder` keeps for a program, such as X (1,797 x 64) in memory; else nothing."""
    kept = Path(str(path))
    if kept.parent != folder or kept.name not in (SAMPLES, BOTH, TABLE):
        return ""
    try:
        if kept.name == TABLE:
            columns, rows = arrow_files.heads(kept)
            shape = (rows, len(columns))
        else:
            shape = read_array("x", kept, "x" if kept.name == BOTH else None).shape
    except AerunError:  # gone, or damaged: whoever reads the samples says so
        return "X in memory"
    return f"X ({' x '.join(f'{n:,}' for n in shape)}) in memory"
