"""Writes the golden plans anew: ``python3 -m tests.launch.golden_plans``. Read the difference before you commit it."""
import itertools
import os
import re
import tempfile

from mtp.launch import plan as planning
from mtp.launch import runtimes, verbs
from tests.launch import fakes

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'golden')
ROOT = '/home/user/mtp'  # stands for the checkout, which lies in another place each time
VERBS = ('pretrain', 'finetune', 'test-fair1m', 'test-dotav1')
SHAPES = ((1, 1), (4, 4))
# A checkpoint of the made-up checkout.
KEPT = 'work_dirs/mmrotate1/dotav1/oriented_rcnn_rvsa_l_1024_mae_mtp_dota10/epoch_12.pth'
CONFIG = 'configs/mtp/dotav2/oriented_rcnn_rvsa_l_1024_mae_mtp_dota20.py'
ARRAY = 'dior/faster_rcnn_rvsa_l_800_mae_mtp_dior diorr/oriented_rcnn_rvsa_l_800_mae_mtp_diorr'
BATCH = {  # what SUBMIT=1 hands in: file name -> verb, settings
    'submit-pretrain-apptainer': ('pretrain', dict(RUNTIME='apptainer', NODES='8', GPUS='4', GRES='dcu:4', ACCEL='rocm',
                                                   PARTITION='dcu', TIME_LIMIT='2-00:00:00', MTP_SITE_SETUP='site.sh')),
    'submit-finetune-native': ('finetune', dict(RUNTIME='native', GPUS='4', CONFIG=CONFIG)),
    'submit-finetune-array-apptainer': ('finetune', dict(RUNTIME='apptainer', GPUS='4', CONFIG=ARRAY)),
    'submit-test-fair1m-docker': ('test-fair1m', dict(RUNTIME='docker', NODES='2', GPUS='4',
                                                      SBATCH_ARGS='--account=lab --mem=0')),
}


def cases():
    """(file name, verb, settings) of every golden plan."""
    for verb, runtime, launcher, (nodes, gpus) in itertools.product(VERBS, tuple(runtimes.TABLE),
                                                                    ('local', 'slurm'), SHAPES):
        if launcher == 'local' and not runtimes.get(runtime).here:
            continue
        words = {'RUNTIME': runtime, 'LAUNCHER': launcher, 'NODES': str(nodes), 'GPUS': str(gpus), 'NCCL_DEBUG': 'INFO'}
        if launcher == 'slurm':
            words['PARTITION'] = 'gpu'
        elif nodes > 1:
            words.update(NODE_RANK='1', MASTER_ADDR='10.0.0.1', PORT='40002', MTP_JOB_TOKEN='word')
        if verb == 'finetune':
            words['CONFIG'] = CONFIG
        yield f'{verb}-{runtime}-{launcher}-{nodes}x{gpus}.txt', verb, words
    for name, (verb, words) in BATCH.items():
        yield name + '.txt', verb, dict(words, SUBMIT='1')
    for runtime in ('docker', 'native'):
        words = {'RUNTIME': runtime, 'IMAGES': 'data/scene.tif work_dirs/more',
                 'CONFIG': 'oriented_rcnn_rvsa_l_1024_mae_mtp_dota10'}
        yield f'predict-{runtime}-local-1x1.txt', 'predict', words
        words = {'RUNTIME': runtime, 'BEFORE': 'data/before', 'AFTER': 'data/after', 'GPUS': '2',
                 'CONFIG': 'rvsa-l-unet-256-mae-mtp_levir', 'CHECKPOINT': KEPT}
        yield f'predict-{runtime}-local-1x2.txt', 'predict', words


def text(verb, words, root):
    """The printed plan of ``verb``, with the checkout under a name that does not change."""
    plan = verbs.plan(verb, fakes.ask(**words), fakes.machine(root))
    commands = [planning.command([word.replace(str(root), ROOT) for word in item.words], item.environment)
                for item in plan.commands]
    # Where its lines break depends on how long the name of the checkout is: here they do not.
    whole = re.sub(r' \\\n +', ' ', plan.script.text.replace(str(root), ROOT)) if plan.script else ''
    whole = re.sub(r'mtp:[0-9a-f]{12}', 'mtp:PLACE', whole)  # a hash of the checkout's own path
    script = plan.script and plan.script._replace(text=whole)
    return planning.render(plan._replace(root=ROOT, commands=commands, script=script))


def checkout(root):
    """A made-up checkout below ``root`` with trained weights in it."""
    fakes.checkout(root)
    for stem in ('fair1m/oriented_rcnn_rvsa_l_800_mae_mtp_fair1m20_branches',
                 'dotav1/oriented_rcnn_rvsa_l_1024_mae_mtp_dota10'):
        fakes.touch(os.path.join(str(root), 'work_dirs/mmrotate1', stem, 'epoch_12.pth'))
    return root


def main():
    """Write every golden file and remove those of cases that are no more."""
    os.makedirs(FOLDER, exist_ok=True)
    with tempfile.TemporaryDirectory() as root:
        checkout(root)
        wanted = {name: text(verb, words, root) for name, verb, words in cases()}
    for name in set(os.listdir(FOLDER)) - set(wanted):
        os.unlink(os.path.join(FOLDER, name))
    for name, content in wanted.items():
        with open(os.path.join(FOLDER, name), 'w', encoding='utf-8') as stream:
            stream.write(content)


if __name__ == '__main__':
    main()
