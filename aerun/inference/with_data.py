"""A run's model together with the data that it was trained on."""

from pathlib import Path

from aerun.build import dataset_of
from aerun.core.errors import AerunError
from aerun.core.paths import data_paths, with_data
from aerun.inference.runner import Runner
from aerun.trained import Trained


def trained_of(runner: Runner, what: str, data: str | Path | None) -> Trained:
    """Return the model with its data, which are read where first asked for; files from `data`.

    Raises AerunError where these are files of which nobody says where they are. what: what needs them, in words.
    """
    paths = data_paths(runner.config)
    if paths and data is None:
        raise AerunError(
            f"{what}, and a run's folder alone does not say where files are read: use --data PATH (data=PATH in Python). "
            f"They were {', '.join(f'{k}={v}' for k, v in paths.items())}."
        )
    return Trained(runner.autoencoder, dataset_of(with_data(runner.config, data), ()), runner.device, runner.seed)
