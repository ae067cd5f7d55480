"""Pictures drawn, and kept in the run: RUN/pictures/NAME.png, and in its loggers."""

import logging
from collections.abc import Iterable
from pathlib import Path

from aerun import pictures
from aerun.core.errors import AerunError
from aerun.core.seeding import own_draws
from aerun.logger.png import png
from aerun.logger.rows import last_epoch
from aerun.logger.several import Loggers
from aerun.runs import files
from aerun.trained import Trained

log = logging.getLogger("aerun")


def draw_all(names: Iterable[str], trained: Trained, folder: Path, loggers: Loggers | None = None) -> list[Path]:
    """Return the files written. Chance is drawn from the run's seed and leaves none behind.

    A picture that these data do not allow is told and left out.
    """
    drawn, epoch = list[str](), last_epoch(folder)
    for name in names:
        try:
            with own_draws(trained.seed):
                picture = pictures.module(name).draw(trained, folder)
        except AerunError as e:
            log.warning("pictures: %s: %s", name, e)
            continue
        if picture is None:
            continue
        with files.replaced(folder, f"pictures/{name}.png") as file:
            file.write(png(picture))
        drawn.append(name)
        if loggers is not None:
            loggers.picture(name, picture, pictures.summary(name), epoch)
    return [folder / "pictures" / f"{name}.png" for name in drawn]
