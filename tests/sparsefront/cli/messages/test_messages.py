"""Whatever the command line refuses, it does so in one sentence: where, the rule, what was found, the mend."""

import contextlib
import io
import re
import sys

import pytest

from sparsefront.cli.command import main
from sparsefront.cli.dry_run.check import check
from sparsefront.cli.dry_run.config_files import TOPS, check_config_files
from sparsefront.cli.dry_run.trainer_check import check_trainer
from sparsefront.cli.messages.messages import in_one_sentence
from sparsefront.cli.sparsefront_cli import SparsefrontCLI
from tests.helpers.one_sentence import sentence
from tests.helpers.places import CONFIGS

BASE = ["--config", str(CONFIGS / "base.yaml"), "--config", str(CONFIGS / "data/mnist5k.yaml"),
        "--config", str(CONFIGS / "classifiers/convnet.yaml"), "--trainer.accelerator", "cpu"]  # fmt: skip
STUDY = CONFIGS / "studies/mnist5k.yaml"
pytestmark = pytest.mark.filterwarnings("ignore")

MODULE = """
from torch import nn


class Nothing(nn.Module):
    pass


class One(nn.Module):
    def __init__(self, hidden=3):
        super().__init__()


class NotAModule:
    def __init__(self, in_chans, num_classes):
        pass


class Fails(nn.Module):
    def __init__(self, in_chans, num_classes):
        super().__init__()
        self.layer = undefined
"""
FILES = {
    "brace.yaml": b"model: {classifier: {class_path: ConvNet\n",
    "bracket.yaml": b"run_dir: a\nattacks: [{name: a}\n",
    "quote.yaml": b"run_dir: 'a\n",
    "tab.yaml": b"model:\n\tclassifier: ConvNet\n",
    "twice.yaml": b"run_dir: a\ntrainer: {max_epochs: 1}\nrun_dir: b\n",
    "twice_inside.yaml": b"trainer:\n  max_epochs: 1\n  max_epochs: 2\n",
    "latin.yaml": b"trainer: {}\nrun_dir: caf\xe9\n",
    "utf16.yaml": "run_dir: a\n".encode("utf-16"),
    "list.yaml": b"- a\n- b\n",
    "value.yaml": b"hello\n",
    "empty.yaml": b"",
    "key.yaml": b"trainer: {}\nmodell: {classifier: ConvNet}\n",
    "group.yaml": b"run_dir: a\nevaluation: true\n",
    "adversarial.yaml": b"run_dir: a\nadversarial_training: {eps: 0.1}\n",
    "plus.yaml": b"evaluation+: [1]\n",
    "null.yaml": b"data: {class_path: MNIST5k, init_args: {batch_size: null}}\n",
    "nulls.yaml": b"run_dir: null\n",
    "attack.yaml": b"{name: p, attack: {class_path: PGD}}\n",
    "second.yaml": b"attacks+:\n- {name: one, attack: {class_path: PGD}}\n"
    b"- {name: two, attack: {class_path: PGD, init_args: {steps: many}}}\n",
    "beside.yaml": b"model:\n  frontend: {class_path: TopT, top_t: 3}\n",
    "beside_data.yaml": b"data:\n  class_path: MNIST5k\n  init_args: {}\n  batch_size: 3\n",
    "beside_classifier.yaml": b"model: {classifier: {class_path: ConvNet, width: 3}}\n",
    "beside_optimizer.yaml": b"model: {optimizer: {class_path: torch.optim.Adam, lr: 0.1}}\n",
    "beside_misspelt.yaml": b"model: {frontend: {class_path: TopT, init_arg: {top_t: 3}}}\n",
    "beside_dotted.yaml": b"model: {frontend: {class_path: TopT, init_args.top_t: 3}}\n",
    "beside_attack.yaml": b"attacks:\n- {name: p, attack: {class_path: PGD, eps: 0.1}}\n",
    "beside_part.yaml": b"model: {frontend: {class_path: Compose, init_args: {\n"
    b"  parts: [{class_path: TopT, top_t: 3}]}}}\n",
    "beside_merged.yaml": b"model:\n  frontend: &one {class_path: TopT}\n  classifier: {<<: *one, width: 3}\n",
    "beside_name.yaml": b"attacks+:\n- {name: p, class_path: PGD}\n",
    "epoch.yaml": b"run_dir: a\ntrainer: {max_epoch: 1}\n",
    "sample.yaml": b"evaluation:\n  max_sample: 3\n",
    "front.yaml": b"model:\n  frontent: TopT\n",
    "top_k.yaml": b"checkpoint: {save_topk: 1}\n",
    "python.yaml": b"run_dir: a\ntrainer: {max_epochs: !!python/object/apply:os.getpid []}\n",
    "tag.yaml": b"run_dir: !mine a\n",
    "documents.yaml": b"run_dir: a\n---\nrun_dir: b\n",
    "mine_for_messages.py": MODULE.encode(),
    "broken_for_messages.py": b"import nothing_like_this\nclass Net: pass\n",
    "syntax_for_messages.py": b"x = 1\ndef f(:\n",
    "raising_for_messages.py": b"\nx = 1 / 0\n",
}


