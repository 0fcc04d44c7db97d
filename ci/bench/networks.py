"""RVSA and InternImage against the plain formulation: time, peak memory, and what each step brought.

    python ci/bench/networks.py [CASE ...] [--device cuda] [--dtype bf16] [--threads 2] [--rounds 5] [--steps] [--busy]

Both run on the same weights and input in one process, in turn; equality is checked first. Peak memory is measured in a
process of its own for each. A ratio is plain / ours, so above 1 is better; for memory ours / plain.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))
import plain_networks as plain  # noqa: E402

from mtp.nn import build  # noqa: E402

CASES = {
    'rvsa_b_448': ('vit_b_rvsa', 448), 'rvsa_b_1024': ('vit_b_rvsa', 1024),
    'rvsa_l_448': ('vit_l_rvsa', 448), 'rvsa_l_1024': ('vit_l_rvsa', 1024),
    'internimage_xl_448': ('internimage_xl', 448),
}
DEFAULT = ['rvsa_b_448', 'rvsa_b_1024']
DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


def make(case, device):
    """Model (training mode, no drop path) and image of a case."""
    name, size = CASES[case]
    torch.manual_seed(0)
    settings = dict(drop_path_rate=0.) if name.startswith('intern') else dict(img_size=size)
    model = build(name, **settings)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if 'rel_pos' in key or '.offset.' in key or '.mask.' in key or 'gamma' in key:
                parameter.normal_(0., 0.02)  # zero at first: would hide a difference
    return model.to(device), torch.randn(1, 3, size, size, device=device)


def runners(case, model):
    """The two ways to compute a case: name -> function of the image."""
    network = plain.internimage if case.startswith('intern') else plain.rvsa
    return {'plain': lambda image: network(model, image), 'ours': model}


def forward(run, model, image, dtype):
    if dtype == torch.float32:
        return run(image)
    with torch.autocast(image.device.type, dtype=dtype):
        return run(image)


def step(run, model, image, dtype):
    """Forward and backward once."""
    sum(m.float().square().mean() for m in forward(run, model, image, dtype)).backward()
    model.zero_grad(set_to_none=True)


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
        pairs = zip(*(forward(run, model, image, dtype) for run in ways.values()))
        worst = max(((a - b).abs().max() / a.abs().max()).item() for a, b in pairs)
    limit = 1e-3 if dtype == torch.float32 else 5e-2
    if not worst < limit:
        raise SystemExit('the two ways differ by {:.1e}: no benchmark of different functions'.format(worst))
    return worst


def alternate(ways, model, image, dtype, device, rounds, learn):
    """Seconds of each way, run in turn; the order changes from round to round."""
    seconds = {name: [] for name in ways}
    for number in range(rounds + 1):
        order = list(ways) if number % 2 else list(ways)[::-1]
        for name in order:
            if learn:
                spent = timed(lambda: step(ways[name], model, image, dtype), device)
            else:
                with torch.no_grad():
                    spent = timed(lambda: forward(ways[name], model, image, dtype), device)
            if number:  # the first is for warming up
                seconds[name].append(spent)
    return seconds


def ratios(seconds):
    """Median, lowest and highest ratio plain / ours of the rounds."""
    each = [a / b for a, b in zip(seconds['plain'], seconds['ours'])]
    return statistics.median(each), min(each), max(each)


def peak(case, way, dtype, device, learn):
    """Peak memory in MiB above the model itself, and seconds, of one pass in this process."""
    model, image = make(case, device)
    run = runners(case, model)[way]
    if device == 'cuda':
        before = torch.cuda.memory_allocated()
    else:
        before = _resident('VmRSS')
    function = step if learn else forward
    with torch.set_grad_enabled(learn):
        seconds = timed(lambda: function(run, model, image, dtype), device)
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
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, env=environ).stdout)


def bench(arguments, case):
    """Print and return the table rows of one case."""
    dtype, device = DTYPES[arguments.dtype], arguments.device
    model, image = make(case, device)
    ways = runners(case, model)
    worst = check_equal(ways, model, image, dtype)
    rows = []
    for learn, what in ((False, 'forward'), (True, 'forward+backward')):
        seconds = alternate(ways, model, image, dtype, device, arguments.rounds, learn)
        memory = {way: measured_elsewhere(arguments, case, way, learn)[0] for way in ways}
        middle, low, high = ratios(seconds)
        rows.append(dict(case=case, what=what, plain_s=statistics.median(seconds['plain']),
                         ours_s=statistics.median(seconds['ours']), ratio=middle, low=low, high=high,
                         plain_mib=memory['plain'], ours_mib=memory['ours'], difference=worst))
        print('| {case} | {what} | {plain_s:.3f} | {ours_s:.3f} | {ratio:.2f} ({low:.2f}-{high:.2f}) | '
              '{plain_mib:.0f} | {ours_mib:.0f} | {memory:.2f} | {difference:.0e} |'.format(
                  memory=memory['ours'] / memory['plain'], **rows[-1]), flush=True)
    return rows


def bench_steps(arguments, case):
    """What each step brought: the plain way with more and more of its parts replaced by ours."""
    dtype, device = DTYPES[arguments.dtype], arguments.device
    model, image = make(case, device)
    parts, ways = [], {'plain': lambda image: plain.rvsa(model, image)}
    for part in ('pyramid', 'full', 'window'):
        parts.append(part)
        ways['+ ' + part] = lambda image, parts=tuple(parts): plain.rvsa(model, image, parts)
    seconds = alternate(ways, model, image, dtype, device, arguments.rounds, True)
    if os.environ.get('MKL_DEBUG_CPU_TYPE') == '5':  # set by mtp.nn.cpu; an empty value lets MKL choose
        found = measured_elsewhere(arguments, case, 'plain', True, dict(os.environ, MKL_DEBUG_CPU_TYPE=''))
        seconds = dict({'plain, kernels as MKL chooses': [found[1]]}, **seconds)
    first = statistics.median(seconds['plain'])
    for name, spent in seconds.items():
        middle = statistics.median(spent)
        print('| {} | {} | {:.3f} | {:.2f} |'.format(case, name, middle, first / middle), flush=True)


def matrix_rate(device, dtype):
    """Multiplications and additions a second of one big matrix product."""
    side = 8192 if device == 'cuda' else 2048
    a = torch.randn(side, side, device=device, dtype=dtype)
    timed(lambda: a @ a, device)
    return 2 * side ** 3 / min(timed(lambda: a @ a, device) for _ in range(5))


def operations(case):
    """Multiplications and additions of the matrix products of one RVSA forward pass; backward has twice as many."""
    name, size = CASES[case]
    if not name.startswith('vit'):
        return None
    dim, depth, interval = (768, 12, 3) if '_b_' in name else (1024, 24, 6)
    tokens = (size // 16) ** 2
    linear = depth * 12 * dim * dim + 768 * dim + (4 + 16 + 4) * dim * dim  # blocks, patches, pyramid
    full, windows = depth // interval, depth - depth // interval
    return 2 * tokens * (linear + full * 2 * tokens * dim + windows * 2 * 49 * dim)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cases', nargs='*', help='of ' + ', '.join(CASES))
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--dtype', choices=sorted(DTYPES), default='fp32')
    parser.add_argument('--threads', type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--steps', action='store_true', help='what each step brought, RVSA only')
    parser.add_argument('--busy', action='store_true', help='count CPU time: for a machine that others use too')
    parser.add_argument('--peak', choices=['plain', 'ours'], help=argparse.SUPPRESS)
    parser.add_argument('--learn', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.busy:
        global CLOCK
        CLOCK = time.process_time
    cases = arguments.cases or (list(CASES) if arguments.device == 'cuda' else DEFAULT)
    unknown = [case for case in cases if case not in CASES]
    if unknown:
        parser.error('no case {}; there are {}'.format(unknown[0], ', '.join(CASES)))
    if arguments.peak:
        print(json.dumps(peak(cases[0], arguments.peak, DTYPES[arguments.dtype], arguments.device, arguments.learn)))
        return
    print('torch {}, {}, {}, {} threads, batch 1'.format(
        torch.__version__, torch.cuda.get_device_name() if arguments.device == 'cuda' else 'CPU', arguments.dtype,
        arguments.threads))
    if arguments.steps:
        print('| case | parts of ours | seconds, forward+backward | plain / this |\n|---|---|---|---|')
        for case in cases:
            bench_steps(arguments, case)
        return
    print('| case | what | plain s | ours s | plain / ours (range) | plain MiB | ours MiB | MiB ratio | difference |')
    print('|---|---|---|---|---|---|---|---|---|')
    rows = [row for case in cases for row in bench(arguments, case)]
    rate = matrix_rate(arguments.device, DTYPES[arguments.dtype])
    for row in rows:
        count = operations(row['case'])
        if count:
            count *= 3 if 'backward' in row['what'] else 1
            print('{case}, {what}: {share:.0%} of the rate of one big matrix product ({rate:.1f} Gop/s)'.format(
                share=count / row['ours_s'] / rate, rate=rate / 1e9, **row))
    main_row = next(row for row in rows if 'backward' in row['what'])
    print('{case} {what}: {ratio:.2f} times the plain way ({low:.2f}-{high:.2f}), memory {memory:.2f}'.format(
        memory=main_row['ours_mib'] / main_row['plain_mib'], **main_row))


if __name__ == '__main__':
    main()
