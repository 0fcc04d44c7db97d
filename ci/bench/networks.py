"""RVSA and InternImage: time, peak memory and the floor; beside the published networks also what each step brought.

    python ci/bench/networks.py [CASE ...] [--device cuda] [--dtype bf16] [--threads 2] [--rounds 3] [--busy]
    python ci/bench/networks.py --published FOLDER          ... against the published networks of a fetched checkout
    python ci/bench/networks.py --published FOLDER --steps  what each of our parts brings, in time and memory
    python ci/bench/networks.py --profile      share of the matrix products, and the best ratio anybody can reach
    python ci/bench/networks.py --quick        every part of this program on small networks, in seconds: no result

The published code is not kept here: ci/bench/published_networks.py says where it comes from. Both run on the same
weights and input in one process, in turn; equality is checked first. Peak memory is measured in a process of its own
for each. A ratio is published / ours, so above 1 is better; for memory ours / published.

torch 1.10 carries an MKL that takes a slow path on AMD processors; mtp.nn wakes the fast one (mtp/nn/cpu.py) for both
sides of the table. What the published way takes with MKL left alone, as it runs out of the box, is a line of its own.

What to expect on a CPU: of RVSA-B at 448 the matrix products, which belong to the network whatever is rewritten around
them, are four fifths of the published code's time. So 1.4 times in forward+backward is out of reach there, and
--profile says by how much; what can be saved is memory, and at 1024, where attention is a larger part, time too.
"""
import argparse
import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections import namedtuple

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))
import network_profile as profiling  # noqa: E402
import published_networks as published  # noqa: E402

from mtp.nn import build  # noqa: E402
from mtp.nn.factory import BACKBONES  # noqa: E402

# rounds: how often each way runs on a CPU. checkpointing: activations computed again, as those runs are published.
Case = namedtuple('Case', 'backbone size rounds checkpointing')
CASES = {
    'rvsa_b_448': Case('vit_b_rvsa', 448, 3, False), 'rvsa_b_1024': Case('vit_b_rvsa', 1024, 1, False),
    'rvsa_l_448': Case('vit_l_rvsa', 448, 2, False), 'rvsa_l_1024': Case('vit_l_rvsa', 1024, 1, True),
    'internimage_xl_448': Case('internimage_xl', 448, 2, False),
    'rvsa_t_224': Case('vit_t_rvsa', 224, 1, False), 'internimage_t_128': Case('internimage_t', 128, 1, False),
}
DEFAULT = ['rvsa_b_448', 'rvsa_b_1024']
QUICK = ['rvsa_t_224', 'internimage_t_128']
SMALL_INTERN = dict(channels=32, depths=[1, 1, 2, 1], groups=[2, 4, 8, 16])
# Ours in place of the published modules, one after the other.
STEPS = {'vit': ('pyramid', 'full', 'window'), 'intern': ('dcn',)}
TARGETS = {('rvsa_b_448', True): 1.4}  # on two CPU cores, forward and backward
GPU_ROUNDS = 20
DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}
WHAT = {False: 'forward', True: 'forward+backward'}


def settings_of(case):
    """(name of the backbone, what its constructor takes) of a case: no drop path."""
    name, size, _, checkpointing = CASES[case]
    if name.startswith('vit'):
        return name, dict(BACKBONES[name][1], img_size=size, use_checkpoint=checkpointing)
    settings = dict(BACKBONES['internimage_xl'][1], drop_path_rate=0., with_cp=checkpointing)
    return 'internimage_xl', dict(settings, **SMALL_INTERN) if name.endswith('_t') else settings


def make(case, device):
    """Model (training mode, no drop path) and image of a case."""
    size = CASES[case].size
    torch.manual_seed(0)
    name, settings = settings_of(case)
    model = build(name, **settings)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if 'rel_pos' in key or '.offset.' in key or '.mask.' in key or 'gamma' in key:
                parameter.normal_(0., 0.02)  # zero at first: would hide a difference
    return model.to(device), torch.randn(1, 3, size, size, device=device)


def runner(way, case, model, folder):
    """Function of the image for a way: 'ours', 'published', or 'published+PART+PART' with those parts of ours."""
    if way == 'ours':
        return model
    made = published.build(folder, model, settings_of(case)[1])
    return published.with_ours(made, model, way.split('+')[1:])