def one(text):
    return ["--attacks", "[{name: good, attack: {class_path: FGSM}}, " + text + "]"]


CASES = [
    # Classes that are not what is wanted.
    (
        ["--model.classifier", "mine_for_messages.Nothing"],
        "`classifier` Nothing must be built from (in_chans, num_classes)",
    ),
    (
        ["--model.classifier", "mine_for_messages.One"],
        "`classifier` One must take (in_chans, num_classes) as its first",
    ),
    (
        ["--model.classifier", "mine_for_messages.Fails"],
        "`classifier` Fails must be built from (in_chans, num_classes), found",
    ),
    (
        ["--model.classifier", "mine_for_messages.NotAModule"],
        "`model.classifier` must name a classifier (a subclass of Module)",
    ),
    (
        ["--model.classifier", "mine_for_messages.Othing"],
        "found Othing, which is not in mine_for_messages; did you mean Nothing",
    ),
    (
        ["--model.classifier", "nowhere.Net"],
        "`model.classifier` must name a class that can be imported, found nowhere.Net",
    ),
    (["--model.frontend", "nowhere.deep.Net"], "`model.frontend` must name a class that can be imported"),
    (["--data", "nowhere.Data"], "`data` must name a class that can be imported, found nowhere.Data"),
    (
        one("{name: p, attack: {class_path: nowhere.PGD}}"),
        "Entry 'p': `attack` of NamedAttack must name a class that can",
    ),
    (["--model.classifier", "broken_for_messages.Net"], "which needs a missing module nothing_like_this"),
    (["--model.classifier", "syntax_for_messages.Net"], "syntax_for_messages.py, line 2, must be Python"),
    (
        ["--model.classifier", "raising_for_messages.Net"],
        "raising_for_messages.py, line 2, must run when its module is",
    ),
    (
        ["--model.classifier", "sparsefront.attacks.PGD"],
        "`model.classifier` must name a classifier (a subclass of Module), found sparsefront.attacks.PGD",
    ),
    (
        ["--model.classifier", "PGD"],
        "`model.classifier` must name a classifier, found PGD, which is an attack; write e.g. ConvNet",
    ),
    (["--model.frontend", "ConvNet"], "`model.frontend` must name a front end, found ConvNet, which is a classifier"),
    (["--data", "TopT"], "`data` must name a data set, found TopT, which is a front end; write e.g. MNIST5k"),
    (one("{name: p, attack: {class_path: ConvNet}}"), "must name an attack, found ConvNet, which is a classifier"),
    (
        ["--model.optimizer", "sparsefront.attacks.PGD"],
        "`model.optimizer` must name a subclass of Optimizer, found sparsefront.attacks.PGD",
    ),
    # Names in another writing.
    (["--model.frontend", "top_t"], "found top_t; did you mean TopT?"),
    (["--model.classifier", "conv-net"], "found conv-net; did you mean ConvNet?"),
    (["--data", "mnist5k"], "found mnist5k; did you mean MNIST5k"),
    (one("{name: p, attack: {class_path: pgd}}"), "found pgd; did you mean PGD"),
    # Classes in a place of another sort.
    (
        ["--model.classifier", "TopT"],
        "`model.classifier` must name a classifier, found TopT, which is a front end; wri",
    ),
    (
        ["--model.classifier", "sparsefront.frontends.JPEG"],
        "must name a classifier, found JPEG, which is a front end; write e.g.",
    ),
    (
        ["--attacks+", "PGD"],
        "`attacks` must hold entries such as {name: mine, attack: {class_path: PGD}}, found PGD; g",
    ),
    (["--attacks", "[PGD]"], "`attacks` must hold entries such as {name: mine, attack: {class_path: PGD}}, found PGD;"),
    (
        ["--analysis.variants+", "GaussianBlurControl"],
        "`analysis.variants` must hold entries such as {name: mine, attack: {cl",
    ),
    (
        one("{name: p, attack: {class_path: PGD}, view: PGD}"),
        "Entry 'p': `view` of NamedAttack must name what an adversary knows, found PGD, which is an attack; write e.g.",
    ),
    (one("{name: p, attack: {class_path: PGD}, view: {class_path: PGD}}"), "found PGD, which is an attack; write e.g."),
    (
        one("{name: p, attack: WhiteBox}"),
        "must name an attack, found WhiteBox, which is what an adversary knows; write",
    ),
    (
        ["--model.classifier", "torch.nn"],
        "`model.classifier` must name a classifier, found torch.nn, which is a module; write torch.nn.Class with the",
    ),
    (
        ["--model.frontend", "sparsefront.frontends.jpeg"],
        "`model.frontend` must name a front end, found sparsefront.frontends.jpeg, which is a",
    ),
    (["--data", "sparsefront.data"], "`data` must name a data set, found sparsefront.data, which is a module; write"),
    # Nothing, or no name, where a class is wanted.
    (
        ["--model.frontend", "null"],
        "`model.frontend` must name a front end, found None (null in YAML)",
    ),
    (
        ["--model.classifier", "null"],
        "`model.classifier` must name a classifier, found None (null in YAML)",
    ),
    (["--model.classifier", "[ConvNet]"], "`model.classifier` must name a classifier, found ['ConvNet']"),
    (["--model.classifier", ""], "`model.classifier` must name a class of the project or one of yours"),
    # Entries of a list.
    (one("{name: p}"), "Entry 'p': `attack` of NamedAttack must be given"),
    (
        one("{attack: {class_path: PGD}}"),
        "`name` of NamedAttack must be given, found it nowhere; write e.g. name: mine",
    ),
    (
        one("{name: b, attack: {class_path: PGD, init_args: {steps: many}}}"),
        "Entry 'b': `steps` of PGD must be an integer, found",
    ),
    (
        one("{name: b, attack: {class_path: PGD, init_args: {steps: null}}}"),
        "Entry 'b': PGD: `steps` must be an integer, found",
    ),
    (
        one("{name: b, attack: {class_path: PGD, init_args: {steps: -1}}}"),
        "Entry 'b': PGD: `steps` must be at least 1, found -1",
    ),
    (
        one("{name: b, attack: {class_path: PGD, init_args: {norm: L2, eps: 128}}}"),
        "Attack 'b': `eps` must be at most 28 in L2",
    ),
    (
        one("{name: b, attack: {class_path: PGD}, view: {class_path: WhiteBox, init_args: {backward: smoth}}}"),
        "Attack 'b': `backward` of Identity must be one of exact, identity",
    ),
    (["--attacks", "hello"], "`attacks` must be a list, found hello; write e.g. [{name: mine"),
    (["--attacks+", "attack.yaml"], "`attacks+` must be one entry such as"),
    (
        ["--attacks+", str(CONFIGS / "attacks/pgd_linf.yaml")],
        "write `--config " + str(CONFIGS / "attacks/pgd_linf.yaml"),
    ),
    (["--config", "second.yaml"], "Entry 'two': `steps` of PGD must be an integer, found many"),
    (
        ["--analysis.variants", "[{name: v, attack: {class_path: GaussianBlurControl, init_args: {sigma: x}}}]"],
        "Entry 'v': `sigma` of GaussianBlurControl",
    ),
    (
        ["--model.frontend", "DSC", "--model.frontend.layers", "[{n_atoms: x}]"],
        "`n_atoms` of DSCLayer must be an integer",
    ),
    # Groups of settings.
    (
        ["--model.frontend", "DSC", "--model.frontend.learning.n_iterations", "x"],
        "`learning.n_iterations` of DSC must be an integer, found x.",
    ),
    (
        ["--model.frontend", "DSC", "--model.frontend.learning.n_iterations", "0"],
        "DSCLearningSettings: `n_iterations` must be at least 1, found 0",
    ),
    (
        ["--model.frontend", "DSC", "--model.frontend.learning", "{n_iteration: 3}"],
        "`learning.n_iteration` is no setting of DSC; did you mean learning.n_iterations",
    ),
    (
        ["--model.frontend", "DSC", "--model.frontend.learning.bogus", "3"],
        "`learning.bogus` is no setting of DSC; did you mean learning.n_iterations or learning.learning_rate or "
        "learning.tolerance or learning.seed?",
    ),
    (
        ["--model.frontend", "DSC", "--model.frontend.learning", "3"],
        "`learning` must hold settings, each with its name",
    ),
    (
        ["--model.frontend", "DSC", "--model.frontend.solver", "null"],
        "`model.frontend.solver` must hold settings of DSCSolver, found null; leave it out, and they are its defaults",
    ),
    (
        ["--model.frontend", "{class_path: DDL, init_args: {learning: 3}}"],
        "`model.frontend.learning` must hold settings of DDLLearning, found 3; leave it out, and they are its defaults",
    ),
    (
        ["--model.frontend", "RegionSparse", "--model.frontend.region.shape", "circle"],
        "`region.shape` of RegionSparse must be one of 'mask', 'box', 'all', found circle",
    ),
    (
        ["--model.frontend", "DDL", "--model.frontend.learning.eps", "big"],
        "DDLLearning: `eps` must be a finite number or a fraction such as 8/255, found 'big'",
    ),
    (
        ["--model.frontend", "DSC", "--model.frontend.second", "{shape: [1, 8], layers: [{n_atoms: 3}]}"],
        "`second.shape` of DSC must be a list of 3, found [1, 8]",
    ),
    (
        ["--model.frontend", "Compose", "--model.frontend.parts", "[{class_path: JPEG, init_args: {quality: x}}]"],
        "`quality` of JPEG must be an integer, found x",
    ),
    # Files.
    (["--config", "brace.yaml"], "`--config` brace.yaml, line 2, must be YAML"),
    (["--config=bracket.yaml"], "`--config` bracket.yaml, line 3, must be YAML"),
    (["--config", "quote.yaml"], "`--config` quote.yaml, line 2, must be YAML"),
    (["-c", "tab.yaml"], "`--config` tab.yaml, line 2, must be YAML"),
    (["--config", "twice.yaml"], "`--config` twice.yaml, line 3, must name each setting once, found `run_dir`"),
    (["--config", "twice_inside.yaml"], "`--config` twice_inside.yaml, line 3, must name each setting once"),
    (["--config", "latin.yaml"], "`--config` latin.yaml, line 2, must be UTF-8 text"),
    (["--config", "utf16.yaml"], "`--config` utf16.yaml, line 1, must be UTF-8 text"),
    (["--config", "list.yaml"], "`--config` list.yaml must hold settings such as"),
    (["--config", "value.yaml"], "`--config` value.yaml must hold settings such as"),
    (["--config", "empty.yaml"], "`--config` empty.yaml must hold settings such as"),
    (
        ["--config", "key.yaml"],
        "`--config` key.yaml, line 2, must name settings, found `modell`, which is none; did you mean model?",
    ),
    (["--config", "group.yaml"], "`--config` group.yaml, line 2: `evaluation` must hold settings, each with its name"),
    (["--evaluation", "x"], "`evaluation` must hold settings, each with its name, or name a file of them, found 'x'"),
    (["--model.classifier", "MLP"], "`model.classifier` must name one class, found MLP, which several are called"),
    (["--config", "plus.yaml"], "`evaluation+` is no setting"),
    (["--config", "null.yaml"], "`batch_size` must be an integer, found None (null in YAML)."),
    (["--config", "nulls.yaml"], "`run_dir` must be"),
    (["--config", "."], "`--config` must name a YAML file, found a folder at"),
    (["--config", "nowhere.yaml"], "`--config` must name a YAML file, found none at nowhere.yaml"),
    (["--config"], "`--config` must be followed by a value, found none"),
    (["--config", str(STUDY)], f"run `sparsefront-study {STUDY}`"),
    (
        ["--config", "epoch.yaml"],
        "epoch.yaml, line 2, must name settings of `trainer`, found `max_epoch`, which is none; "
        "did you mean max_epochs",
    ),
    (
        ["--config", "sample.yaml"],
        "sample.yaml, line 2, must name settings of `evaluation`, found `max_sample`, which is",
    ),
    (
        ["--config", "front.yaml"],
        "front.yaml, line 2, must name settings of `model`, found `frontent`, which is none; did",
    ),
    (["--config", "top_k.yaml"], "of `checkpoint`, found `save_topk`, which is none; did you mean save_top_k"),
    (
        ["--config", "python.yaml"],
        "python.yaml, line 2, must hold plain values, found the tag !!python/object/apply:os.",
    ),
    (["--config", "tag.yaml"], "`--config` tag.yaml, line 1, must hold plain values, found the tag !mine"),
    (["--config", "documents.yaml"], "documents.yaml, line 2, must hold one YAML document, found that a second begins"),
    # Settings of a class beside its name.
    (
        ["--config", "beside.yaml"],
        "`--config` beside.yaml, line 2, must put `top_t` under `init_args` of TopT, found `top_t` beside "
        "`class_path`; write {class_path: TopT, init_args: {top_t: ...}}",
    ),
    (["--config", "beside_data.yaml"], "beside_data.yaml, line 4, must put `batch_size` under `init_args` of MNIST5k"),
    (["--config", "beside_classifier.yaml"], "line 1, must put `width` under `init_args` of ConvNet"),
    (["--config", "beside_optimizer.yaml"], "line 1, must put `lr` under `init_args` of Adam"),
    (
        ["--config", "beside_misspelt.yaml"],
        "settings of TopT as `init_args`, found `init_arg`; did you mean init_args?",
    ),
    (["--config", "beside_dotted.yaml"], "must put `top_t` under `init_args` of TopT, found `init_args.top_t` beside"),
    (["--config", "beside_attack.yaml"], "beside_attack.yaml, line 2, must put `eps` under `init_args` of PGD"),
    (["--config", "beside_part.yaml"], "must put `top_t` under `init_args` of TopT"),
    (["--config", "beside_merged.yaml"], "beside_merged.yaml, line 3, must put `width` under `init_args` of TopT"),
    (["--config", "beside_name.yaml"], "beside_name.yaml, line 2, must put PGD under `attack`, found it beside `name`"),
    (["--model.frontend", "{class_path: TopT, top_t: 3}"], "`--model.frontend` must put `top_t` under `init_args` of"),
    (['--data={"class_path": "MNIST5k", "batch_size": 3}'], "`--data` must put `batch_size` under `init_args` of MNI"),
    (one("{name: p, attack: {class_path: PGD, eps: 0.1}}"), "`--attacks` must put `eps` under `init_args` of PGD"),
    (["--attacks+", "{name: p, class_path: PGD}"], "`--attacks+` must put PGD under `attack`, found it beside `name`"),
    (["--config", "{model: {frontend: {class_path: TopT, top_t: 3}}}"], "must put `top_t` under `init_args` of TopT"),
    # The trainer's settings.
    (
        ["--trainer.accelerator", "gpuu"],
        "`trainer.accelerator` must be one that Lightning knows (auto, cpu, cuda, mps, tpu)",
    ),
    (["--trainer.devices", "0"], "`trainer.devices` must be an integer of at least 1 or auto, found '0'"),
    (["--trainer.devices", "9999"], "without a GPU, the cores of this machine, found 9999"),
    (["--trainer.devices", "x"], "`trainer.devices` must be an integer of at least 1 or auto, found 'x'"),
    (["--trainer.max_epochs", "x"], "`trainer.max_epochs` must be an integer, found x"),
    (["--trainer.max_epochs", "-5"], "`trainer.max_epochs` must be -1 or an integer of at least 0, found -5"),
    (["--trainer.precision", "12"], "`trainer.precision` must be one of 64, 32, 16"),
    (["--trainer.limit_train_batches", "-1"], "`trainer.limit_train_batches` must be a share from 0.0 to 1.0"),
    (["--trainer.strategy", "nope"], "`trainer.strategy` must be one that Lightning knows"),
    (["--trainer.accumulate_grad_batches", "0"], "`trainer.accumulate_grad_batches` must be an integer of at least 1"),
    (["--trainer.check_val_every_n_epoch", "0"], "`trainer.check_val_every_n_epoch` must be an integer of at least 1"),
    (["--trainer.check_val_every_n_epoch", "-3"], "or null with val_check_interval, found -3"),
    (["--trainer.val_check_interval", "0"], "`trainer.val_check_interval` must be a share above 0.0 up to 1.0"),
    (["--trainer.val_check_interval", "0.0"], "`trainer.val_check_interval` must be a share above 0.0 up to 1.0"),
    (["--trainer.val_check_interval", "-2"], "or an integer of at least 1, found -2"),
    (["--trainer.limit_train_batches", "0"], "`trainer.limit_train_batches` must leave something to train on, found 0"),
    (["--trainer.limit_train_batches", "0.0"], "`trainer.limit_train_batches` must leave something to train on, found"),
    (["--trainer.gradient_clip_val", "-1"], "`trainer.gradient_clip_val` must be a number of at least 0, or null for"),
    (["--trainer.gradient_clip_val", ".nan"], "`trainer.gradient_clip_val` must be a number of at least 0, or null"),
    (["--trainer.num_sanity_val_steps", "-3"], "`trainer.num_sanity_val_steps` must be -1 for all, or an integer of"),
    (["--trainer.log_every_n_steps", "-1"], "`trainer.log_every_n_steps` must be an integer of at least 0, found -1"),
    (["--trainer.num_nodes", "0"], "`trainer.num_nodes` must be an integer of at least 1, found 0"),
    (["--trainer.num_nodes", "2"], "`trainer.num_nodes` must be 1 where no cluster starts the processes, found 2 and"),
    (
        ["--trainer.default_root_dir", "/x"],
        "`trainer.default_root_dir` must be left out, because it follows from `run_dir`, found '/x'; name the folder",
    ),
    (["--trainer.enable_checkpointing", "false"], "`trainer.enable_checkpointing` must be true or left out, found Fal"),
    (["--trainer.barebones", "true"], "`trainer.barebones` must be false or left out, found True: a run always logs"),
    (["--trainer.accelerator", "tpu"], "`trainer.accelerator` must ask for what is installed, found a missing package"),
    (["--trainer.precision", "transformer-engine"], "`trainer.precision` must ask for what is installed, found a mis"),
    (["--seed_everything", "-1"], "`seed_everything` must be an integer from 0 to 4294967295, found -1"),
    (["--seed_everything", "x"], "`seed_everything` must be true or false or an integer, found x"),
    (
        ["--model.optimizer", "torch.optim.Adam", "--model.optimizer.lr=-1"],
        "`model.optimizer` must be built from parameters",
    ),
    (["--model.optimizer", "torch.optim.Adam", "--model.optimizer.lr", "x"], "`lr` of Adam must be a number"),
    # Settings that do not exist, and values of another kind.
    (
        ["--model.frontnd", "TopT"],
        "`--model.frontnd` is no setting, found on the command line; did you mean --model.frontend",
    ),
    (["--nonsense"], "`--nonsense` is no setting"),
    # Settings that exist, in a place that is handed over.
    (
        ["--model.scheduler={class_path: torch.optim.lr_scheduler.OneCycleLR, init_args: {max_lr: 0.1}}"],
        "`max_lr` of OneCycleLR cannot be set here, found it among the first arguments",
    ),
    (
        ["--model.classifier={class_path: torch.nn.Sequential, init_args: {args: [1]}}"],
        "`args` of Sequential cannot be set here, found it among the first arguments",
    ),
    (
        ["--model.classifier={class_path: torch.nn.utils.fusion.fuse_linear_bn_eval}"],
        "must be handed over, found a function as `class_path`; write the function alone, `classifier: torch.nn.utils",
    ),
    (["hello"], "a setting must follow its name, found hello alone"),
    (["--data.bach_size", "3"], "`bach_size` is no setting of MNIST5k; did you mean batch_size"),
    (["--data.batch_size", "null"], "`batch_size` must be an integer, found None (null in YAML)."),
    (["--data.batch_size", "{a: 1}"], "`batch_size` of MNIST5k must be an integer, found {'a': 1}"),
    (["--data.batch_size", "1" + 30 * "0"], "`batch_size` must be an integer"),
    (["--evaluation.search.cascade", "maybe"], "`evaluation.search.cascade` must be true or false, found maybe"),
    (["--model.classifier.width", "null"], "ConvNet: `width` must be an integer, found None (null in YAML)."),
    (["--model.class_weights", "[1, x]"], "`model.class_weights` must be a number, found x"),
    (["--checkpoint.save_top_k", "x"], "`checkpoint.save_top_k` must be an integer, found x"),
    (["--checkpoint.monitor", "a", "--checkpoint.mode", "upp"], "`mode` must be one of min, max, found upp"),
]


