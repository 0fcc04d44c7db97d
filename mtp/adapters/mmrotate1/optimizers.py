"""Layer-wise learning-rate decay under the published constructor names."""
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

from mtp.adapters.layer_decay import constructors

for _constructor in constructors(DefaultOptimWrapperConstructor):
    OPTIM_WRAPPER_CONSTRUCTORS.register_module(module=_constructor, force=True)
