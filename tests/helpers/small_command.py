"""Arguments of a small `sparsefront` command, on data that needs no download."""

from tests.helpers.places import CONFIGS

BASE = [
    "--config", str(CONFIGS / "base.yaml"), "--config", str(CONFIGS / "data/mnist5k.yaml"),
    "--config", str(CONFIGS / "classifiers/convnet.yaml"),
    "--trainer.max_epochs", "2", "--trainer.limit_train_batches", "3", "--trainer.accelerator", "cpu",
    "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false", "--data.val_size", "21",
    "--data.test_size", "24", "--data.batch_size", "8",
]  # fmt: skip
PGD2 = ["--attacks+", "{name: pgd, attack: {class_path: PGD, init_args: {eps: 0.1, steps: 2}}}"]
LONG = ["--attacks+", "{name: long, attack: {class_path: PGD, init_args: {eps: 0.1, steps: 1000000}}}"]
