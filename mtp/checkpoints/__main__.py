"""``python -m mtp.checkpoints inspect|convert|check``."""
import argparse
import json
import os
from collections import OrderedDict

from mtp.checkpoints import check, files, layouts
from mtp.checkpoints.backbone import families, load_backbone
from mtp.checkpoints.writing import save
from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.files import sha256
from mtp.paths import resolve


def parser():
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
    convert.add_argument('--overwrite', action='store_true')

    fit = verbs.add_parser('check', help='is the file whole, the published one, and does it fit the model?')
    fit.add_argument('file')
    fit.add_argument('--config', help='the model of this config')
    fit.add_argument('--backbone', help='a backbone by name: vit_b_rvsa, vit_l_rvsa, internimage_xl')
    fit.add_argument('--variant', default='pretrain', help='wiring of that backbone (%(default)s)')
    fit.add_argument('--img-size', type=int, default=224, help='image size of that backbone (%(default)s)')
    return top


def inspect(arguments):
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
            print('{:8} {}'.format(name, value))
    for key, value in facts['meta'].items():
        print('meta     {}: {}'.format(key, str(value).split('\n')[0][:120]))
    if arguments.keys:
        for key, (shape, kind) in shapes.items():
            print('{}  {}  {}'.format(key, tuple(shape), kind))
    else:
        print('keys     ' + families(tensors))
    return OK


def convert(arguments):
    """Write a checkpoint in another layout."""
    checkpoint = files.load(arguments.file)
    source = arguments.source or layouts.detect(checkpoint)
    try:
        converted = layouts.convert(checkpoint.state_dict, source, arguments.to, arguments.task, arguments.head)
    except MTPError as error:
        raise MTPError('{}: {}'.format(checkpoint.path, error.args[0]), hint=error.hint) from None
    out = resolve(arguments.out)
    save(out, converted.state_dict, layouts.convert_meta(checkpoint.meta, arguments.to), arguments.overwrite)
    print('{} ({}) -> {} ({}): {} tensors kept, {} dropped'.format(
        checkpoint.path, source, out, arguments.to, len(converted.state_dict), len(converted.dropped)))
    if converted.dropped:
        print('  dropped: ' + families(converted.dropped))
    print('  sha256 ' + sha256(out))
    return OK


def check_file(arguments):
    """Say whether a file is whole, the published one, and fits."""
    path = resolve(arguments.file)
    checkpoint = files.load(path)  # reads every tensor
    print('{}: whole, layout {}, {} tensors'.format(path, checkpoint.layout, len(checkpoint.state_dict)))
    print('  ' + check.compare_with_manifest(path, check.manifest()))
    if arguments.backbone:
        from mtp.nn import build
        print(load_backbone(build(arguments.backbone, variant=arguments.variant, img_size=arguments.img_size), path))
    if arguments.config:
        model = check.model_of_config(arguments.config)
        if checkpoint.layout not in ('openmmlab1', 'openmmlab2'):  # goes into `pretrained`, not into `load_from`
            print(load_backbone(model.backbone, path))
            return OK
        shapes = {key: value.shape for key, value in model.state_dict().items()}
        return report_fit(check.Fit(checkpoint.state_dict, shapes), arguments.config)
    return OK


def report_fit(fit, name):
    """Print how the file fits; the exit code says whether wholly."""
    print('  {}: {} tensors fit, {} have another shape, {} missing, {} left over'.format(
        name, len(fit.fitting), len(fit.misfits), len(fit.missing), len(fit.left_over)))
    for key, (found, wanted) in fit.misfits.items():
        print('  {}: the file has {}, the model wants {}'.format(key, found, wanted))
    for title, keys in (('missing', fit.missing), ('left over', fit.left_over)):
        if keys:
            print('  {}: {}'.format(title, families(keys)))
    return OK if fit.whole else FAILED


def main(words=None):
    """Run one verb; returns the exit code."""
    arguments = parser().parse_args(words)
    if arguments.verb is None:
        raise MTPError('no verb given', hint='python -m mtp.checkpoints --help')
    return {'inspect': inspect, 'convert': convert, 'check': check_file}[arguments.verb](arguments)


if __name__ == '__main__':
    run_main(main)
