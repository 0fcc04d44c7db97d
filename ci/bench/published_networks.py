"""The published networks, run from a checkout that the user fetched, to measure against: nothing of them is kept here.

    git clone https://github.com/ViTAE-Transformer/MTP FOLDER

``FOLDER/Multi-Task_Pretrain/backbone`` has to hold the ViT and InternImage of pretraining. They want einops, and for
InternImage the compiled DCNv3; where that is missing, the published formulation in plain PyTorch runs.
"""
import contextlib
import importlib
import os
import sys
import types
from unittest import mock

VIT, INTERN = 'vit_win_rvsa_v3_wsz7', 'intern_image'
WHERE = os.path.join('Multi-Task_Pretrain', 'backbone')


def _module(folder, name):
    """A module of the checkout, as part of a package of its own: it imports its neighbours relatively."""
    backbone = os.path.abspath(os.path.join(folder, WHERE))
    if not os.path.exists(os.path.join(backbone, name + '.py')):
        raise SystemExit('--published {}: {} is not there'.format(folder, os.path.join(WHERE, name + '.py')))
    package = types.ModuleType('published_backbone')
    package.__path__ = [backbone]
    sys.modules[package.__name__] = package
    try:
        return importlib.import_module('published_backbone.' + name)
    except ImportError as error:
        raise SystemExit('--published {}: {}; pip install {} beside the environment'.format(
            folder, error, getattr(error, 'name', None) or 'what it needs'))


def _without_operator():
    """Stand-ins for the compiled module and its version, which the published code imports at once; never called."""
    import pkg_resources
    known = pkg_resources.get_distribution

    def version(name):
        return types.SimpleNamespace(version='1.1') if name == 'DCNv3' else known(name)

    return (mock.patch.dict(sys.modules, DCNv3=types.ModuleType('DCNv3')),
            mock.patch.object(pkg_resources, 'get_distribution', version))


def _intern(folder, settings):
    try:
        importlib.import_module('DCNv3')
        return _module(folder, INTERN).InternImage(core_op='DCNv3', **settings)
    except ImportError:
        modules, version = _without_operator()
        with modules, version:
            return _module(folder, INTERN).InternImage(core_op='DCNv3_pytorch', **settings)


def build(folder, ours, settings):
    """The published network with the weights of ``ours``, an RVSA or InternImage made with ``settings``.

    Raises:
        SystemExit: the folder is no such checkout, or its code cannot be imported; says what is missing.
    """
    with contextlib.redirect_stdout(sys.stderr):  # the published constructors talk
        if 'img_size' in settings:
            made = _module(folder, VIT).ViT_Win_RVSA_V3_WSZ7(**settings)
        else:
            made = _intern(folder, settings)
    made.load_state_dict(ours.state_dict())
    return made.to(next(ours.parameters()).device).train(ours.training)


def with_ours(published, ours, parts):
    """``published`` with some of its modules replaced by ours: 'window', 'full', 'pyramid', 'dcn'. In place."""
    if 'pyramid' in parts:
        for number in range(1, 5):
            setattr(published, f'fpn{number}', getattr(ours, f'fpn{number}'))
    for block, own in zip(getattr(published, 'blocks', ()), getattr(ours, 'blocks', ())):
        if ('full' if hasattr(own.attn, 'has_position') else 'window') in parts:
            block.attn = own.attn
    for level, own_level in zip(getattr(published, 'levels', ()), getattr(ours, 'levels', ())):
        for block, own in zip(level.blocks, own_level.blocks):
            if 'dcn' in parts:
                block.dcn = own.dcn
    return published
