import json
import os
import sys
import threading

import pytest

from mtp.demo import driver as drivers
from mtp.demo.stages import NEWEST, Stage
from mtp.errors import MTPError
from mtp.launch.plan import Plan, command
from mtp.launch.settings import from_environ


class Driver(drivers.Driver):
    """Runs the script of a stage with this Python, so that no environment has to be there."""

    def plan(self, stage, lanes=1):
        return Plan('native: for the test', str(self.home), (command((sys.executable,) + stage.script),), (), ())


def make(tmp_path):
    home = str(tmp_path / 'demo')
    settings = from_environ({'RUNTIME': 'native'})._replace(data_root=os.path.join(home, 'data'))
    found = Driver(settings, home)
    found.open()
    return found


def stage(name, code):
    return Stage(name, 'stage ' + name, 'mmrotate1', ('-c', code), False)


def test_finished_stages_are_kept_and_an_unfinished_demo_goes_on(tmp_path):
    first = make(tmp_path)
    first.run(1, 2, stage('a', 'open("a", "a").write("x")'))
    with pytest.raises(MTPError, match='exit code 3'):
        first.run(2, 2, stage('b', 'import sys; print("the reason"); sys.exit(3)'))
    again = make(tmp_path)
    again.run(1, 2, stage('a', 'open("a", "a").write("x")'))
    again.run(2, 2, stage('b', 'pass'))
    assert [item.name for item in again.done] == ['a', 'b']
    assert (tmp_path / 'demo' / 'a').read_text() == 'x'


def test_a_failure_shows_the_end_of_its_log(tmp_path):
    with pytest.raises(MTPError, match='the reason') as error:
        make(tmp_path).run(1, 1, stage('b', 'import sys; print("the reason"); sys.exit(3)'))
    assert error.value.code == 1


def test_a_finished_demo_starts_afresh(tmp_path):
    first = make(tmp_path)
    first.run(1, 1, stage('a', 'open("a", "a").write("x")'))
    first.finish()
    assert make(tmp_path).done == []
    assert not (tmp_path / 'demo' / 'a').exists()


def test_what_somebody_put_into_a_demo_stays(tmp_path):
    code = 'import os; os.mkdir("b"); open("b/a", "w").close()'
    first = make(tmp_path)
    first.run(1, 1, stage('a', code))
    first.finish()
    (tmp_path / 'demo' / 'b' / 'mine.txt').write_text('mine')
    make(tmp_path)
    assert sorted(os.listdir(str(tmp_path / 'demo' / 'b'))) == ['mine.txt']


def test_a_folder_that_is_not_the_demos_is_left_alone(tmp_path):
    (tmp_path / 'demo').mkdir()
    (tmp_path / 'demo' / 'mine.txt').write_text('mine')
    make(tmp_path)
    assert (tmp_path / 'demo' / 'mine.txt').read_text() == 'mine'


def test_an_interrupted_stage_is_started_again_once(tmp_path):
    code = ('import os, signal, sys, time\n'
            'signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n'
            'again = os.path.exists("mark")\n'
            'open("mark", "w").close()\n'
            'again or time.sleep(60)')
    runner = make(tmp_path)
    runner.run(1, 1, stage('p', code), interrupt=lambda: (tmp_path / 'demo' / 'mark').exists())
    assert runner.done[0].note == 'stopped half way, then continued'


def test_other_settings_are_no_continuation(tmp_path):
    first = make(tmp_path)
    first.run(1, 1, stage('a', 'pass'))
    record = tmp_path / 'demo' / 'stages.json'
    content = json.loads(record.read_text())
    record.write_text(json.dumps(dict(content, key='of another ledger')))
    assert make(tmp_path).done == []


def test_words_are_placed_where_the_program_sees_them():
    class Places:
        of = staticmethod(lambda path: '/work' + path[len('work_dirs'):])
        host = staticmethod(lambda path: '/nowhere')

    assert drivers._placed('--out=work_dirs/demo/x', Places) == '--out=/work/demo/x'
    assert drivers._placed('load_from=work_dirs/demo/x', Places) == 'load_from=/work/demo/x'
    assert drivers._placed('--task', Places) == '--task'
    assert drivers._placed(NEWEST + 'work_dirs/demo/run', Places) == '/work/demo/run/iter_N.pth'


def test_lanes_run_side_by_side_and_a_failure_keeps_what_the_other_did(tmp_path):
    wait = 'import os, time\nopen("{0}", "w").close()\nwhile not os.path.exists("{1}"): time.sleep(0.01)'
    runner = make(tmp_path)
    lanes = [[(1, stage('a', wait.format('a', 'b'))), (2, stage('c', 'import sys; sys.exit(1)'))],
             [(3, stage('b', wait.format('b', 'a'))), (4, stage('d', 'import time; time.sleep(0.2)'))]]
    with pytest.raises(MTPError, match='stage c'):
        runner.run_group(lanes, 4, {})
    assert sorted(item.name for item in make(tmp_path).done) == ['a', 'b', 'd']


def test_a_stage_waits_for_its_environment_and_the_others_do_not(tmp_path, capsys):
    found = make(tmp_path)
    go, log = tmp_path / 'go', str(tmp_path / 'setup.log')
    code = f'import os, time\nprint("compiling", flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(0.05)'
    found.making['mmrotate03'] = drivers.Making('mmrotate03', log, (sys.executable, '-c', code))
    found.run(1, 2, stage('a', 'pass'))
    assert found.making['mmrotate03'].child.poll() is None, 'not waited for'
    made = stage('b', f'import os, sys; sys.exit(not os.path.exists({str(go)!r}))')._replace(env='mmrotate03')
    threading.Timer(0.6, lambda: go.write_text('')).start()
    found.run(2, 2, made)
    assert [item.name for item in found.done] == ['a', 'b'] and not found.making
    said = capsys.readouterr().out
    assert 'waiting for the environment mmrotate03, which is being made: ' + log in said


def test_an_environment_that_cannot_be_made_is_told_with_its_reason(tmp_path):
    found = make(tmp_path)
    code = 'import sys; print("there is no C++ compiler"); sys.exit(1)'
    found.making['mmrotate03'] = drivers.Making('mmrotate03', str(tmp_path / 'log'), (sys.executable, '-c', code))
    with pytest.raises(MTPError, match='(?s)mmrotate03 could not be made.*there is no C.. compiler') as told:
        found.run(1, 1, stage('b', 'pass')._replace(env='mmrotate03'))
    assert told.value.hint.startswith('make setup ENV=mmrotate03')


def test_whoever_looks_on_is_told_after_each_stage(tmp_path):
    found, told = make(tmp_path), []
    found.after = lambda done: told.append([item.name for item in done])
    found.run(1, 2, stage('a', 'pass'))
    found.run(2, 2, stage('b', 'pass'))
    assert told == [['a'], ['a', 'b']]
