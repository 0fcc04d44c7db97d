"""Checkpoints that hold no more than what tells a published file."""
import os


def checkpoint(path, entry, meta=None, drop=(), **rows):
    """Path of a file with the tensors that tell ``entry``, each as small as its rows allow."""
    import torch

    from mtp.weights import recognise
    shapes = dict(recognise.probes(entry), **rows)
    state = {name: torch.zeros(count, 1) for name, count in shapes.items() if name not in drop}
    if entry.layout == 'mae':
        state['cls_token'] = torch.zeros(1, 1, 1)
    os.makedirs(os.path.dirname(str(path)), exist_ok=True)
    torch.save({'state_dict': state, 'meta': meta or {}}, str(path))
    return str(path)