def forward(run, model, image, dtype):
    if dtype == torch.float32:
        return run(image)
    with torch.autocast(image.device.type, dtype=dtype):
        return run(image)


def once(run, model, image, dtype, learn):
    """One pass, with ``learn`` back again."""
    if not learn:
        with torch.no_grad():
            return forward(run, model, image, dtype)
    sum(m.float().square().mean() for m in forward(run, model, image, dtype)).backward()
    run.zero_grad(set_to_none=True)


CLOCK = time.perf_counter  # --busy: time.process_time, which other programs on the machine do not stretch


def timed(function, device):
    if device == 'cuda':
        torch.cuda.synchronize()
    start = CLOCK()
    function()
    if device == 'cuda':
        torch.cuda.synchronize()
    return CLOCK() - start


def check_equal(ways, model, image, dtype):
    """Largest difference of the maps relative to their largest value."""
    with torch.no_grad():
        maps = [forward(run, model, image, dtype) for run in ways.values()]
        worst = max((((a - b).abs().max() / a.abs().max()).item()
                     for other in maps[1:] for a, b in zip(maps[0], other)), default=0.)
    limit = 1e-3 if dtype == torch.float32 else 5e-2
    if not worst < limit:
        raise SystemExit(f'the ways differ by {worst:.1e}: no benchmark of different functions')
    return worst


def alternate(ways, model, image, dtype, device, rounds, learn):
    """Seconds of each way, run in turn; the order changes from round to round."""
    seconds = {name: [] for name in ways}
    for number in range(rounds + 1):
        order = list(ways) if number % 2 else list(ways)[::-1]
        for name in order:
            spent = timed(lambda: once(ways[name], model, image, dtype, learn), device)
            if number:  # the first is for warming up
                seconds[name].append(spent)
    return seconds


def ratios(seconds):
    """Median, lowest and highest ratio published / ours of the rounds; not a number where only ours ran."""
    each = [a / b for a, b in zip(seconds.get('published', [math.nan]), seconds['ours'])]
    return statistics.median(each), min(each), max(each)


def peak(case, way, dtype, device, learn, folder=''):
    """Peak memory in MiB above the model itself, and seconds, of one pass in this process."""
    model, image = make(case, device)
    run = runner(way, case, model, folder)
    before = torch.cuda.memory_allocated() if device == 'cuda' else _resident('VmRSS')
    seconds = timed(lambda: once(run, model, image, dtype, learn), device)
    after = torch.cuda.max_memory_allocated() if device == 'cuda' else _resident('VmHWM')
    return (after - before) / 2 ** 20, seconds


def _resident(field):
    """Bytes of this process's memory by a field of /proc/self/status."""
    with open('/proc/self/status') as stream:
        return next(int(line.split()[1]) * 1024 for line in stream if line.startswith(field))


def measured_elsewhere(arguments, case, way, learn, environ=os.environ):
    """(peak MiB, seconds) of one pass in a process of its own."""
    words = [sys.executable, os.path.abspath(__file__), case, '--peak', way, '--dtype', arguments.dtype,
             '--device', arguments.device, '--threads', str(arguments.threads)] + (['--learn'] if learn else [])
    words += ['--busy'] if arguments.busy else []
    words += ['--published', arguments.published] if arguments.published else []
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, env=environ).stdout)


def ways_of(arguments, case, model):
    """Both ways where a checkout of the published code is given, else ours."""
    names = ('published', 'ours') if arguments.published else ('ours',)
    return {name: runner(name, case, model, arguments.published) for name in names}


def rounds_of(arguments, case):
    if arguments.rounds is not None:
        return arguments.rounds
    return GPU_ROUNDS if arguments.device == 'cuda' else CASES[case].rounds


