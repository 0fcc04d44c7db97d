"""docs/settings.md: every setting of the front door, its default, who uses it and what it does.

Names and defaults are those that :mod:`mtp.launch.settings` reads, verbs those of :mod:`mtp.launch.uses`; only the
sentences stand here. Standard library only, Python >= 3.6.

    python3 -m mtp.launch.settings_page   # writes the page anew
"""
import os
from typing import Dict

from mtp import backbones
from mtp.errors import run_main
from mtp.files import write_text
from mtp.launch import ledger, runtimes, settings, tracking, uses

PATH = 'docs/settings.md'
HEAD = """<!-- Generated: python3 -m mtp.launch.settings_page -->
# Settings

A setting stands behind the verb (`make demo RUNTIME=docker`) or in the environment. What stands behind the verb and is
no setting of it is refused; what comes from the environment may be meant for another verb, and is then told in a line.
The verbs: type make alone. What this machine would do: `make doctor`. "Every run" is
{}.
"""

# What each setting does, in the order of the page.
GROUPS = (
    ('In what, and on what', (
        ('RUNTIME', 'In what a program runs: {RUNTIMES}. auto takes the first that can, and says why.'),
        ('LAUNCHER', 'Who starts its processes: {LAUNCHERS}.'),
        ('NODES', 'Machines.'),
        ('GPUS', 'Processes on each machine, one per card; with ACCEL=none they run on the CPU.'),
        ('ACCEL', 'Which cards: {ACCELERATORS}.'),
        ('ENV', 'One environment of docker/environments.json. Else the folder of CONFIG decides, or all of the '
         'record are meant.'),
        ('VARIANT', 'Variant of the environment, from docker/environments.json; else the one that fits the cards.'),
        ('CODE', 'checkout: the container runs this checkout; image: the code that the image was built with.'),
        ('DRYRUN', '1: print the commands, ready to paste, and run nothing.'),
        ('JSON', '1: the findings as JSON.'))),
    ('Folders of this machine', (
        ('MTP_DATA_ROOT', 'Data sets, one folder each; /data in a container, read-only.'),
        ('MTP_WEIGHTS_ROOT', 'Published weights; /weights in a container, read-only.'),
        ('MTP_WORK_ROOT', 'What runs write; /work in a container.'),
        ('MTP_VENV_ROOT', 'Native environments.'),
        ('MTP_CACHE_ROOT', 'Compiled operators (wheels), to be used again; else mtp below XDG_CACHE_HOME or ~/.cache.'),
        ('MTP_SITE_SETUP', 'File with shell commands for each node, as `module load apptainer`.'),
        ('MTP_MIRROR', 'Address of a folder with the same files, asked in place of the publishers.'))),
    ('SLURM', (
        ('PARTITION', 'Partition.'),
        ('GRES', 'Cards as the cluster names them: gpu:4, dcu:4. Else GPUS decides.'),
        ('CPUS_PER_TASK', 'Cores for each process.'),
        ('TIME_LIMIT', 'Limit of the job: 90 (minutes), 12:00:00, 3-00:00:00; else the partition\'s.'),
        ('JOB', 'Name of the job; of status and logs also its number.'),
        ('SUBMIT', '1: a batch job that goes on by itself after its time limit or a preemption.'),
        ('SRUN_ARGS', 'Further words of srun.'),
        ('SBATCH_ARGS', 'Further words of sbatch.'),
        ('FOLLOW', '1: go on printing what the job writes.'))),
    ('Several machines without SLURM', (
        ('NODE_RANK', 'Number of this machine, from 0.'),
        ('MASTER_ADDR', 'Name or address of machine 0.'),
        ('PORT', 'Port of machine 0 on which all processes meet; else one that fits the job.'),
        ('MASTER_PORT', 'The same, by the name that torchrun gives it.'))),
    ('Containers', (
        ('IMAGE', 'Image of docker or podman in place of ours.'),
        ('SIF', 'Apptainer image in place of ours: a file.'),
        ('SQSH', 'Image of pyxis in place of ours: a file of squashfs.'),
        ('SHM_SIZE', 'Shared memory of a container of docker or podman.')) + tuple(
            (each.args, f'Further words of {each.name}.') for each in runtimes.TABLE.values() if each.args) + (
        ('REBUILD', '1: build an image that is here already.'),
        ('SOURCE', 'Address of this repository that an image names as its source.'),
        ('PIP_INDEX_URL', 'Package index that a build asks.'),
        ('PIP_CERT', 'File of certificates that a build trusts.'))),
    ('Training and testing', (
        ('CONFIG', 'Config, or several: configs/mtp/DATASET/NAME.py, a path below configs, or a bare name.'),
        ('CHECKPOINT', 'Checkpoint to test; else the newest of CONFIG.'),
        ('ARGS', 'Further words of the program.'),
        ('TRACK', 'Fine-tuning: {TRACKERS}, beside TensorBoard (docs/tracking.md).'),
        ('IMAGES', 'Images and folders of images, as a shell splits words.'),
        ('BEFORE', 'Change detection: images, or a folder of them.'),
        ('AFTER', 'The same places later: as many images, or a folder with the same names.'),
        ('RUN', 'Folder of results to walk through.'),
        ('ACCUMULATE', 'Steps gathered into one, for the published batch on fewer processes; auto works it out.'),
        ('PASSPORT', 'Passport of the run to repeat.'),
        ('TOLERANCE', 'Relative difference of a metric that is still called equal.'))),
    ('Data of your own: make finetune DATA=', (
        ('TASK', 'rotated, horizontal, segmentation, change or classification.'),
        ('INIT', 'Start of the encoder: mtp (the default), mae, imp or none.'),
        ('CLASSES', 'Names with commas, the first is class 0; else as a table in the folder says.'),
        ('LAYOUT', 'Which layout is read where a folder mixes two.'),
        ('LENIENT', '1: leave out images with something wrong, and say so.'))),
    ('Pretraining', (
        ('BACKBONE', 'Encoder; with DATA {BLOCKS}.'),
        ('TASKS', 'ss (semantic), is (instances), rd (rotated detection).'),
        ('DATASETS', 'Subsets of SAMRS.'),
        ('BATCH_SIZE', 'Images of a process and step, over all data sets.'),
        ('WORKERS', 'Loading processes of a process.'),
        ('END_ITER', 'Steps.'),
        ('IMAGE_SIZE', 'Side of the input in pixels, a multiple of 32.'),
        ('INIT_BACKBONE', 'Start of the encoder: mae, imp or none; else what the paper takes for BACKBONE.'),
        ('USE_CKPT', 'True: compute activations twice and hold less.'),
        ('BACKGROUND', 'True: the heads know a background, as published.'),
        ('BATCH_MODE', 'avg: as many images of each data set; ratio: by their sizes.'),
        ('INTERVAL', 'Steps between two checkpoints.'),
        ('SAVE_PATH', 'Folder of the run; else pretrain/BACKBONE below MTP_WORK_ROOT.'))),
    ('Data, weights, bundles', (
        ('DATA', 'demo: folder of real samples; reproduce: `samples` for a rehearsal on drawn data; finetune: a folder '
                 'of your own (docs/own-data.md).'),
        ('OUT', 'Folder that is written.'),
        ('ARCHIVES', 'Folder with archives that were fetched by hand.'),
        ('ACCEPT_LICENCE', '1: the publisher\'s licence has been read and is accepted.'),
        ('GET', 'Weights to fetch, by name.'),
        ('IMPORT', 'File or folder of weights to take in.'),
        ('BUNDLE', 'Folder of the bundle to check.'),
        ('PARTS', 'Parts of a bundle; else all.'),
        ('OFFLINE', '1: also set up from the bundle, with the network off.'))),
)


