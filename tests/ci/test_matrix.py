"""The cells of ci/matrix: every verb has one or a reason, every cell a day, and what is typed is what the pages say."""
import datetime
import os
import re
import subprocess
import sys
import time

import pytest

from mtp.data import catalogue
from mtp.data.samples.__main__ import SETS
from mtp.launch import ledger, settings, uses, verbs
from tests.docs import test_commands
from tests.launch import fakes

sys.path.insert(0, os.path.join(ledger.ROOT, 'ci'))
import matrix  # noqa: E402
from cells import choice, places, running, runtimes  # noqa: E402
from cells import verbs as table  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'ci'))

CASES = table.cases()
THERE = choice.there()
TODAY = datetime.date(2026, 1, 1)
PAGES = ['README.md', 'README.ko.md', 'apptainer/README.md'] + sorted(
    'docs/' + name for name in os.listdir(os.path.join(ledger.ROOT, 'docs')) if name.endswith('.md'))
DATASET_VERBS = ('finetune', 'test')  # with a data set: the same verb with the paper's config of it


def text(page):
    with open(os.path.join(ledger.ROOT, page), encoding='utf-8') as stream:
        return stream.read().replace('\\\n', ' ')


def known(verb):
    """Whether a verb is a cell, the same as one, or has a reason."""
    head, _, dataset = verb.partition('-')
    verb = f'{head}-{verbs.DATASETS[dataset]}' if head == 'data' and dataset in verbs.DATASETS else verb
    return verb in {case.verb for case in CASES} or {verb, head} & set(table.ELSEWHERE) or (
        head in DATASET_VERBS and verb != head)


def targets():
    return re.findall(r'^([a-z][a-z-]*):.*?##', text('Makefile'), re.M)


def test_every_verb_is_a_cell_or_has_a_reason():
    left = [verb for verb in verbs.names() + targets() if not known(verb)]
    assert not left, 'an entry in ci/cells/verbs.py is missing for: ' + ' '.join(left)
    assert not known('a-new-verb') and not known('fly')


def test_a_reason_names_who_runs_the_verb():
    for verb, (why, path, words) in table.ELSEWHERE.items():
        assert why and words in text(path), verb
        assert verb in targets() or verb == 'help' or verb + '-dior' in verbs.names()


def test_every_data_set_is_prepared_from_samples_that_are_drawn():
    prepared = {case.verb[len('data-'):]: case.changes for case in CASES if case.verb.startswith('data-')}
    assert set(prepared) == set(catalogue.names())
    assert set(prepared.values()) == {entry[2] for entry in SETS.values()}


def test_every_verb_on_the_pages_is_known():
    typed = {verb for page in PAGES for verb in re.findall(r'\bmake ([a-z][a-z0-9-]*)\b(?= |`|$)', text(page))}
    assert {'pretrain', 'reproduce', 'test-fair1m'} <= typed
    assert not [verb for verb in typed & (set(verbs.names()) | set(targets())) if not known(verb)]


def test_what_is_typed_by_hand_is_what_the_pages_say():
    whole = ' '.join(' '.join(text(page).split()) for page in PAGES)
    for line in (runtimes.APPTAINER, runtimes.BENEATH_SRUN):
        options = [word for word in line.split() if word.startswith('-')]
        assert re.search(r'apptainer exec (--nv )?{}'.format(' '.join(map(re.escape, options))), whole), line
    for words in ('--bind', '--pwd /opt/mtp', 'tools/train.py configs/mtp/', 'main_pretrain.py --backbone',
                  '-m mtp.predict'):
        assert words in whole, words


def test_a_cell_runs_at_least_once_a_week_and_the_days_are_alike():
    week = [choice.of(TODAY + datetime.timedelta(days=day), THERE) for day in range(7)]
    seen = {choice.name(cell) for day in week for cell in day}
    assert seen == set(map(choice.name, THERE))
    loads = [sum(map(choice.seconds, day)) for day in week]
    assert max(loads) < 1.25 * min(loads), loads
    for day in week:
        assert set(choice.ALWAYS) <= set(map(choice.name, day))
        assert {cell.runtime.name for cell in day} == {each.name for each in runtimes.RUNTIMES}


