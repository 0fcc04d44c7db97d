"""``python -m mtp.pretrain.validate``: score a checkpoint of a pretraining run on a whole set, valid or train."""
import argparse
import os
import shlex
from typing import Optional, Sequence

from mtp import numbers
from mtp.errors import MTPError, run_main
from mtp.files import write_json
from mtp.paths import resolve
from mtp.report import identity

from . import recipe as recipes
from .data import annotation_cache
from .engine import checkpoints, communicator, evaluator, validator


def main(words: Optional[Sequence[str]] = None) -> None:
    """Print the scores and write them as JSON; works under torchrun and srun as training does."""
    parser = argparse.ArgumentParser(prog='python -m mtp.pretrain.validate', description=__doc__)
    parser.add_argument('--save_path', required=True, help='folder of a pretraining run')
    parser.add_argument('--checkpoint', help='file to score (default: the newest of the run)')
    parser.add_argument('--split', choices=('valid', 'train'), default='valid')
    parser.add_argument('--batch_size_val', type=numbers.count, default=1, help='images at a time of one process')
    parser.add_argument('--workers', type=numbers.not_negative, default=0, help='loader processes of one process')
    parser.add_argument('--device', choices=('auto', 'cpu', 'cuda'), default='auto')
    parser.set_defaults(distributed=True)  # the environment says with whom
    parser.add_argument('--port', help='port for the processes to meet, where the launcher does not set one')
    parser.add_argument('--out', help='JSON file for the scores (default: <save_path>/scores_<split>.json)')
    options = parser.parse_args(words)
    options.mixed_precision = False
    folder = resolve(options.save_path)
    found = checkpoints.load(resolve(options.checkpoint)) if options.checkpoint else checkpoints.newest(folder)
    if found is None:
        raise MTPError(f'{options.save_path} holds no checkpoint of a pretraining run',
                       hint=f'python main_pretrain.py --save_path {shlex.quote(options.save_path)}')
    settings = found.meta['settings']
    recipe = recipes.get(settings['recipe'])
    comm = communicator.join(options)
    try:
        cache = os.path.join(folder, 'annotations')
        sources = {name: annotation_cache.read(cache, name, options.split, recipe.drop_degenerate, comm)
                   for name in settings['datasets']}
        model = checkpoints.restored_model(found).to(comm.device)
        scores = evaluator.evaluate(model, sources, settings['image_size'], comm, options.batch_size_val,
                                    options.workers)
    except Exception as error:
        raise comm.fail(error)
    comm.close()
    if comm.is_main:
        print(validator.describe(found.meta['iteration'], scores))
        out = resolve(options.out) if options.out else os.path.join(folder, f'scores_{options.split}.json')
        write_json(out, dict(checkpoint=found.path, split=options.split, scores=scores))
        print(out)
        standing = identity.standing()
        if standing:
            print(standing)


if __name__ == '__main__':
    run_main(main)
