"""What other programs call a setting, and what aerun calls it. Imports no torch.

Lightning's Trainer, common configs and papers have words of their own. None of them is taken silently for another: whoever
types one is told aerun's word.
"""

import re

from aerun.settings.shells import in_shell

# Words at the root of a config, or under `trainer.`, that mean a setting with the same values.
_SAME = {
    "optimizer.lr": "lr learning_rate learningrate base_lr max_lr optim.lr optimizer.learning_rate model.lr",
    "optimizer.weight_decay": "weight_decay wd l2_penalty",
    "optimizer.betas": "betas",
    "optimizer.momentum": "momentum",
    "trainer.max_epochs": "epochs max_epochs n_epochs num_epochs nepochs",
    "trainer.max_steps": "steps max_steps n_steps num_steps total_steps",
    "trainer.max_time": "max_time time_limit time_budget",
    "trainer.batch_size": "batch_size bs batchsize train_batch_size dataset.batch_size data.batch_size",
    "trainer.gradient_clip": "gradient_clip_val gradient_clip grad_clip clip_grad_norm max_grad_norm clip_norm",
    "trainer.limit_batches": "limit_train_batches limit_val_batches limit_batches",
    "trainer.patience": "patience early_stopping_patience",
    "trainer.monitor": "monitor",
    "trainer.precision": "precision",
    "trainer.devices": "devices num_devices num_processes n_gpus",
    "trainer.accelerator": "accelerator device",
    "trainer.progress": "enable_progress_bar progress_bar progress verbose",
    "model.latent_dim": "latent_dim latent_size latent z_dim code_size code_dim embedding_dim model.z_dim model.latent "
    "model.code_size bottleneck_size bottleneck_dim",
    "model.arch.activation": "activation model.activation",
    "model.arch.dropout": "dropout model.dropout",
    "model.init_from": "init_from pretrained",
    "seed": "random_seed random_state manual_seed rng_seed trainer.seed training.seed",
    "reg.lambda": "lambda lambda_ lam reg_lambda reg.weight regularizer.lambda beta kl_weight model.beta",
    "dataset.root": "data_dir data_root dataroot root dataset.dir dataset.data_dir",
    "dataset.path": "data data_path dataset_path",
    "objective": "optimized_metric metric",
    "hydra.run.dir": "output_dir save_dir out_dir log_dir logdir default_root_dir",
    "sweep.name": "sweep_name",
    "sweep.jobs": "n_jobs num_jobs",
    "search.trials": "n_trials num_trials",
}
# The same for groups, whose options are chosen with GROUP=NAME.
_GROUPS = {
    "model/arch": "arch architecture encoder decoder network backbone net",
    "model/bottleneck": "bottleneck",
    "model/corruption": "corruption noise corrupt",
    "model/loss": "loss criterion loss_fn reconstruction_loss",
    "regularizer": "regularization penalty",
    "optimizer": "optim",
    "schedule": "scheduler lr_scheduler lr_schedule",
    "dataset": "datamodule dataset_name",
    "hydra/launcher": "launcher",
    "hydra/sweeper": "sweeper",
}
# Values that have another name there.
_VALUES: dict[tuple[str, str | None], str] = {
    ("trainer.accelerator", "cuda"): "gpu",
    ("trainer.accelerator", "cuda:0"): "gpu",
}
# Words without a setting of the same values, at the root or under `trainer.`, and what aerun has or does.
_ELSE = {
    "accumulate_grad_batches gradient_accumulation_steps grad_accum": "trainer.batch_size=N is the whole batch of a step: "
    "make it as many times larger; trainer.accumulate=PARTS computes it in parts where memory is small.",
    "gradient_clip_algorithm": "gradients are clipped by their norm (trainer.gradient_clip=NORM).",
    "fast_dev_run debug dry_run": "one epoch of three batches is trainer=smoke.",
    "overfit_batches": "trainer.limit_batches=N trainer.same_batches=true trains on the same N batches in every epoch.",
    "limit_test_batches limit_predict_batches": "the test reads its whole split; trainer.limit_batches=N limits training and "
    "validation.",
    "deterministic": "nothing to switch on: on one machine's CPU the same command gives the same bits, of training and of a "
    "run that goes on; another seed=N gives others.",
    "benchmark": "nothing to switch on: trainer.backend=auto chooses the faster way to multiply on a CPU.",
    "min_epochs min_steps": "training ends after trainer.max_epochs=N, or where trainer.patience=N epochs brought nothing "
    "better.",
    "callback early_stopping": "callbacks of your own are callbacks=[module.Class]; early stopping "
    "is trainer.patience=N, pictures are pictures=[NAMES], the best and "
    "the last checkpoint are always kept.",
    "loggers wandb tensorboard mlflow": "loggers are chosen with logger=[NAMES]: tensorboard, csv, mlflow, wandb; metrics.csv "
    "and results.json are always written.",
    "log_every_n_steps log_interval": "figures are written after every epoch, as means over its steps.",
    "val_check_interval check_val_every_n_epoch eval_every": "each epoch ends with a validation; trainer.limit_batches=N makes "
    "epochs shorter.",
    "strategy": "trainer.devices=N trains one model in N processes, with the gradients of one.",
    "num_nodes nodes": "one model is trained on one machine (trainer.devices=N); a sweep may use many: hydra/launcher=ray or "
    "submitit_slurm.",
    "gpus gpu cuda tpu_cores": "a GPU is used where torch sees one; trainer.accelerator=gpu insists on it, trainer.devices=N "
    "takes several.",
    "num_workers workers pin_memory persistent_workers": "nothing to set: samples lie in memory, and batches are drawn there.",
    "enable_checkpointing checkpoint save_top_k": "the best and the last checkpoint are always kept.",
    "checkpoint_every checkpoint_interval": "trainer.save_every=SECONDS is the time between two checkpoints on disk.",
    "ckpt_path resume resume_from_checkpoint resume_from": "aerun resume RUN goes on with a run; model.init_from=RUN begins a "
    "new one with its weights.",
    "enable_model_summary": "aerun show RUN prints the model.",
    "num_sanity_val_steps sanity_check": "nothing to set: the composition is tried before any data are read.",
    "detect_anomaly terminate_on_nan track_grad_norm": "a loss that is not finite stops the run in words.",
    "profiler": "python -m cProfile -m aerun ... measures a run.",
    "compile torch_compile": "models are not compiled; many small runs are faster as one with sweep.fuse=true.",
    "amp use_amp fp16 mixed_precision": "mixed precision is trainer.precision=bf16-mixed.",
    "hidden hidden_dim hidden_dims hidden_sizes hidden_size layers num_layers n_layers model.hidden model.hidden_dim "
    "model.hidden_dims model.layers": "the widths of the layers are model.arch.hidden=WIDTHS, a list such as [256,128]; "
    "recurrent ones have model.arch.hidden=64 and model.arch.layers=2.",
    "inference_mode use_distributed_sampler sync_batchnorm plugins barebones reload_dataloaders_every_n_epochs "
    "auto_lr_find auto_scale_batch_size model_registry": "is decided by aerun, and is no setting.",
}
# Names of torch's optimizers, which optimizer=torch takes.
OPTIMIZERS = ("Adadelta", "Adafactor", "Adagrad", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop")
_TRAINING = re.compile(r"(trainer|training|train|hparams|args)\.")
_LOADING = re.compile(r"(dataset|data|datamodule|dataloader|loader)\.(?=(num_workers|workers|pin_memory|persistent_workers)$)")


def _spread(table: dict[str, str]) -> dict[str, str]:
    return {word: own for own, words in table.items() for word in words.split()}


_SETTINGS, _PARTS = _spread(_SAME), _spread(_GROUPS)
_WORDS = {word: answer for words, answer in _ELSE.items() for word in words.split()}


def foreign_words() -> list[str]:
    """Return every word of other programs that is answered, as it is typed at the root of a config."""
    return [*_SETTINGS, *_PARTS, *_WORDS]


def settings() -> list[str]:
    """Return the settings of aerun's that are proposed for foreign words."""
    return list(_SAME)


def groups() -> list[str]:
    """Return the groups of aerun's that are proposed for foreign words."""
    return list(_GROUPS)


def own_words(key: str, value: str | None = None) -> str | None:
    """Return in one sentence what aerun has for a key of another program's; None where there is nothing to say.

    value: what was typed for it, which the sentence repeats with aerun's key.
    """
    bare = _TRAINING.sub("", key, count=1)
    word = _LOADING.sub("", bare, count=1)
    if bare != key and bare in ("callbacks", "logger"):
        return f"{key}: is no setting of the trainer; it stands at the root: {bare}=[NAMES]."
    if answer := _WORDS.get(word) or _WORDS.get(word.partition(".")[0]):
        return f"{key}: {answer}"
    if (own := _SETTINGS.get(key) or _SETTINGS.get(bare)) and own != key:
        count = own == "trainer.limit_batches"
        value = None if count and value and not value.isdigit() else own_value(own, value) or value
        return f"{key}: aerun calls it {own}{', a number of batches' * count}, as in {_typed(own, value or 'VALUE')}."
    if own := _PARTS.get(bare):
        name = value if value and re.fullmatch(r"[a-z]\w*", value) else "NAME"
        return f"{key}: aerun calls it {own}, as in {own}={name}."
    return None


def own_value(key: str, value: str | None) -> str | None:
    """Return what aerun calls a value of one of its settings that others call otherwise; None where they do not."""
    return _VALUES.get((key, value))


def _typed(own: str, value: str) -> str:
    word = f"{own}={value}"
    return word if re.fullmatch(r"[\w./=,:+-]+", word) else in_shell(word)


def torch_optimizer(name: str) -> str | None:
    """Return how one of torch's optimizers is chosen that is no option of its own; None for another word."""
    own = next((own for own in OPTIMIZERS if own.lower() == name.lower()), None)
    return None if own is None else f"optimizer=torch optimizer.name={own}"
