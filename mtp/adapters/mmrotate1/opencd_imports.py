"""Let Open-CD 1.1.0 work beside the documented versions.

It imports all of its models at once, two of which ask for what these versions lack: ``LayerNorm2d``, which
MMSegmentation has from 1.1 on, and the package peft. MTP uses neither model. It draws with an argument that
MMSegmentation 1.0.0 does not know yet.
"""
import importlib.util
import inspect
import sys
import types


def prepare():
    """Put stand-ins where something is missing; to be called before anything of Open-CD is imported."""
    from mmseg.models import utils
    if not hasattr(utils, 'LayerNorm2d'):
        from mmpretrain.models.utils import LayerNorm2d
        utils.LayerNorm2d = LayerNorm2d
    if importlib.util.find_spec('peft') is None:
        sys.modules['peft'] = types.ModuleType('peft')
        sys.modules['peft'].get_peft_config = sys.modules['peft'].get_peft_model = _no_peft


def mend(visualizer):
    """Let ``visualizer`` (the class CDLocalVisualizer) draw with this MMSegmentation, which writes no labels anyway."""
    drawn = visualizer.__mro__[1]._draw_sem_seg
    if 'with_labels' not in inspect.signature(drawn).parameters:
        visualizer._draw_sem_seg = lambda self, image, mask, classes, palette, with_labels=False: drawn(
            self, image, mask, classes, palette)


def _no_peft(*_, **__):
    raise ImportError('this model needs the package peft, which the documented environment does not have')
