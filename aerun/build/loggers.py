"""The loggers that a config asks for."""

from collections.abc import Mapping

from aerun.build.maker import Config, Maker
from aerun.core.errors import AerunError
from aerun.logger.base import Logger
from aerun.logger.several import default


def loggers_of(make: Maker, cfg: Config) -> tuple[list[Logger], list[str]]:
    """Return the loggers of a config and a warning for each that is left out.

    Configs of before there was a choice have TensorBoard. From the config of a run's folder, which may be a stranger's, nothing
    is sent anywhere: loggers that write outside of the folder are left out unless their name is trusted.
    """
    asked = cfg.get("logger")
    if "logger" not in cfg:
        return default(), []
    if not isinstance(asked, Mapping):
        raise AerunError(f"logger={asked}: loggers are chosen with logger=[NAMES], such as logger=[tensorboard,mlflow].")
    loggers, warnings = list[Logger](), list[str]()
    for name, node in asked.items():
        key = f"logger.{name}"
        if make.trusted is not None and not make.named(key, node).inside and name not in make.trusted:
            warnings.append(f"logger={name}: writes outside of the run's folder, and gets nothing without --trust {name}")
        else:
            loggers.append(make(key, node, {}))
    return loggers, warnings
