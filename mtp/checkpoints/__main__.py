"""``python -m mtp.checkpoints inspect|convert|check|publish``."""
import argparse
import json
import os
from collections import OrderedDict
from typing import Optional, Sequence, Set

from torch import nn

from mtp import numbers, ownership
from mtp.backbones import BACKBONES
from mtp.checkpoints import check, files, layouts, share
from mtp.checkpoints import publish as publishing
from mtp.checkpoints.backbone import load_backbone
from mtp.checkpoints.share import families
from mtp.checkpoints.writing import save
from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.files import sha256
from mtp.paths import resolve
from mtp.terminal import shown


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog='python -m mtp.checkpoints', description=__doc__)
    verbs = top.add_subparsers(dest='verb', metavar='VERB')
    inspect = verbs.add_parser('inspect', help='list what a checkpoint holds, its meta, size and sha256')
    inspect.add_argument('file')
    inspect.add_argument('--keys', action='store_true', help='every tensor with shape and type')
    inspect.add_argument('--json', action='store_true', help='the same for programs')

    convert = verbs.add_parser('convert', help='rename the tensors to another layout')
    convert.add_argument('file')
    convert.add_argument('out', help='.pth or .safetensors')
    convert.add_argument('--to', required=True, choices=layouts.LAYOUTS)
    convert.add_argument('--from', dest='source', choices=layouts.LAYOUTS, help='default: told from the keys')
    convert.add_argument('--task', choices=['backbone'] + sorted(layouts.DECODERS),
                         help="pretraining decoder to carry over; default: the target's own")
    convert.add_argument('--head', choices=sorted(layouts.SUBSETS),
                         help='carry over the last layers of this dataset too')
    convert.add_argument('--partial', action='store_true', help='take a file of another network, too')
    convert.add_argument('--overwrite', action='store_true')

    fit = verbs.add_parser('check', help='is the file whole, the published one, and does it fit the model?')
    fit.add_argument('file')
    fit.add_argument('--partial', action='store_true', help='little of the file is meant to fit')
    fit.add_argument('--config', help='the model of this config')
    fit.add_argument('--backbone', help='a backbone by name: ' + ', '.join(BACKBONES))
    fit.add_argument('--variant', default='pretrain', help='wiring of that backbone (%(default)s)')
    fit.add_argument('--img-size', type=numbers.count, default=224, help='image size of that backbone (%(default)s)')

    give = verbs.add_parser('publish', help='without optimizer, hash in the name, safetensors beside it, where it is '
                                            'from')
    give.add_argument('file')
    give.add_argument('--out', default='', help='folder (beside the file)')
    give.add_argument('--no-ema', action='store_true', help='the trained weights, where averages were kept beside them')
    give.add_argument('--passport', default='', help='of the run (passport.json beside the file)')
    give.add_argument('--no-passport', action='store_true', help='tell nothing of the run')
    return top


def publish(arguments: argparse.Namespace) -> int:
    """Write a checkpoint as it is given away."""
    passport = None if arguments.no_passport else resolve(arguments.passport)
    pth, tensors, which = publishing.publish(arguments.file, resolve(arguments.out), not arguments.no_ema, passport)
    for path in (pth, tensors):
        print(f'{path} ({which} weights): {os.path.getsize(path)} bytes, sha256 {sha256(path)}')
    return OK


def inspect(arguments: argparse.Namespace) -> int:
    """Print what is in a file."""
    path = resolve(arguments.file)
    checkpoint = files.load(path)
    tensors = checkpoint.state_dict
    facts = OrderedDict([
        ('file', path), ('bytes', os.path.getsize(path)), ('sha256', sha256(path)), ('layout', checkpoint.layout),
        ('tensors', len(tensors)), ('numbers', sum(t.numel() for t in tensors.values())),
        ('meta', {key: value if isinstance(value, (int, float, str)) else repr(value)
                  for key, value in checkpoint.meta.items()}), ('also', sorted(map(str, checkpoint.rest)))])
    shapes = OrderedDict((key, [list(t.shape), str(t.dtype).replace('torch.', '')]) for key, t in tensors.items())
    if arguments.json:
        print(json.dumps(dict(facts, keys=shapes)))
        return OK
    for name, value in facts.items():
        if name != 'meta':
            print(f'{name:8} {shown(value, 1000)}')
    for key, value in facts['meta'].items():
        print('meta     {}: {}'.format(shown(key), shown(str(value).split('\n')[0], 120)))
    if arguments.keys:
        for key, (shape, kind) in shapes.items():
            print(f'{shown(key)}  {tuple(shape)}  {kind}')
    else:
        print('keys     ' + families(tensors))
    return OK


