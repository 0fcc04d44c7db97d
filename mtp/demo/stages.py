"""What the demo does, as data: one :class:`Stage` a step, in order. Pure.

Paths are short ones (``work_dirs/demo/...``); the launcher turns them into those of the host or of a container. The
demo's own data root is ``work_dirs/demo/data``, so that no real data are touched.
"""
from typing import List, NamedTuple, Tuple

from mtp.launch import ledger

HOME = 'work_dirs/demo'
DATA = HOME + '/data'
PRETRAINED = HOME + '/pretrain'
STEPS = 100  # of pretraining; the run is stopped and continued half way
NEWEST = 'newest:'  # before a folder: the newest checkpoint in it
TRAINS, TESTS = (ledger.serving(role)[0] for role in ('train', 'test'))
OUTSIDE = 'outside:'  # before a path of the host that is none of ours: as the program sees it

Stage = NamedTuple('Stage', [
    ('name', str),
    ('title', str),
    ('env', str),
    ('script', Tuple[str, ...]),  # words after ``python``
    ('writes_data', bool),  # whether it makes part of the data root, which is read-only for all others
])


class Target(NamedTuple('Target', [('name', str), ('title', str), ('config', str)])):
    """One of the two detection data sets of the demo.

    Attributes:
        name: as in the catalogue; also the folder of its sample set below the demo's data root.
        config: stem of the leaf below ``configs/<env>/demo/``.
    """

    @property
    def tiles(self) -> str:
        """Folder of its tiles."""
        return f'{DATA}/demo_{self.name}'

    @property
    def run(self) -> str:
        """Folder of its fine-tuning."""
        return f'{HOME}/finetune_{self.name}'

    @property
    def predictions(self) -> str:
        """Folder of its test."""
        return f'{HOME}/test_{self.name}'


TARGETS = (
    Target('dotav1', 'DOTA-v1.0', 'oriented_rcnn_rvsa_t_256_mtp_dotav1'),
    Target('fair1m', 'FAIR1M-2.0', 'oriented_rcnn_rvsa_t_256_mtp_fair1m'),
)


def groups(data: str = '') -> List[List[List[Stage]]]:
    """What the demo does: groups in order, each a list of lanes that run side by side, each a list of stages in order.

    Args:
        data: folder of real samples that take the place of the drawn DOTA set and join the FAIR1M test; empty for none.
    """
    pictures = Stage('pictures', 'loss curves and detections beside the truth', TRAINS,
                     ('-m', 'mtp.demo.pictures', '--home', HOME), False)
    walk = Stage('browse', 'a page to walk through all of it', TRAINS,
                 ('-m', 'mtp.browse', HOME, '--out', HOME + '/browse'), False)
    return [[_for_pretraining(), _for_detection(data)], [_pretraining()],
            [_of_target(target, data) for target in TARGETS], [[pictures, walk]]]


def _for_pretraining() -> List[Stage]:
    return [Stage('samples-samrs', 'draw SAMRS: three subsets with pickles, gray PNGs, rotated boxes', TRAINS,
                  ('-m', 'mtp.data.samples', 'samrs', '--out', DATA), True),
            Stage('convert', 'SAMRS pickles to COCO annotations', TRAINS, ('scripts/convert_pkl_json.py',), True)]


def _for_detection(data: str) -> List[Stage]:
    drawn = ('fair1m',) if data else ('dota', 'fair1m')
    stages = [Stage('samples', 'draw big images in the formats of {}'.format(' and '.join(name.upper()
                                                                                          for name in drawn)),
                    TRAINS, ('-m', 'mtp.data.samples') + drawn + ('--out', DATA), True)]
    if data:
        stages.append(Stage('real', f'take real images of {data}', TRAINS,
                            ('-m', 'mtp.demo.real', '--source', OUTSIDE + data, '--out', DATA), True))
    stages.append(Stage('fair1m-text', 'FAIR1M XML to DOTA text', TRAINS, ('-m', 'mtp.data.fair1m'), True))
    return stages + [cut(target) for target in TARGETS for cut in (_cut_training, _cut_testing)]


