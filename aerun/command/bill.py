"""`aerun ... --bill`: what a run will cost, from a few steps of it; nothing trains, and nothing is kept but the bill."""

from collections.abc import Sequence

from aerun.core.collector import go_on
from aerun.core.text import say
from aerun.settings.flags import read_flags
from aerun.settings.overrides import config_of, refuse_idle_lambda, resolved
from aerun.settings.sources import source_of

FLAG = "--bill"


def run(argv: Sequence[str]) -> int:
    """Print what the run of these words will take, from a few steps of it."""
    typed = read_flags(argv).overrides
    plain = resolved(config_of(typed, source_of(argv)))
    refuse_idle_lambda(plain, typed)
    go_on()
    # Deferred: --help and completion need no torch.
    from aerun.bill import machine, past
    from aerun.bill.estimate import estimate
    from aerun.bill.lines import of_run
    from aerun.bill.probe import probe
    from aerun.train import judged

    cost, known = probe(plain, judged, first=True), past.learned()
    for line in of_run(cost, estimate(cost, known, cold=True, busy=machine.busy(), begun=True), known):
        say(line)
    say(f"bill     {past.keep(plain, cost)}; the run itself keeps what it took beside it")
    return 0