def test_what_a_cell_needs_comes_before_it():
    done = set()
    for cell in choice.of(TODAY, THERE):
        assert set(cell.case.needs) <= done, choice.name(cell)
        if places.leaves_for_others(cell):
            done.add(cell.case.name)


@pytest.mark.parametrize('case', CASES, ids=[case.name for case in CASES])
def test_settings_exist_and_every_combination_runs_or_says_why_not(case):
    asked = {'CONFIG', 'CHECKPOINT', 'ARGS', 'ENV'} | set(settings.VERB_SETTINGS)
    assert set(case.words) <= asked
    config = case.words.get('CONFIG', '').replace('configs/mtp/', 'configs/mmrotate1/')
    assert not config or os.path.isfile(os.path.join(ledger.ROOT, config)), config
    mine = [(cell, why) for cell, why in choice.cells() if cell.case == case]
    assert len(mine) == 2 * len(runtimes.RUNTIMES) and any(not why for _, why in mine)


PLACE = places.Place(dict(data='/a b/data', weights='/a b/weights', work='/a b/work'), '/v', '/s/{}.sif'.format,
                     lambda case, line: ['python'] + line.split())


def words(name, runtime, processes):
    cell = next(each for each in THERE if choice.name(each) == (name, runtime, processes))
    return cell.runtime.words(cell.case, processes, PLACE)


def test_two_processes_by_hand_are_started_by_torchrun_or_srun():
    docker = words('finetune', 'docker by hand', 2)
    assert docker[:2] == ['docker', 'run'] and '/a b/data:/data:ro' in docker and '--read-only' in docker
    assert docker[docker.index('mtp/mmrotate1:cpu') + 1:][:4] == ['python', '-m', 'torch.distributed.run',
                                                                  '--nproc_per_node=2']
    assert '--launcher=pytorch' in docker
    srun = words('finetune-mmrotate03', 'apptainer by hand', 2)
    assert srun[:2] == ['srun', '--ntasks=2'] and '/s/mmrotate03.sif' in srun and '--launcher=slurm' in srun
    assert words('finetune', 'apptainer by hand', 1)[:3] == ['apptainer', 'exec', '--containall']


def test_a_verb_gets_the_folders_of_its_place_as_they_are_named():
    made = words('replay', 'apptainer + SLURM', 1)
    assert made[:3] == ['make', '--no-print-directory', 'replay']
    assert {'MTP_DATA_ROOT=/a b/data', 'PASSPORT=/a b/weights/pretrain.json', 'LAUNCHER=slurm', 'GPUS=1'} <= set(made)


def test_every_verb_of_a_cell_is_planned_in_its_runtime(tmp_path, monkeypatch):
    monkeypatch.setattr('mtp.launch.passports.read', lambda path: dict(test_commands.THEN))
    folders = {kind: str(tmp_path / 'a b' / kind) for kind in ('data', 'weights', 'work')}
    for name in (case.gives for case in CASES if case.gives):
        fakes.touch(os.path.join(folders['weights'], name))
    place = PLACE._replace(folders=folders)
    host = fakes.machine(ledger.ROOT, folders=dict.fromkeys(folders.values(), fakes.GOOD))
    for cell in THERE:
        made = cell.runtime.words(cell.case, cell.processes, place)
        if made[0] == 'make':
            asked = fakes.ask(**dict(word.split('=', 1) for word in made[3:]))
            assert not uses.check(made[2], asked._replace(typed=tuple(asked.given)))
            plan = verbs.plan(made[2], asked, host)
            assert plan.commands and not plan.problems, (choice.name(cell), plan.problems)


def test_the_ordinary_user_reads_this_checkout_and_cannot_write_it(tmp_path):
    if os.getuid():
        os.chmod(str(tmp_path), 0o555)
    code = f'test -r README.md && ! touch {tmp_path}/made 2>/dev/null && id -u'
    done = subprocess.run(places.as_ordinary(['sh', '-c', code]), cwd=ledger.ROOT, stdout=subprocess.PIPE)
    assert done.returncode == 0 and int(done.stdout) == (os.getuid() or runtimes.UID)


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path):
    log = tmp_path / 'log'
    assert places.call(['sh', '-c', 'echo begun; sleep 600 & echo $!; wait'], 0.5, str(log)) == 124
    begun, child, *rest = log.read_text().split()
    assert rest[:3] == ['no', 'end', 'within']
    try:
        with open(f'/proc/{int(child)}/cmdline') as stream:
            assert not stream.read()  # ended, and nobody has asked for its exit code
    except FileNotFoundError:
        pass