def convert(arguments: argparse.Namespace) -> int:
    """Write a checkpoint in another layout."""
    checkpoint = files.load(arguments.file)
    source = arguments.source or layouts.detect(checkpoint)
    try:
        converted = layouts.convert(checkpoint.state_dict, source, arguments.to, arguments.task, arguments.head)
    except MTPError as error:
        raise MTPError(f'{checkpoint.path}: {error.args[0]}', hint=error.hint) from None
    if not arguments.partial:
        prefix = next((part for part in ('backbone.', 'encoder.') if part in _tops(converted)), '')
        share.known(checkpoint.path, [key[len(prefix):] for key in converted.state_dict if key.startswith(prefix)])
    out = resolve(arguments.out)
    ownership.refuse_inputs([out], [checkpoint.path], 'name')
    save(out, converted.state_dict, layouts.convert_meta(checkpoint.meta, arguments.to), arguments.overwrite)
    print('{} ({}) -> {} ({}): {} tensors kept, {} dropped'.format(
        checkpoint.path, source, out, arguments.to, len(converted.state_dict), len(converted.dropped)))
    for sentence in layouts.single_stage(checkpoint.state_dict)[1]:
        print('  ' + sentence)
    if converted.dropped:
        print('  dropped: ' + families(converted.dropped))
    print('  sha256 ' + sha256(out))
    return OK


def _tops(converted: layouts.Converted) -> Set[str]:
    return {key.partition('.')[0] + '.' for key in converted.state_dict}


def check_file(arguments: argparse.Namespace) -> int:
    """Say whether a file is whole, the published one, and fits."""
    path = resolve(arguments.file)
    checkpoint = files.load(path)  # reads every tensor
    print(f'{path}: whole, layout {checkpoint.layout}, {len(checkpoint.state_dict)} tensors')
    print('  ' + check.compare_with_manifest(path, check.manifest()))
    if arguments.backbone:
        from mtp.nn import build
        print(load_backbone(build(arguments.backbone, variant=arguments.variant, img_size=arguments.img_size), path,
                            arguments.partial, '--partial'))
    if arguments.config:
        model = model_of_config(arguments.config)
        if checkpoint.layout not in ('openmmlab1', 'openmmlab2'):  # goes into `pretrained`, not into `load_from`
            print(load_backbone(model.backbone, path, arguments.partial, '--partial'))
            return OK
        shapes = {key: value.shape for key, value in model.state_dict().items()}
        return report_fit(check.Fit(checkpoint.state_dict, shapes), arguments.config)
    return OK


def model_of_config(config: str) -> nn.Module:
    """The model of a toolbox's config. The only thing here that needs a toolbox, so it is looked up when asked for."""
    from mtp.adapters import model_of_config as models
    return models.build(config)


def report_fit(fit: check.Fit, name: str) -> int:
    """Print how the file fits; the exit code says whether wholly."""
    print('  {}: {} tensors fit, {} have another shape, {} missing, {} left over'.format(
        name, len(fit.fitting), len(fit.misfits), len(fit.missing), len(fit.left_over)))
    for key, (found, wanted) in fit.misfits.items():
        print(f'  {shown(key)}: the file has {found}, the model wants {wanted}')
    for title, keys in (('missing', fit.missing), ('left over', fit.left_over)):
        if keys:
            print(f'  {title}: {families(keys)}')
    return OK if fit.whole else FAILED


def main(words: Optional[Sequence[str]] = None) -> int:
    """Run one verb; returns the exit code."""
    arguments = parser().parse_args(words)
    if arguments.verb is None:
        raise MTPError('no verb given', hint='python -m mtp.checkpoints --help')
    return {'inspect': inspect, 'convert': convert, 'check': check_file, 'publish': publish}[arguments.verb](arguments)


if __name__ == '__main__':
    run_main(main)