def defaults() -> Dict[str, str]:
    """``{name: default}`` of every setting that is read, '' where there is none."""
    asked = {}

    def get(name: str, default: str = '') -> str:
        asked[name] = default
        return default

    settings._read(get, {'HOME': '~'})
    return asked


def _users(name: str) -> str:
    """Verbs that use the setting ``name``, in words."""
    users = [verb for verb in uses.USES if name in uses.of(verb)]
    if len(users) == len(uses.USES):
        return 'all'
    rest = [verb for verb in users if verb not in uses.JUDGED]
    if set(uses.JUDGED) <= set(users):
        return ', '.join(['every run'] + rest)
    return ', '.join(verb + '-DATASET' * (verb in ('data', 'fetch')) for verb in users)


def text() -> str:
    """Text of the page.

    Raises:
        KeyError: a setting has no sentence, or a sentence no setting.
    """
    values, choices = defaults(), {name: ', '.join(getattr(settings, name))
                                   for name in ('RUNTIMES', 'LAUNCHERS', 'ACCELERATORS')}
    choices['TRACKERS'] = ', '.join(tracking.TRACKERS)
    blocks = [entry.block for entry in backbones.BACKBONES.values() if not entry.reduced]
    choices['BLOCKS'] = '{} (then the default), {} or {}'.format(blocks[0], ', '.join(blocks[1:-1]), blocks[-1])
    lines = [HEAD.format(', '.join(uses.JUDGED))]
    for title, rows in GROUPS:
        lines += ['## ' + title, '', '| setting | default | used by | what |', '|---|---|---|---|']
        for name, sentence in rows:
            default = values.pop(name)
            lines.append('| {} | {} | {} | {} |'.format(
                name, f'`{default}`' if default else '', _users(name), sentence.format(**choices)))
        lines.append('')
    if values:
        raise KeyError('mtp/launch/settings_page.py says nothing of {}'.format(', '.join(sorted(values))))
    return '\n'.join(lines)


def main() -> None:
    """Write the page."""
    write_text(os.path.join(ledger.ROOT, PATH), text())
    print('wrote ' + PATH)


if __name__ == '__main__':
    run_main(main)