def test_a_cell_whose_need_has_failed_says_so_and_does_not_run(tmp_path):
    class Nowhere:
        base = str(tmp_path)

    need = next(cell for cell in THERE if choice.name(cell) == ('data-eurosat', 'native', 1))
    cell = next(cell for cell in THERE if choice.name(cell) == ('finetune', 'docker', 1))
    runner = running.Runner(Nowhere(), str(tmp_path / 'logs'), say=lambda line: None)
    runner.rows.append(running.Row(need, running.FAILED, 1.0, ''))
    runner.one(cell, {})
    assert runner.rows[-1].status == running.SKIPPED and runner.rows[-1].why == 'data-eurosat has failed'


def test_a_cell_that_would_end_too_late_is_not_begun_nor_one_that_needs_it(tmp_path):
    class Nowhere:
        base = str(tmp_path)

    need = next(cell for cell in THERE if choice.name(cell) == ('data-eurosat', 'native', 1))
    cell = next(cell for cell in THERE if choice.name(cell) == ('finetune', 'docker', 1))
    runner = running.Runner(Nowhere(), str(tmp_path / 'logs'), say=lambda line: None, until=time.monotonic() + 1)
    for each in (need, cell):
        runner.one(each, {})
    assert [(row.status, row.why) for row in runner.rows] == [(running.SKIPPED, running.LATE)] * 2


def test_a_cell_that_has_passed_in_a_folder_is_not_run_again(tmp_path):
    class Nowhere:
        base = str(tmp_path)

    (tmp_path / 'passed.json').write_text('{"data-eurosat-native-1": 7.5}')
    runner = running.Runner(Nowhere(), str(tmp_path / 'logs'), say=lambda line: None)
    runner.one(next(cell for cell in THERE if choice.name(cell) == ('data-eurosat', 'native', 1)), {})
    assert runner.rows[0].status == running.OK and runner.rows[0].seconds == 7.5


PROVEN, UNPROVEN = THERE[:2]


def row(status, why='', cell=PROVEN):
    return running.Row(cell, status, 1.4, why)


def test_every_proven_cell_is_one_that_there_is():
    assert choice.proven() <= {choice.name(cell) for cell in THERE}


@pytest.mark.parametrize('rows, changed, code, said', [
    ([row(running.OK)], [], 0, '1 passed, 0 failed, 0 did not run'),
    ([row(running.FAILED)], [], 1, '!!! FAILED, AND IT HAS PASSED BEFORE: ' + PROVEN.case.name),
    ([row(running.FAILED, cell=UNPROVEN)], [], 0, '!!! NEVER PASSED YET (ci/cells/proven.txt): ' + UNPROVEN.case.name),
    ([row(running.OK, cell=UNPROVEN)], [], 0, 'passed for the first time, add to ci/cells/proven.txt: '),
    ([row(running.OK)], ['/c/x'], 1, 'CHANGED IN THE CHECKOUT: /c/x'),
    ([row(running.SKIPPED, 'no container engine')], [], 4, '!!! 1 CELLS DID NOT RUN: no container engine'),
    ([row(running.SKIPPED, running.LATE)], [], 0, '!!! NO TIME WAS LEFT FOR: ' + PROVEN.case.name),
], ids=['passed', 'failed', 'failed-as-ever', 'passed-at-last', 'changed', 'no-engine', 'late'])
def test_the_exit_code_and_the_last_lines_say_what_became_of_the_cells(rows, changed, code, said, capsys, monkeypatch):
    monkeypatch.setattr(choice, 'proven', lambda: {choice.name(PROVEN)})
    assert matrix.said(rows, changed, 3.0) == code and said in capsys.readouterr().out


def test_the_list_says_of_every_combination_when_it_runs_or_why_not():
    lines = matrix.listed(TODAY).splitlines()
    assert len([line for line in lines if re.search('every time|today|in . day|not: ', line)]) >= len(choice.cells())
    assert any('finetune' in line and 'every time' in line for line in lines)
