"""Layer-wise learning-rate decay under the published constructor names."""
from mmcv.runner.optimizer import DefaultOptimizerConstructor
from mmcv.runner.optimizer.builder import OPTIMIZER_BUILDERS

from mtp.adapters.layer_decay import constructors

for _constructor in constructors(DefaultOptimizerConstructor):
    OPTIMIZER_BUILDERS.register_module(module=_constructor, force=True)