def _pretraining() -> List[Stage]:
    return [
        Stage('pretrain', 'multi-task pretraining: ss + is + rd on three data sets', TRAINS, pretraining(), False),
        Stage('preview', 'pictures of what pretraining has learnt', TRAINS,
              ('-m', 'mtp.pretrain.preview', '--save_path', PRETRAINED, '--out', PRETRAINED + '/preview'), False),
        Stage('decoder', 'take encoder and rotated decoder for fine-tuning', TRAINS,
              ('scripts/change_ckpt.py', PRETRAINED + '/last_vit_t_rvsa_ss_is_rd_pretrn_model.pth', '--task', 'rotdet',
               '--out', PRETRAINED + '/rotated.pth'), False),
    ]


def _of_target(target: Target, data: str) -> List[Stage]:
    return [_finetune(target), _test(target), _validate(target), _score(target, data)]


def pretraining() -> Tuple[str, ...]:
    """The published command line, with the reduced network."""
    return ('main_pretrain.py', '--backbone', 'vit_t_rvsa', '--tasks', 'ss', 'is', 'rd', '--datasets', 'sota', 'sior',
            'fast', '--batch_size', '3', '--workers', '2', '--save_path', PRETRAINED, '--distributed', 'False',
            '--end_iter', str(STEPS), '--image_size', '224', '--init_backbone', 'none', '--batch_mode', 'avg',
            '--background', 'True', '--interval', '40', '--val_interval', '0')


def _cut_training(target: Target) -> Stage:
    labels = {'dotav1': ('dotav1/train/images', 'dotav1/train/labelTxt'),
              'fair1m': ('fair1m/dota/trainval/images', 'fair1m/dota/trainval/labelTxt')}[target.name]
    return Stage('cut-' + target.name, f'cut training tiles of {target.title}', TRAINS,
                 ('-m', 'mtp.tiles.cut', '--preset', 'demo_ms', '--images', DATA + '/' + labels[0],
                  '--labels', DATA + '/' + labels[1], '--out', target.tiles + '/train'), True)


def _cut_testing(target: Target) -> Stage:
    return Stage('cut-test-' + target.name, f'cut big images of {target.title} at three scales', TRAINS,
                 ('-m', 'mtp.tiles.cut', '--preset', 'demo_ms', '--images',
                  f'{DATA}/{target.name}/test/images',
                  '--out', target.tiles + '/test'), True)


def _leaf(env: str, target: Target) -> str:
    return 'configs/{}/demo/{}.py'.format(ledger.environment(env)['configs'], target.config)


def _finetune(target: Target) -> Stage:
    return Stage('finetune-' + target.name, f'fine-tune Oriented R-CNN on {target.title} (MMRotate 1.0.0rc1)',
                 TRAINS, ('tools/train.py', _leaf(TRAINS, target),
                               '--work-dir=' + target.run, '--cfg-options',
                               f'load_from={PRETRAINED}/rotated.pth'), False)


def _test(target: Target) -> Stage:
    return Stage('test-' + target.name, f'test on {target.title}, merge and pack the submission (MMRotate 0.3.4)',
                 TESTS, ('tools/test.py', _leaf(TESTS, target),
                                NEWEST + target.run, '--format-only', '--show-dir=' + target.predictions + '/show',
                                '--work-dir=' + target.predictions, '--eval-options',
                                'submission_dir=' + target.predictions + '/submit'), False)


def _validate(target: Target) -> Stage:
    return Stage('validate-' + target.name, f'validate the submission of {target.title}', TRAINS,
                 ('-m', 'mtp.submit', 'validate', target.predictions + '/submit', '--dataset', target.name,
                  '--images', f'{DATA}/{target.name}/test/images'), False)


def _score(target: Target, data: str) -> Stage:
    truth = f'{DATA}/{target.name}/test/truth'
    only = ('--list', truth + '.list') if data else ()  # not all real images have labels
    return Stage('score-' + target.name, f'score the detections of {target.title} against the truth',
                 TRAINS,
                 ('-m', 'mtp.submit', 'score', target.predictions + '/submit', '--dataset', target.name,
                  '--truth', truth, '--json', target.predictions + '/score.json') + only, False)
