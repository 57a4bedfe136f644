import warnings

import pytorch_lightning as pl

from frontends import DDL
from sparsefront.data import MNIST5k
from sparsefront.stage_one import learn_front_end


def test_what_stage_one_leaves_out_by_design_is_not_warned_of():
    frontend = DDL((1, 28, 28), n_atoms=8, n_iterations=1, patches_per_iteration=8)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        learn_front_end(frontend, MNIST5k(batch_size=16), trainer)
    assert frontend.learned
    assert not [str(warning.message) for warning in said if "validation_step" in str(warning.message)]
    assert not [str(warning.message) for warning in said if "configure_optimizers" in str(warning.message)]
