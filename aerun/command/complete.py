"""Shell completion: verbs and runs are ours, everything else is Hydra's."""

import os
from pathlib import Path

_WORDS = ("train", "resume", "help")


def complete() -> int:
    """Answer the shell's query."""
    line = os.environ.get("COMP_LINE", "")
    words = line.split(" ")[1:]
    if words and words[0] == "resume":
        runs = [str(p.parent) for p in Path("outputs").glob("**/config.yaml")]
        print(" ".join(sorted(r for r in runs if r.startswith(words[-1]))))
        return 0
    if len(words) == 1 and "=" not in words[0]:
        print(" ".join(w for w in _WORDS if w.startswith(words[0])), end=" ")
    if words and words[0] == "train":
        os.environ["COMP_LINE"] = "aerun " + " ".join(words[1:])
    # deferred: keeps what it answers itself without Hydra
    from aerun.command.train import run

    return run()