def bench(arguments, case):
    """Print and return the table rows of one case."""
    dtype, device = DTYPES[arguments.dtype], arguments.device
    model, image = make(case, device)
    ways = ways_of(arguments, case, model)
    worst = check_equal(ways, model, image, dtype)
    found = profiling.products(CASES[case].backbone, model, CASES[case].size)
    rows = []
    for learn in arguments.learns:
        alone = {way: measured_elsewhere(arguments, case, way, learn) for way in ways}
        memory = {way: mib for way, (mib, _) in alone.items()}
        rounds = rounds_of(arguments, case)
        seconds = alternate(ways, model, image, dtype, device, rounds, learn) if rounds else {
            way: [spent] for way, (_, spent) in alone.items()}
        middle, low, high = ratios(seconds)
        rows.append(dict(case=case, what=WHAT[learn], learn=learn, ratio=middle, low=low, high=high, difference=worst,
                         published_s=statistics.median(seconds.get('published', [math.nan])),
                         ours_s=statistics.median(seconds['ours']), ours_mib=memory['ours'],
                         published_mib=memory.get('published', math.nan),
                         memory=memory['ours'] / memory.get('published', math.nan),
                         count=profiling.operations(found, learn)))
        print('| {case} | {what} | {published_s:.3f} | {ours_s:.3f} | {ratio:.2f} ({low:.2f}-{high:.2f}) | '
              '{published_mib:.0f} | {ours_mib:.0f} | {memory:.2f} | {difference:.0e} |'.format(**rows[-1]), flush=True)
    return rows


def bench_all(arguments, cases):
    """The table, the share of the machine's matrix rate, and on some processors the line about MKL left alone."""
    print('| case | what | published s | ours s | published / ours (range) | published MiB | ours MiB | MiB ratio | '
          'difference |')
    print('|---|---|---|---|---|---|---|---|---|')
    rows = [row for case in cases for row in bench(arguments, case)]
    rate = matrix_rate(arguments.device, DTYPES[arguments.dtype])
    for row in rows:
        if CASES[row['case']].checkpointing and row['learn']:
            continue  # computes its forward products twice
        print('{case}, {what}: ours runs at {share:.0%} of the rate of one big matrix product ({rate:.1f} Gop/s)'
              .format(share=row['count'] / row['ours_s'] / rate, rate=rate / 1e9, **row))
    out_of_the_box(arguments, cases[0])
    main_row = rows[min(1, len(rows) - 1)]
    print('{case} {what}: {ratio:.2f} times the published code ({low:.2f}-{high:.2f}), memory {memory:.2f}'.format(
        **main_row) if arguments.published else '{case} {what}: {ours_s:.3f} s, {ours_mib:.0f} MiB; '
        '--published FOLDER compares it with a checkout of the published code'.format(**main_row))


def out_of_the_box(arguments, case):
    """The published code where nobody wakes MKL, against ours; one pass each in a process of its own."""
    if not arguments.published or arguments.device != 'cpu' or os.environ.get('MKL_DEBUG_CPU_TYPE') != '5':
        return
    for learn in arguments.learns:
        left_alone = measured_elsewhere(arguments, case, 'published', learn,
                                        dict(os.environ, MKL_DEBUG_CPU_TYPE=''))[1]
        ours = measured_elsewhere(arguments, case, 'ours', learn)[1]
        print('{}, {}, out of the box on this processor (MKL left alone): published {:.3f} s, ours with MKL woken '
              '{:.3f} s, {:.2f} times'.format(case, WHAT[learn], left_alone, ours, left_alone / ours), flush=True)


def bench_steps(arguments, case):
    """What each step brought: the published network with more and more of its modules replaced by ours."""
    dtype, device, learn = DTYPES[arguments.dtype], arguments.device, arguments.learns[-1]
    model, image = make(case, device)
    parts = STEPS['vit' if CASES[case].backbone.startswith('vit') else 'intern']
    names = ['+'.join(('published',) + parts[:number]) for number in range(len(parts) + 1)]
    ways = {name: runner(name, case, model, arguments.published) for name in names}
    ways['ours'] = model
    check_equal(ways, model, image, dtype)
    seconds = alternate(ways, model, image, dtype, device, max(rounds_of(arguments, case), 1), learn)
    first = statistics.median(seconds['published'])
    for name, spent in seconds.items():
        middle = statistics.median(spent)
        memory = measured_elsewhere(arguments, case, name, learn)[0]
        print(f'| {case} | {WHAT[learn]} | {name} | {middle:.3f} | {first / middle:.2f} | {memory:.0f} |', flush=True)


