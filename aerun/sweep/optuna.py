"""Optuna, its database and its sweeper for Hydra: is it there, does it open, what does it draw."""

import importlib.metadata
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aerun.core.errors import AerunError
from aerun.sweep.space import Space

if TYPE_CHECKING:
    from optuna.study import Study

PLUGIN, VERSION = "hydra-optuna-sweeper", "1.4.0.dev6"  # the last that works with Hydra 1.3; older ones want SQLAlchemy 1.4
FILE = "study.db"
JOURNAL, _JOURNALS = "study.journal", (".journal", ".log")  # a study as a file of lines; its names end so
_SCHEME = "journal://"
DATABASE = (FILE, *(f"{FILE}-{part}" for part in ("journal", "wal", "shm")), JOURNAL, f"{JOURNAL}.lock")


def refuse_without_plugin() -> None:
    """Raise AerunError where Optuna's sweeper for Hydra is not installed, or another version of it."""
    install = "pip install 'aerun[search]'"
    if any(find_spec(name) is None for name in ("optuna", "hydra_plugins", "hydra_plugins.hydra_optuna_sweeper")):
        raise AerunError(f"search= needs Optuna and its sweeper for Hydra: {install}")
    installed = importlib.metadata.version(PLUGIN)
    if installed != VERSION:
        raise AerunError(f"search= needs {PLUGIN} {VERSION}, and {installed} is installed: {install}")


def refuse_sampler(name: str) -> None:
    """Raise AerunError for a sampler that cannot search here."""
    if name == "grid":
        raise AerunError("hydra/sweeper/sampler=grid: a grid is a sweep without search=: aerun -m KEY=A,B")
    if name == "cmaes" and find_spec("cmaes") is None:
        raise AerunError("hydra/sweeper/sampler=cmaes: needs a package of its own: pip install cmaes")


def opened(url: str, folder: Path, directions: Sequence[str], asked: str | None) -> "Study":
    """Return the study of this folder's name, new or as it was.

    AerunError where the database cannot be opened. asked: as typed.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = storage_of(url)
        return optuna.create_study(
            study_name=folder.resolve().name, storage=storage, directions=directions, load_if_exists=True
        )
    except (SQLAlchemyError, optuna.exceptions.OptunaError, ImportError, OSError, RuntimeError, ValueError) as e:
        why = str(e.__cause__ or e).strip().splitlines()[0]
        where = f"search.storage={asked}" if asked else str(folder / FILE)
        raise AerunError(
            f"{where}: cannot be opened as a study's database: {why.rstrip('.')}. A file would do (FILE.journal: lines of a "
            "journal), or a URL such as sqlite:////DIR/study.db or postgresql://USER@HOST/NAME."
        ) from e


def closed(study: "Study") -> None:
    """Let go of the database."""
    storage: Any = study._storage
    storage.remove_session()
    if hasattr(storage, "_backend") and hasattr(storage._backend, "engine"):
        storage._backend.engine.dispose()


def url_of(asked: str | None, folder: Path) -> str:
    """Return the address of a file or URL, None: of the folder's own file, `journal`: of its journal.

    It is SQLAlchemy's, or journal:// and the path of a file whose name ends as a journal's.
    """
    if asked is not None and "://" in asked:
        return asked
    from sqlalchemy.engine import URL

    own = {None: folder / FILE, "journal": folder / JOURNAL}
    path = own[asked] if asked in own else Path(str(asked)).expanduser()
    if path.suffix in _JOURNALS:
        return f"{_SCHEME}{path.absolute()}"
    return URL.create("sqlite", database=str(path.absolute())).render_as_string()


def storage_of(url: str) -> Any:
    """Return Optuna's storage at an address of `url_of`. Raises what Optuna does where it cannot be opened."""
    import optuna

    if not url.startswith(_SCHEME):
        return optuna.storages.RDBStorage(url)
    from optuna.storages.journal import JournalFileBackend

    return optuna.storages.JournalStorage(JournalFileBackend(url.removeprefix(_SCHEME)))


def distributions_of(space: Space) -> dict[str, Any]:
    """Map setting -> Optuna's distribution. AerunError for what is none."""
    from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides

    distributions: dict[str, Any] = {}
    for key, text in space.drawn.items():
        try:
            distributions |= create_params_from_overrides([f"{key}={text}"])[0]
        except (ValueError, AssertionError, NotImplementedError) as e:  # the plugin asserts what it does not take
            raise AerunError(f"{key}={text}: nothing that can be drawn from: {str(e).splitlines()[0]}") from e
    return distributions
