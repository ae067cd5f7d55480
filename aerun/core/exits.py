"""Exit codes of the command. The page docs/reference/exit-codes.md is made from here."""

import signal

SUCCEEDED, FAILED, WRONG = 0, 1, 2
TIME_LIMIT = 124  # that of timeout(1)
NO_READER = 128 + signal.SIGPIPE
CLOSED, INTERRUPTED, TERMINATED = 128 + signal.SIGHUP, 128 + signal.SIGINT, 128 + signal.SIGTERM

MEANINGS = {
    SUCCEEDED: "done",
    FAILED: "the run failed: the loss is not finite, the disk is full, a job of a sweep failed, an experiment does not hold",
    WRONG: "the command was wrong, and nothing was changed: the error says what was written, what is wrong and what works",
    TIME_LIMIT: "a cluster's time limit ended the job of a sweep",
    CLOSED: "the terminal was closed (SIGHUP)",
    INTERRUPTED: "Ctrl-C (SIGINT)",
    NO_READER: "the output of a verb was piped into a program that has ended",
    TERMINATED: "the process was asked to end (SIGTERM)",
}
# What is said of a run that was stopped from outside.
STOPPED = {
    TIME_LIMIT: "stopped at its time limit",
    CLOSED: "terminal closed",
    INTERRUPTED: "interrupted",
    TERMINATED: "terminated",
}
