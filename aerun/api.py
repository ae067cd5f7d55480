"""Training from Python: the same settings as on the command line."""

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aerun.core.errors import AerunError
from aerun.core.logs import quiet_aerun
from aerun.core.paths import config_dir, seen_from
from aerun.core.seeding import own_draws
from aerun.core.text import note
from aerun.formats.arrays import plain as array_of
from aerun.formats.binary_tables import columns_in
from aerun.formats.frames import has_columns, write_frame
from aerun.formats.framing import FrameFormat
from aerun.formats.problems import UnclearError
from aerun.inference import loading
from aerun.inference.model import Model
from aerun.report import banner
from aerun.runs import files
from aerun.runs.folder import Folder
from aerun.runs.in_memory import BOTH, SAMPLES, TABLE
from aerun.runs.plain import array as stored
from aerun.runs.reuse import goes_on
from aerun.settings.explain import explain
from aerun.settings.naming import new_folder
from aerun.settings.overrides import config_of, resolved
from aerun.settings.quoting import in_quotes, reads_as
from aerun.settings.replaced import replaced
from aerun.train import train as run

_FRAME = "frame.json"
_RIGHT = re.compile(r"as in ([a-z_]+(?:\.[a-z_]+)+)=")
_OTHERS = "{}: holds an unfinished run of other samples x. Choose another folder, or fresh=True."
_FEWEST = 3  # samples of an estimator
_PROBLEMS = 3  # columns of samples in memory that one error names
_ESTIMATOR = "aerun.sklearn"  # the command that runs of its estimators have


def train(*overrides: str, x: Any = None, folder: str | Path | None = None, fresh: bool = False, **settings: Any) -> Model:
    """See `aerun.train`."""
    typed = [*overrides, *written(settings)]
    if x is not None and any(o.startswith(("dataset=", "dataset.path=")) for o in typed):
        raise AerunError("x=... and dataset=...: samples come from one or the other.")
    _tried(typed if x is None else [f"dataset={option_for(x)}", *typed], settings)
    path = Path(new_folder("outputs/runs", typed) if folder is None else folder).expanduser().absolute()
    if x is not None:
        typed = [*_read_from(path, x), *typed]
    cfg = composed(typed)
    try:
        goes = not fresh and goes_on(path, cfg)
        if x is not None:
            in_memory(x, path, keep=goes)
        command = shlex.join(["aerun", *typed, f"hydra.run.dir={in_quotes(str(path))}"])
        with _in_words_of("x", x, path):
            run(
                cfg,
                path,
                command,
                fresh=fresh,
                begun=partial(banner.begin, seen_from(Path.cwd(), path)) if cfg["trainer"]["progress"] else None,
            )
    except AerunError:
        if folder is None:
            with contextlib.suppress(OSError):  # The folder is not empty.
                path.rmdir()
        raise
    return _remembering(x, path, modules_of(cfg))


@contextlib.contextmanager
def _in_words_of(name: str, x: Any, path: Path) -> Iterator[None]:
    """Let errors of samples in memory speak of these, by `name`, and not of the file in which their run keeps them."""
    try:
        yield
    except AerunError as e:
        words, file = str(e), "" if x is None else str(_file(path, x))
        if not file or file not in words:
            raise
        if isinstance(e, UnclearError):
            more = len(e.problems) - _PROBLEMS
            shown = " ".join(p.words for p in e.problems[:_PROBLEMS])
            words = f"{shown} {more} more problem{'s'[: more != 1]}." if more > 0 else shown
        raise AerunError(words.replace(file, name)) from None  # the file is of no interest to who has the samples


