"""Runs cells, and says what became of each: a line while they run, a table at the end."""
import json
import os
import threading
import time
from typing import NamedTuple

from mtp import files
from mtp.errors import MTPError

from cells import choice, places

LANES = 2  # cells of one process side by side, one core each
OK, FAILED, SKIPPED = 'ok', 'FAILED', 'did not run'
LATE = 'no time was left'

Row = NamedTuple('Row', [('cell', choice.Cell), ('status', str), ('seconds', float), ('why', str)])


class Runner:
    """Runs cells in their places.

    Args:
        here: :class:`places.Here`.
        logs: folder for a log a cell.
        say: called with each line.
        until: on the clock of :func:`time.monotonic`; a cell that is likely to end later is not begun.
    """

    def __init__(self, here, logs, say=print, until=float('inf')):
        self.here, self.logs, self.say, self.until = here, logs, say, until
        self.places = {'here': here, 'cluster': None}
        self.raw = os.path.join(here.base, 'disk', 'raw')
        self.rows, self.lock = [], threading.Lock()
        self.record = os.path.join(here.base, 'passed.json')
        self.passed = read_passed(self.record)
        os.makedirs(logs, exist_ok=True)

    def run(self, found, missing):
        """Run the cells ``found``: those that others need one after another, then pairs, then single ones in lanes.

        Args:
            found: cells in the order of :func:`choice.with_needs`.
            missing: runtime -> why none of its cells can run.
        """
        needed = {need for cell in found for need in cell.case.needs}
        first = [cell for cell in found if cell.case.name in needed and places.leaves_for_others(cell)]
        rest = [cell for cell in found if cell not in first]
        for cell in first:
            self.one(cell, missing)
        if self.places['cluster']:
            self.places['cluster'].send(self.here)
        for cell in rest:
            if cell.processes > 1:
                self.one(cell, missing)
        alone = iter([cell for cell in rest if cell.processes == 1])
        lanes = [threading.Thread(target=self._lane, args=(alone, missing)) for _ in range(LANES)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()

    def _lane(self, alone, missing):
        while True:
            with self.lock:
                cell = next(alone, None)
            if cell is None:
                return
            self.one(cell, missing)

    def one(self, cell, missing):
        """Run one cell, unless it has passed in this folder before, and keep its row."""
        name = places.folder_name(cell)
        if name in self.passed:
            self.rows.append(Row(cell, OK, self.passed[name], 'passed before'))
            return
        began = time.monotonic()
        lacking = self._lacking(cell)
        late = began + choice.seconds(cell) > self.until
        if cell.runtime.name in missing or lacking or late:
            status, why = SKIPPED, missing.get(cell.runtime.name) or lacking or LATE
        else:
            try:
                status, why = self._tried(cell)
            except (MTPError, OSError) as error:
                status, why = FAILED, str(error)
        row = Row(cell, status, time.monotonic() - began, why)
        with self.lock:
            self.rows.append(row)
            if status == OK:
                self.passed[name] = row.seconds
                files.write_json(self.record, self.passed)
            self.say(line(row))

    def _lacking(self, cell):
        """Which case that it needs has failed, as a sentence; '' when none has."""
        rows = {row.cell.case.name: row for row in self.rows if row.status != OK and places.leaves_for_others(row.cell)}
        lacking = [rows[need] for need in cell.case.needs if need in rows]
        if any(row.why == LATE for row in lacking):
            return LATE
        return ', '.join(f'{row.cell.case.name} has failed' for row in lacking)

    def _tried(self, cell):
        there = self.places[cell.runtime.where]
        place = there.place(cell, self.raw)
        log = os.path.join(self.logs, places.folder_name(cell) + '.log')
        seconds = places.SPARE + places.TIMES * choice.seconds(cell)
        code = there.run(cell.runtime.words(cell.case, cell.processes, place), place, log, seconds)
        if code:
            return FAILED, f'exit code {code}; the end of {log}:\n{tail(log)}'
        left = there.left(place, cell.case.leaves) if cell.case.leaves else []
        if cell.case.leaves and not left:
            return FAILED, f'no {cell.case.leaves} below its work folder; the end of {log}:\n{tail(log)}'
        if places.leaves_for_others(cell):
            self._keep(cell, left)
        return OK, ''

    def _keep(self, cell, left):
        """Lay what a native cell has left where others find it."""
        if cell.case.gives:
            self.here.lay(left[0], 'weights', cell.case.gives)
        if cell.case.verb == 'samples':
            for path in left:
                folder = os.path.dirname(path)
                for kind in ('raw', 'data'):
                    self.here.lay(folder, kind, os.path.basename(folder))


def read_passed(path):
    """{folder of a cell: seconds} of those that have passed in this folder."""
    try:
        with open(path, encoding='utf-8') as stream:
            return json.load(stream)
    except FileNotFoundError:
        return {}


def tail(path, count=25):
    """Last lines of a log, moved in."""
    with open(path, encoding='utf-8', errors='replace') as stream:
        return ''.join('    ' + each for each in stream.read().replace('\r', '\n').splitlines(True)[-count:])


def line(row):
    """A row as a line to read."""
    case, runtime, processes = choice.name(row.cell)
    return f'{row.status:<12}{row.seconds:6.0f} s  {case:<26}{runtime:<19}{processes} {row.why}'.rstrip()


def table(rows, refused=()):
    """The cells as a table: a line a case, a column a runtime and number of processes; seconds, or what became of it.

    Args:
        rows: of the cells that were wanted.
        refused: names of the cells that there are not.
    """
    columns = list(dict.fromkeys((cell.runtime.name, cell.processes) for cell, _ in choice.cells()))
    found = {choice.name(row.cell): f'{row.seconds:.0f}' if row.status == OK else
             'FAIL' if row.status == FAILED else 'skip' for row in rows}
    found.update(dict.fromkeys(refused, '-'))
    head = '{:<26}'.format('') + ''.join(f'{short(*column):>11}' for column in columns)
    names = list(dict.fromkeys(cell.case.name for cell, _ in choice.cells()))
    lines = [f'{name:<26}' + ''.join('{:>11}'.format(found.get((name,) + column, '.')) for column in columns)
             for name in names]
    return '\n'.join([head] + lines)


def short(runtime, processes):
    """``docker-h 2``: a column's head."""
    words = {'native': 'native', 'docker': 'docker', 'docker by hand': 'docker-h', 'apptainer + SLURM': 'slurm',
             'apptainer by hand': 'appt.-h'}
    return f'{words[runtime]} {processes}'
