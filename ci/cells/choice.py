"""Which cells run today: some every time, the others spread over a week by what they take. Pure."""
import os
import random
from typing import NamedTuple

from cells import runtimes, verbs

DAYS = 7
PAIR = 1.6  # what two processes take for one, on two cores
# What was broken once, in every runtime, and is tried every time: training that judges itself in two processes.
ALWAYS = (('finetune', 'native', 2), ('finetune', 'docker', 2), ('pretrain', 'docker by hand', 2),
          ('finetune', 'apptainer + SLURM', 2), ('finetune-mmrotate03', 'native', 2), ('predict', 'docker', 1))

Cell = NamedTuple('Cell', [('case', verbs.Case), ('runtime', runtimes.Runtime), ('processes', int)])


def name(cell):
    """``(case, runtime, processes)``."""
    return cell.case.name, cell.runtime.name, cell.processes


def proven():
    """Names of the cells that have passed once; those have to pass from then on."""
    found = set()
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'proven.txt'), encoding='utf-8') as stream:
        for line in stream:
            if line.strip() and not line.startswith('#'):
                case, runtime, count = line.strip().split(',')
                found.add((case, runtime, int(count)))
    return found


def cells():
    """(cell, why it is none) of every combination; the reason is '' for those that there are."""
    return [(Cell(case, runtime, count), runtimes.refusal(case, runtime, count)) for case in verbs.cases()
            for runtime in runtimes.RUNTIMES for count in (1, 2)]


def there():
    """The cells that there are."""
    return [cell for cell, refused in cells() if not refused]


def seconds(cell):
    """About what a cell takes."""
    return cell.case.seconds * (PAIR if cell.processes > 1 else 1) + cell.runtime.seconds


def days(found):
    """{(case, runtime, processes): day 0 to 6} of the cells that do not run every time: the days take about as long."""
    loads, placed = [0.0] * DAYS, {}
    for cell in sorted(found, key=lambda cell: (-seconds(cell), name(cell))):
        if name(cell) not in ALWAYS:
            day = loads.index(min(loads))
            placed[name(cell)], loads[day] = day, loads[day] + seconds(cell)
    return placed


def of(date, found):
    """Those of ``found`` that run on ``date``, and the native cells that they need, in order: those of every time, then
    the others, in another order each week, so that the same ones are not always the last when time is short."""
    placed, week = days(found), date.toordinal() // DAYS
    always = [cell for cell in found if name(cell) not in placed]
    today = [cell for cell in found if placed.get(name(cell)) == date.toordinal() % DAYS]
    random.Random(week).shuffle(today)
    return with_needs(always + today)


def with_needs(wanted):
    """``wanted`` and the native cells of one process that leave what they need, those first."""
    native = {cell.case.name: cell for cell in there() if cell.runtime.name == 'native' and cell.processes == 1}
    ordered = {}

    def add(cell):
        for need in cell.case.needs:
            add(native[need])
        ordered.setdefault(name(cell), cell)

    for cell in wanted:
        add(cell)
    first = {name(native[need]) for cell in ordered.values() for need in cell.case.needs}
    return [cell for cell in ordered.values() if name(cell) in first] + [
        cell for cell in ordered.values() if name(cell) not in first]
