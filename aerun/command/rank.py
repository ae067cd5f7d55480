"""A further rank of a run: a process that rank 0 starts. It trains its share, writes nothing, and ends with rank 0."""

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def main() -> int:
    """Do what the first line of stdin says; say on stdout when the data are there, on stderr why it could not go on."""
    # Ctrl-C, SIGTERM and SIGHUP, which a whole group of processes may be sent, are for rank 0 to decide.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_first, args=(order["meeting"],), daemon=True).start()
    ready = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    try:
        _assist(order, ready)
    except Exception as e:
        print(f"{type(e).__name__}: {e}", file=sys.stderr)
        return 1
    return 0


def _end_with_the_first(meeting: str) -> None:
    """End when rank 0 ends, however it does: the other end of stdin is closed then."""
    while os.read(0, 1):
        pass
    shutil.rmtree(Path(meeting).parent, ignore_errors=True)
    os._exit(1)


def _assist(order: Mapping[str, Any], ready: int) -> None:
    # deferred: libraries may print as they are imported, and that goes to stderr by now
    from aerun.begin import prepare
    from aerun.build import build
    from aerun.runs.folder import Folder
    from aerun.trainer.fit import run_rank
    from aerun.trainer.ranks import Ranks

    folder = Path(order["folder"])
    cfg = Folder(folder).config()
    plan = build(cfg, order["trusted"])
    job = prepare(plan, folder, order["trusted"])
    plan.trainer.set_length(plan.autoencoder, len(job.data.train), Folder(folder).planned_epochs())
    os.write(ready, b"\n")
    run_rank(job, plan.trainer, order["resume"], Ranks(order["rank"], order["number"]), Path(order["meeting"]))


if __name__ == "__main__":
    sys.exit(main())
