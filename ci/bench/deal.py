"""Time lost by the last of many processes of a test: ``python ci/bench/deal.py``.

The windows of 3,000 images, from 600 to 10,000 pixels a side as those of FAIR1M and DOTA are, are dealt as a test deals
them, and as MMRotate's sampler deals the tiles that were cut: one after another. The network sees a window of whatever
scale at one size, so what counts is the number of windows; that of pixels, which have to be read, is given too. Each
window has to be dealt exactly once, by both ways. ``--images 18000`` is the size of FAIR1M's test set.
"""
import argparse
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))

from mtp.tiles import sources, windows  # noqa: E402

WORLDS, GOAL = (2, 8, 64), 0.02
LARGE = 0.01  # share of the images that are whole scenes


def sizes(seed, images):
    """{name: (width, height)}: most about 1,000 pixels a side, one of a hundred a scene of up to 10,000."""
    rng = np.random.RandomState(seed)
    sides = rng.randint(600, 1400, (images, 2))
    scenes = rng.rand(images) < LARGE
    sides[scenes] = rng.randint(2000, 10001, (scenes.sum(), 2))
    return {f'{number:05d}': tuple(int(side) for side in each) for number, each in enumerate(sides)}


def lost(loads):
    """Share of its time that a process waits for the last one, on average: 1 - mean / most."""
    return 1 - np.mean(loads) / np.max(loads)


def ours(found, how, world):
    """(lost by pixels, lost by windows, tiles) of the way a test deals."""
    pieces = sources.of_images({name: name for name in found}, how, world, found.get)
    hands = sources.deal(pieces, world)
    areas = [[np.prod(piece.windows[:, 2:] - piece.windows[:, :2], axis=1).sum() for piece in hand] for hand in hands]
    return (lost([sum(each) for each in areas]),
            lost([sum(len(piece.windows) for piece in hand) for hand in hands]),
            sorted(tile for hand in hands for piece in hand for tile in piece.tiles))


def one_by_one(found, how, world):
    """The same of tiles in the order of their names, every ``world``-th to each process."""
    tiles = sorted((windows.tile_id(name, window), int(window[2] - window[0]) ** 2) for name, size in found.items()
                   for window in windows.window_positions(*size, how))
    hands = [tiles[rank::world] for rank in range(world)]
    return lost([sum(pixels for _, pixels in hand) for hand in hands]), lost([len(hand) for hand in hands]), [
        name for name, _ in tiles]


def main(argv=None):
    """Print the table; exit code 1 when more than the goal is lost."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--images', type=int, default=3000)
    args, worst = parser.parse_args(argv), 0.0
    for name in ('fair1m_ms', 'dotav1_ms', 'fair1m_ss'):
        for world in WORLDS:
            mine, theirs = [], []
            for seed in range(3):
                found = sizes(seed, args.images)
                first, second = (way(found, windows.preset(name), world) for way in (ours, one_by_one))
                assert first[2] == second[2], 'not the same windows'
                mine.append(first[:2])
                theirs.append(second[:2])
            worst = max(worst, max(by_windows for _, by_windows in mine))
            print('{:<10}{:>3} processes wait for the last, by windows and by pixels: ours {:.2%} {:.2%}, one by one '
                  '{:.2%} {:.2%}'.format(name, world, *np.max(mine, axis=0)[::-1], *np.max(theirs, axis=0)[::-1]),
                  flush=True)
    print(f'{args.images} images, 64 processes: at most {worst:.2%} of the time is lost (goal {GOAL:.0%})')
    return int(worst > GOAL)


if __name__ == '__main__':
    sys.exit(main())
