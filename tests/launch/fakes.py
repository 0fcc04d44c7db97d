"""A made-up checkout and machine to plan for: no docker, no SLURM, no card."""
import os

from mtp.launch import ledger
from mtp.launch.engines import PLAIN, UNASKED, Seen
from mtp.launch.host import Folder, Host
from mtp.launch.settings import from_environ

PROGRAMS = ('main_pretrain.py', 'tools/train.py', 'tools/test.py', 'docker/Dockerfile', 'apptainer/mmrotate1.def',
            'apptainer/mmrotate03.def', 'scripts/dior_h_2_coco.py', 'mtp/predict/__main__.py', 'mtp/data/__main__.py')
LEAVES = {
    'mmrotate1': {
        'eurosat': ('vit-rvsa-l-224-mae-mtp_eurosat', 'vit-rvsa-b-224-mae-mtp_eurosat',
                    'intern-xl-224-imp-mtp_eurosat'),
        'dior': ('faster_rcnn_rvsa_l_800_mae_mtp_dior', 'faster_rcnn_rvsa_l_800_mae_dior'),
        'diorr': ('oriented_rcnn_rvsa_l_800_mae_mtp_diorr', 'oriented_rcnn_rvsa_l_800_mae_diorr'),
        'dotav1': ('oriented_rcnn_rvsa_l_1024_mae_mtp_dota10', 'oriented_rcnn_rvsa_b_1024_mae_mtp_dota10'),
        'dotav2': ('oriented_rcnn_rvsa_l_1024_mae_mtp_dota20',),
        'fair1m': ('oriented_rcnn_rvsa_l_800_mae_mtp_fair1m20',),
        'loveda': ('rvsa-l-upernet-512-mae-mtp-loveda',),
        'levir': ('rvsa-l-unet-256-mae-mtp_levir',),
    },
    'mmrotate03': {
        'dotav1': ('oriented_rcnn_rvsa_l_1024_mae_mtp_dota10', 'oriented_rcnn_rvsa_b_1024_mae_mtp_dota10'),
        'fair1m': ('oriented_rcnn_rvsa_l_800_mae_mtp_fair1m20_branches',),
    },
}
GOOD = Folder(True, True, True)
IMAGES = [ledger.image_tag(env, variant) for env in ledger.names() for variant in ledger.variants(env)]


def checkout(root):
    """Fill the folder ``root`` with empty programs and configs; returns it."""
    configs = [f'configs/{env}/{dataset}/{stem}.py'
               for env, datasets in LEAVES.items() for dataset, stems in datasets.items() for stem in stems]
    for path in list(PROGRAMS) + configs:
        touch(os.path.join(str(root), path))
    return str(root)


def touch(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w'):
        pass


def machine(root, **changes):
    """A :class:`Host` on which everything is there, with ``changes``."""
    files = [f'apptainer/{env}-{variant}.sif' for env in ledger.names() for variant in ledger.variants(env)]
    images = {tag: ledger.inputs(*tag[4:].split(':')) for tag in IMAGES}
    docker = Seen('', UNASKED.following, PLAIN, -1, images, {tag: 'sha256:' + 'ab' * 32 for tag in IMAGES})
    tools = ('docker', 'podman', 'apptainer', 'enroot', 'srun')
    host = Host(root=str(root), tools={name: '/usr/bin/' + name for name in tools},
                engines={'docker': docker, 'podman': docker},
                sifs={path: '' for path in files}, venvs={env: 'ready' for env in ledger.names()},
                folders={'data': GOOD, 'weights': GOOD, 'work_dirs': GOOD}, accel='nv', uid=1000, gid=100,
                free_port=23456, revision='0123456789abcdef', builder='/usr/bin/docker', name='server7',
                sqshs={path[:-3] + 'sqsh': '' for path in files},
                srun_options=dict.fromkeys(('--container-image', '--container-readonly'), ''))
    return changed(host, **changes)


def changed(host, engine='docker', **changes):
    """``host`` with ``changes``: of itself, or of what is known of its ``engine``."""
    own = {name: changes.pop(name) for name in list(changes) if name in Seen._fields}
    engines = dict(host.engines, **{engine: host.engines[engine]._replace(**own)}) if own else host.engines
    return host._replace(engines=engines)._replace(**changes)


def ask(**words):
    """Settings from these variables alone."""
    return from_environ(dict({'HOME': '/home/user'}, **words))


def client(folder, version, buildx=False, daemon=False):
    """A docker client that answers three questions."""
    folder.mkdir()
    path = folder / 'docker'
    path.write_text('#!/bin/sh\ncase "$1" in\n--version) echo "Docker version {}, build x";;\nbuildx) exit {};;\n'
                    'version) exit {};;\nesac\n'.format(version, int(not buildx), int(not daemon)))
    path.chmod(0o755)
    return str(path)
