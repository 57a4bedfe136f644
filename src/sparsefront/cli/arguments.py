"""The arguments of the command line that LightningCLI does not have."""

from pytorch_lightning.cli import LightningArgumentParser

from sparsefront.analysis import Representations
from sparsefront.attacks import NamedAttack
from sparsefront.evaluation import RobustEvaluation
from sparsefront.runs.run_checkpoints import RunCheckpoints
from sparsefront.training.frontend_cache import FrontEndCache


def add_arguments(parser: LightningArgumentParser) -> None:
    """Add them to the parser of a subcommand, and what follows from others."""
    parser.add_argument("--run_dir", type=str, default="runs/default", help="Folder that everything is written to.")
    parser.add_argument(
        "--attacks",
        type=list[NamedAttack],
        default=[],
        help="Named attacks; append in YAML with `attacks+:`. Or quick, standard or thorough, which is the protocol of "
        "that effort, with `--attacks.norm` and `--attacks.eps`.",
    )
    parser.add_lightning_class_args(RobustEvaluation, "evaluation")
    parser.add_lightning_class_args(Representations, "analysis")
    parser.add_lightning_class_args(FrontEndCache, "frontend_cache")
    parser.add_lightning_class_args(RunCheckpoints, "checkpoint")
    parser.set_defaults({"checkpoint.save_last": True, "checkpoint.filename": "epoch{epoch}"})
    parser.set_defaults({"checkpoint.auto_insert_metric_name": False})
    parser.add_argument(
        "--may_differ",
        type=list[str],
        default=[],
        help="Settings of the front end, the classifier or the data that a test may have otherwise than the "
        "checkpoint, by their dotted names; what differs is recorded.",
    )
    parser.link_arguments("attacks", "evaluation.attacks")
    parser.link_arguments("run_dir", "trainer.default_root_dir")
    parser.link_arguments("data.image_shape", "model.image_shape", apply_on="instantiate")
    parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")
