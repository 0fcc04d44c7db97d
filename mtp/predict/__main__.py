"""``python -m mtp.predict IMAGE… --config … --checkpoint …``: what a model says of any raster, for GIS and for people.

What is written depends on what the config's network does: :mod:`~mtp.predict.detection` (objects),
:mod:`~mtp.predict.maps` (classes of pixels, changes), :mod:`~mtp.predict.scenes` (classes of scenes).
"""
import argparse
import os
import shlex
import sys
from typing import Optional, Sequence

from mtp import devices, locks, numbers, ownership, paths
from mtp.adapters import command, environment, tile_test, words
from mtp.errors import OK, MTPError, run_main
from mtp.tiles import rasters

from . import detection, maps, scenes
from .job import Prediction
from .options import parser
from .team import Team

VERB = 'predict'
#: What the networks of a scope do: their Job. Others are detectors, or refused as none.
TASKS = {'mmseg': maps.Job, 'opencd': maps.Job, 'mmpretrain': scenes.Job}


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Compute this process's share, and write everything in the first one."""
    paths.add_hooks()
    cli = environment.command_line()
    options = parser(words.action(cli.DictAction)).parse_args(argv)
    devices.require(options.device)
    wanted = argparse.Namespace(config=options.config, cfg_options=options.cfg_options, work_dir=None, launcher='none',
                                local_rank=options.local_rank, rehearse=options.rehearse, device=options.device)
    cfg = cli.load(wanted, 'test')
    rank, world, local = command.ranks(wanted)
    checkpoint = command.require_file(options.checkpoint, 'checkpoint')
    _check(options, pairs=cfg.get('default_scope') == 'opencd')
    colours = rasters.Colours(options.bands and tuple(options.bands), options.stretch and tuple(options.stretch))
    team = Team(rank, world, tile_test.device(local, options.amp))
    job = TASKS.get(cfg.get('default_scope'), detection.Job)
    _run(job(cfg, checkpoint, options, team, colours), paths.resolve(options.out))
    environment.tell_standing()
    return OK


def _check(options: argparse.Namespace, pairs: bool) -> None:
    """Refuse images where a pair is needed, the other way round, and a range that is none."""
    numbers.rising('--stretch', options.stretch)
    if pairs and options.images:
        raise MTPError('this config looks at pairs of images: which is before, and which after?',
                       hint=f'make predict BEFORE={shlex.quote(options.images[0])} AFTER=file CONFIG=...')
    if not pairs and (options.before or options.after):
        raise MTPError('this config looks at single images, and finds no changes',
                       hint='name them with IMAGES=, or give a config of change detection, such as one of '
                            'configs/mmrotate1/levir')
    if not pairs and not options.images:
        raise MTPError('no image is named', hint="make predict IMAGES='scene.tif folder' CONFIG=...")


def _run(job: Prediction, out: str) -> None:
    if job.team.leads:
        ownership.check(out, VERB)
    said = rasters.remark(job.files, job.colours) if job.team.leads else ''
    if said:
        sys.stderr.write(f'note: {said} (--bands and --stretch say otherwise)\n')
    ownership.refuse_inputs([os.path.join(out, name) for name in job.names], job.files)
    with locks.hold(out, VERB, job.team.leads):
        if job.team.leads:
            where = {stem: paths.short(os.path.abspath(path)) for stem, path in job.where.items()}
            ownership.claim(out, VERB, ownership.exactly(job.names), job.result, images=where, classes=job.classes,
                            **job.facts)
        job.team.join()
        try:
            job.compute()
        finally:
            job.team.meet()
        if job.team.leads:
            job.write()
    environment.part()


if __name__ == '__main__':
    run_main(main)
