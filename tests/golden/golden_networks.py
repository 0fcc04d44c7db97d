"""The networks of the golden files, and how far they are from the numbers in them, on any device."""
import numpy as np
from golden_files import fill, golden, normal, probe_loss

from mtp.nn import RVSA, InternImage

REDUCED = dict(embed_dim=64, depth=6, num_heads=4, mlp_ratio=4, qkv_bias=True, interval=3, out_indices=[1, 2, 4, 5],
               use_abs_pos_emb=True)
INTERN = dict(channels=32, depths=[1, 1, 2, 1], groups=[2, 4, 8, 16], offset_scale=2.0, post_norm=True,
              layer_scale=1e-5)
#: case -> (function that builds the network from further settings, shape of ``normal``'s input)
CASES = {
    'rvsa/rvsa_224': (lambda **more: RVSA(img_size=224, **dict(REDUCED, **more)), (7, 2, 3, 224, 224)),
    'rvsa/rvsa_112': (lambda **more: RVSA(img_size=112, **dict(REDUCED, **more)), (7, 2, 3, 112, 112)),
    'variants/cls': (lambda **more: RVSA(variant='cls', **dict(REDUCED, out_indices=[5], **more)),
                     (21, 2, 3, 224, 224)),
    'variants/seg': (lambda **more: RVSA(variant='seg', **dict(REDUCED, **more)), (21, 2, 3, 224, 224)),
    'variants/det_branches': (lambda **more: RVSA(variant='det_branches', **dict(REDUCED, **more)),
                              (21, 2, 3, 224, 224)),
    'internimage/intern_128': (lambda **more: InternImage(**dict(INTERN, **more)), (31, 2, 3, 128, 128)),
}
# Which argument makes a network compute its activations again in the backward pass.
CHECKPOINTING = {'rvsa': 'use_checkpoint', 'variants': 'use_checkpoint', 'internimage': 'with_cp'}


def relative(value, expected):
    """Largest difference, relative to the largest expected value."""
    value, expected = np.asarray(value, np.float64), np.asarray(expected, np.float64)
    if value.shape != expected.shape:
        raise ValueError(f'shape {value.shape} where {expected.shape} was expected')
    return abs(value - expected).max() / max(abs(expected).max(), 1e-12)


def model_and_image(case, device='cpu', recipe='paper', **settings):
    """The network of a golden case with its weights, for testing, and its input, both on ``device``.

    The inputs are square: both recipes are the same function.
    """
    build, shape = CASES[case]
    model = fill(build(**settings)).eval().to(device)
    for module in model.modules():
        if hasattr(module, 'recipe'):
            module.recipe = recipe
    return model, normal(*shape).to(device)


def differences(case, device='cpu', recipe='paper'):
    """{'out0', ..., 'loss', 'grad_input', 'grad_norms': difference from the golden file}, see :func:`relative`."""
    expected = golden(case)
    model, image = model_and_image(case, device, recipe)
    maps = [each.cpu() for each in model(image.requires_grad_())]
    loss = probe_loss(maps)
    loss.backward()
    found = {key: relative(maps[int(key[3:])].detach()[:len(value)], value)
             for key, value in expected.items() if key.startswith('out')}
    if len(found) != len(maps):
        raise ValueError(f'{case}: {len(maps)} maps where {len(found)} were expected')
    found['loss'] = relative(loss.item(), expected['loss'])
    if 'grad_input' in expected:
        found['grad_input'] = relative(image.grad.cpu(), expected['grad_input'])
    norms = {name: p.grad.double().norm().item() for name, p in model.named_parameters() if p.grad is not None}
    found['grad_norms'] = max(abs(norms.get(name, 0.) - norm) / max(norm, 1e-6)
                              for name, norm in zip(expected['grad_names'], expected['grad_norms']))
    return found