@pytest.fixture(autouse=True)
def in_a_folder_of_faults(tmp_path, monkeypatch):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    yield
    for name in [name for name in sys.modules if name.endswith("_for_messages")]:
        del sys.modules[name]


def said(run, args):
    """What a command line says when it refuses; its exit code is 2 and there is no traceback."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()), pytest.raises(SystemExit) as stop:
        run(args)
    assert stop.value.code == 2
    return told.getvalue()


@pytest.mark.parametrize(
    ("args", "message"), CASES, ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else ""
)
def test_what_is_refused_is_said_in_one_sentence(args, message):
    assert message in sentence(said(check, ["fit", *BASE, *args]))


@pytest.mark.parametrize(
    "args",
    [
        ["--model.adversarial_training", "true"],
        ["--adv_train"],
        ["--model.classifier.adversarial_training", "true"],
        ["--config", "adversarial.yaml"],
        ["--model.classifier", "AdversarialTraining"],
        ["--trainer.callbacks", "[sparsefront.AdversarialTraining]"],
    ],
)
def test_adversarial_training_is_said_to_be_absent(args):
    assert "there is no adversarial training here, models are trained on clean images" in sentence(
        said(check, ["fit", *BASE, *args])
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "the first word must be one of fit, validate, test, predict, found none; write e.g. `sparsefront fit"),
        (
            ["fitt"],
            "the first word must be one of 'fit', 'validate', 'test', 'predict', found 'fitt'; did you mean fit?",
        ),
        (
            ["fit"],
            "`model.classifier` and `data` must be given, found them nowhere; write e.g. --model.classifier ConvNet",
        ),
        (["test", "--data", "MNIST5k"], "`model.classifier` must be given, found it nowhere"),
        (
            ["--model.classifier", "ConvNet"],
            "found 'ConvNet'; write it before all settings, e.g. `sparsefront fit --config ...`",
        ),
        (["--hlep"], "`--hlep` is no setting, found on the command line; did you mean --help?"),
        ([*BASE[:2], "fit"], "must come after the verb, found it before fit"),
    ],
)
def test_a_command_without_a_verb_or_a_part_is_told_what_to_write(args, message):
    assert message in sentence(said(main, args))


def test_every_configuration_of_the_project_passes():
    files = [path for path in sorted(CONFIGS.rglob("*.yaml")) if path.parent.name != "studies"]
    assert len(files) > 50
    check_config_files([word for path in files for word in ("--config", str(path))])


@pytest.mark.parametrize("name", ["SLURM_NTASKS", "MASTER_ADDR", "LOCAL_RANK", "TORCHELASTIC_RUN_ID"])
def test_several_nodes_are_taken_where_something_starts_them(name, monkeypatch):
    monkeypatch.setenv(name, "1")
    check_trainer({"num_nodes": 2}, "fit")


@pytest.mark.parametrize("verb", ["validate", "test", "predict", None])
def test_no_batches_to_train_on_are_refused_of_a_fit_alone(verb):
    check_trainer({"limit_train_batches": 0}, verb)


@pytest.mark.parametrize(
    "settings",
    [
        {"check_val_every_n_epoch": None, "val_check_interval": 5},
        {"val_check_interval": "00:01:00:00"},
        {"val_check_interval": {"minutes": 5}},
        {"gradient_clip_val": None, "num_sanity_val_steps": -1, "log_every_n_steps": 0},
        {"gradient_clip_val": 0, "limit_train_batches": None, "limit_val_batches": 0},
        {"limit_train_batches": 0, "fast_dev_run": True},
    ],
)
def test_numbers_that_can_be_are_taken(settings):
    check_trainer(settings, "fit")


@pytest.mark.parametrize("asked", [["gpu"], ["cuda"], ["gpu", "--trainer.devices", "99"]])
def test_a_gpu_that_is_not_there_is_named(asked, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    text = sentence(said(check, ["fit", *BASE, "--trainer.accelerator", *asked]))
    assert f"`trainer.accelerator` must be one that this machine has, found {asked[0]} and no GPU" in text


def test_more_gpus_than_there_are_is_named(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    text = sentence(said(check, ["fit", *BASE, "--trainer.accelerator", "gpu", "--trainer.devices", "99"]))
    assert "`trainer.devices` must be at most 2, the GPUs of this machine, found 99" in text


def test_processes_of_a_machine_without_a_gpu_are_said(monkeypatch, capsys):
    told = []
    monkeypatch.setattr("sparsefront.cli.sparsefront_cli.rank_zero_info", told.append)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    check(["fit", *BASE, "--trainer.devices", "1"])
    assert not told
    check(["fit", *BASE, "--trainer.devices", "2"])
    assert told == [
        "trainer.devices: 2 without a GPU starts 2 processes that share this machine's processor; 1 is as fast for "
        "most runs."
    ]


@pytest.mark.parametrize(
    "text", ["`eps` must be >= 0, found -1.", "plain words", "Attack 'p': `top_u` must be from 3 to 5."]
)
def test_a_sentence_of_the_project_stays_as_it_is(text):
    assert in_one_sentence(text) == text


def test_every_setting_at_the_top_of_a_file_is_known():
    """Those of all verbs, as the parsers have them."""
    found = set()
    for verb in SparsefrontCLI.subcommands():
        told = io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
            main([verb, "--data", "MNIST5k", "--model.classifier", "ConvNet", "--print_config"])
        found |= set(re.findall(r"^(\w+):", told.getvalue(), re.MULTILINE))
    assert {"model", "data", "attacks", "trainer"} < found <= set(TOPS)