def bench_profile(arguments, case):
    """Print where the time goes and how far the floor is."""
    dtype, device = DTYPES[arguments.dtype], arguments.device
    model, image = make(case, device)
    ways = ways_of(arguments, case, model)
    found = profiling.products(CASES[case].backbone, model, CASES[case].size)
    for learn in arguments.learns:
        seconds = alternate(ways, model, image, dtype, device, max(rounds_of(arguments, case), 1), learn)
        shares = {way: profiling.Share(profiling.seconds_by_operation(
            lambda: once(run, model, image, dtype, learn), device)) for way, run in ways.items()}
        alone = profiling.seconds_alone(found, device, dtype, learn, timed)
        print('\n'.join(profiling.report(
            f'{case}, {WHAT[learn]}', {way: statistics.median(s) for way, s in seconds.items()}, shares,
            profiling.operations(found, learn), alone, matrix_rate(device, dtype),
            TARGETS.get((case, learn)) if device == 'cpu' else None)), flush=True)


def matrix_rate(device, dtype):
    """Multiplications and additions a second of one big matrix product."""
    side = 8192 if device == 'cuda' else 2048
    a = torch.randn(side, side, device=device, dtype=dtype)
    timed(lambda: a @ a, device)
    return 2 * side ** 3 / min(timed(lambda: a @ a, device) for _ in range(5))


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cases', nargs='*', help='of ' + ', '.join(CASES))
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--dtype', choices=sorted(DTYPES), default='fp32')
    parser.add_argument('--threads', type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument('--rounds', type=int, help='timed passes of each way; default: by the '
                        'size of the case; 0: the one pass that memory is measured in')
    parser.add_argument('--only', choices=['forward', 'forward+backward'], help='default: both')
    parser.add_argument('--published', default='', help='folder of a checkout of the published code, to compare with')
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument('--steps', action='store_true', help='what each step brought')
    kind.add_argument('--profile', action='store_true', help='where the time goes, and the floor')
    kind.add_argument('--quick', action='store_true', help='table, steps and profile of small networks')
    parser.add_argument('--busy', action='store_true', help='count CPU time: for a machine that others use too')
    parser.add_argument('--peak', help=argparse.SUPPRESS)
    parser.add_argument('--learn', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    unknown = [case for case in arguments.cases if case not in CASES]
    if unknown:
        parser.error('no case {}; there are {}'.format(unknown[0], ', '.join(CASES)))
    if arguments.device == 'cuda' and not torch.cuda.is_available():
        parser.error('--device cuda, but this torch sees no GPU')
    if arguments.steps and not arguments.published:
        parser.error('--steps replaces published modules by ours, one by one: --published FOLDER')
    arguments.learns = [learn for learn, what in WHAT.items() if arguments.only in (None, what)]
    return arguments


def main(words=None):
    arguments = parse(words)
    torch.set_num_threads(arguments.threads)
    if arguments.device == 'cuda' and importlib.util.find_spec('mmcv'):
        importlib.import_module('mtp.adapters.deformable').give()  # DCNv3 as every environment runs it on a card
    if arguments.busy:
        global CLOCK
        CLOCK = time.process_time
    if arguments.peak:
        case, = arguments.cases
        print(json.dumps(peak(case, arguments.peak, DTYPES[arguments.dtype], arguments.device, arguments.learn,
                              arguments.published)))
        return
    print('torch {}, {}, {}, {} threads, batch 1'.format(
        torch.__version__, torch.cuda.get_device_name() if arguments.device == 'cuda' else 'CPU', arguments.dtype,
        arguments.threads))
    small = arguments.quick
    cases = arguments.cases or (QUICK if small else [c for c in CASES if c not in QUICK] if arguments.device == 'cuda'
                                else DEFAULT)
    if arguments.steps or small and arguments.published:
        print('| case | what | parts of ours | seconds | published / this | MiB |\n|---|---|---|---|---|---|')
        for case in cases:
            bench_steps(arguments, case)
    if arguments.profile or small:
        for case in cases:
            bench_profile(arguments, case)
    if not (arguments.steps or arguments.profile):
        bench_all(arguments, cases)


if __name__ == '__main__':
    main()
