"""What a plan can be for, as data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """What is asked of a model, and how models are held against each other.

    model: the recipe of the networks. ask: the application that judges, on validation rows, and once on test rows. figure: of
    that application, by which; sign: 1 where less of it is better. verb: what is typed next, and its words behind the run.
    relative: figures compare as shares of PCA's alone, which differs from model to model.
    """

    name: str
    model: str
    ask: str
    figure: str
    sign: int
    verb: str
    words: str
    relative: bool = False


TASKS = {
    task.name: task
    for task in (
        Task("anomaly", "ae", "anomaly", "auroc", -1, "score", "FILE --top 10"),
        Task("reduce", "ae", "reconstruction", "se", 1, "encode", "FILE --output codes.npz"),
        Task("compress", "compression", "compression", "fine_bpp", 1, "compress", "FILE --output small.aer", relative=True),
        Task("generate", "vae", "generation", "fcd", 1, "generate", "--count 16 --output new.npz"),
        Task("impute", "iwae", "imputation", "rmse_30", 1, "impute", "FILE --output whole.csv"),
    )
}