def _tried(typed: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Compose the config, since a mistake must leave no folder behind.

    Raises AerunError, which of a keyword that aerun calls otherwise also says the right one.
    """
    try:
        composed(typed)
    except AerunError as e:
        right = _RIGHT.search(str(e))
        if right is None or not any(_key(k) == str(e).partition(":")[0] for k in settings):
            raise
        raise AerunError(f"{e} In Python: {right[1].replace('.', '__')}=...") from e


def _remembering(x: Any, path: Path, trust: Sequence[str]) -> Model:
    """Return the model of a run that is complete; of a data frame x its folder keeps how answers become one."""
    if (frame := FrameFormat.of(x)) is not None:
        Folder(path).write(_FRAME, frame.plain())
    return load(path, trust=trust)


def load(run: str | PathLike[str], weights: str = "best", trust: Sequence[str] = ()) -> Model:
    """See `aerun.load`."""
    model = loading.load(run, weights, trust)
    if Path(str((model.config.get("dataset") or {}).get("path"))).name == TABLE:
        model.form.frame = FrameFormat.stored(model.folder.read(_FRAME))
    return model


def modules_of(cfg: Mapping[str, Any]) -> list[str]:
    """Return the packages that the parts of a run come from.

    This process has built them already, so that they need no further trust.
    """
    nodes = [*cfg["model"].values(), *(cfg["reg"].get("terms") or {}).values()]
    roots = {str(node["_target_"]).partition(".")[0] for node in nodes if isinstance(node, Mapping) and "_target_" in node}
    return sorted(roots - {"aerun"})


def fitted(x: Any, overrides: Sequence[str], folder: Path, weights: Any = None, like: Any = None) -> Model:
    """Return a model trained on samples x (n, ...) and on nothing else, in a folder that may be removed afterwards.

    weights: (n,), of the samples in the objective. like: a data frame, such as answers become; None: none. Nothing is shown.
    15 % of the samples, at least one, choose the best epoch and the threshold; nothing is kept for a test. AerunError for fewer
    than three samples.
    """
    rows = len(next(iter(columns_in(x).values()))) if has_columns(x) else len(x)
    if rows < _FEWEST:
        raise AerunError(f"X: {rows} samples; {_FEWEST} are needed, one of which is held out to choose the best epoch.")
    share = max(0.15, 1.5 / rows)
    own = [
        "trainer.progress=false",
        "pictures=[]",
        f"dataset.val={share}",
    ]
    x, beside = _with_weights(x, weights)
    read = [*_read_from(folder, x), *written({"dataset__test_path": str(_file(folder, x)), **beside})]
    cfg = composed([*read, *own, *overrides])
    fresh = Folder(folder).read("run.json").get("command") == _ESTIMATOR  # `fit` begins anew, as scikit-learn wants it
    if not fresh:
        goes_on(folder, cfg)  # what is refused is not touched
    in_memory(x, folder)
    with quiet_aerun(), own_draws(), _in_words_of("X", x, folder):
        run(cfg, folder, _ESTIMATOR, tested=False, fresh=fresh)
    return _remembering(like, folder, modules_of(cfg))


def _with_weights(x: Any, weights: Any) -> tuple[Any, dict[str, Any]]:
    """Return columns by name with one more, of weights; of an array both by name; and the settings that read them so."""
    if weights is None:
        return x, {}
    if not has_columns(x):
        return _Arrays(x, weights), {"dataset__key": "x", "dataset__test_key": "x", "dataset__weights": "weights"}
    name = "sample_weight"
    while name in x:
        name = f"{name}_"
    return {**x, name: weights}, {"dataset__weights": name}


class _Arrays(NamedTuple):
    """Samples that are kept in one file with their weights."""

    x: Any
    weights: Any


def option_for(x: Any) -> str:
    """Return the data set that reads samples in memory: a table where they are columns by name, else an array."""
    return "table" if has_columns(x) else "array"


def in_memory(x: Any, path: Path, keep: bool = False) -> list[str]:
    """Keep samples in the folder `path` and return the overrides that read them from there.

    Data frames and mappings keep names, kinds, categories and missing values of their columns; masked elements of arrays are
    missing ones. keep: a run of samples that are there already goes on. Raises AerunError where they are other ones, and for
    an array without numbers.
    """
    if has_columns(x):
        _keep_table(x, path, keep)
        return _read_from(path, x)
    if isinstance(x, _Arrays):
        with Folder(path).kept(BOTH) as file:
            np.savez(file, **x._asdict())
        return _read_from(path, x)
    array = array_of(x)
    if array.dtype.kind not in "biuf":
        raise AerunError(f"x: holds {array.dtype}, not numbers.")
    if keep and Folder(path).has(SAMPLES) and not _equal(stored(path, SAMPLES, limit=sys.maxsize), array):
        raise AerunError(_OTHERS.format(path))
    Folder(path).keep(SAMPLES, array)
    return _read_from(path, x)


def _keep_table(x: Any, path: Path, keep: bool) -> None:
    table = io.BytesIO()
    write_frame(x, table)
    if keep and Folder(path).has(TABLE) and files.read(path, TABLE, sys.maxsize - 1) != table.getvalue():
        raise AerunError(_OTHERS.format(path))
    files.replace(path, TABLE, table.getvalue())


def _file(path: Path, x: Any) -> Path:
    return path / (TABLE if has_columns(x) else BOTH if isinstance(x, _Arrays) else SAMPLES)


def _read_from(path: Path, x: Any) -> list[str]:
    return [f"dataset={option_for(x)}", *written({"dataset__path": str(_file(path, x))})]


def _equal(a: Any, b: Any) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def written(settings: Mapping[str, Any]) -> list[str]:
    """Return keyword settings as overrides: `__` becomes a dot, None becomes null, lists become [a,b].

    Words that Hydra would read as something else are quoted.
    """
    return [f"{_key(key)}={_value(value)}" for key, value in settings.items()]


def _key(word: str) -> str:
    """Return the key that a keyword means: model__arch the group model/arch, model__latent_dim model.latent_dim."""
    group = word.replace("__", "/")
    return group if (config_dir() / group).is_dir() else word.replace("__", ".")


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{k}:{_value(v)}' for k, v in value.items())}}}"
    if isinstance(value, np.generic):
        return _value(value.item())
    word = str(value)
    return word if not isinstance(value, str | Path) or reads_as(word) == word else in_quotes(word)


def composed(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the resolved config that the command line composes from these overrides.

    Raises AerunError with Hydra's own words.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        cfg = config_of(overrides)
        for line in replaced(cfg.hydra).values():
            note(line)
        return resolved(cfg)
    except (HydraException, OmegaConfBaseException) as e:
        raise AerunError(explain(e)[1]) from e
