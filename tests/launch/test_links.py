import os

import pytest

from mtp.launch import links, verbs
from tests.launch.fakes import ask, checkout, machine


@pytest.fixture
def root(tmp_path):
    """A data root with links that stay, that leave, and that lead nowhere."""
    for folder in ('disk/dior/images', 'disk/labels', 'data/own/inner'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'disk' / 'labels' / 'train.txt').write_text('x')
    data = tmp_path / 'data'
    os.symlink(str(tmp_path / 'disk' / 'dior'), str(data / 'dior'))
    os.symlink('../../disk/labels/train.txt', str(data / 'own' / 'train.txt'))
    os.symlink('inner', str(data / 'own' / 'again'))
    os.symlink('/nowhere/at/all', str(data / 'gone'))
    return tmp_path


def test_links_that_leave_are_found_and_others_are_not(root):
    assert [(link.path, link.target) for link in links.leaving(str(root / 'data'))] == [
        ('dior', str(root / 'disk' / 'dior')), ('own/train.txt', str(root / 'disk' / 'labels' / 'train.txt'))]
    assert links.leaving(str(root / 'no such folder')) == ()


def test_a_container_sees_them_where_its_programs_look(root):
    found = links.binds(links.leaving(str(root / 'data')), '/data')
    # /data/own/../../disk/labels is /disk/labels: a relative link leads elsewhere inside
    assert found == [(str(root / 'disk' / 'labels'), '/disk/labels'), (str(root / 'disk' / 'dior'),
                                                                       str(root / 'disk' / 'dior'))]


def test_many_links_to_one_folder_are_one_bind(tmp_path):
    (tmp_path / 'disk').mkdir()
    (tmp_path / 'data').mkdir()
    for number in range(30):
        (tmp_path / 'disk' / f'{number}.png').write_text('')
        os.symlink(str(tmp_path / 'disk' / f'{number}.png'), str(tmp_path / 'data' / f'{number}.png'))
    assert links.binds(links.leaving(str(tmp_path / 'data')), '/data') == [(str(tmp_path / 'disk'),
                                                                            str(tmp_path / 'disk'))]


@pytest.mark.parametrize('text, hidden', [('/etc', True), ('/opt/mtp/x', True), ('/usr/share/data', True), ('/', True),
                                          ('/scratch/x', False), ('/tmp/x', False), ('/home/ada/x', False)])
def test_a_place_of_the_images_own_cannot_be_bound(text, hidden):
    link = links.Link('x', text, '/somewhere')
    assert bool(links.lost([link], '/data')) is hidden and bool(links.binds([link], '/data')) is not hidden


@pytest.mark.parametrize('runtime', ['docker', 'apptainer'])
def test_the_plan_binds_them_with_the_rights_of_their_folder(tmp_path, runtime):
    root = checkout(tmp_path)
    host = machine(root, links={'data': (links.Link('dior', '/scratch/dior', '/mnt/dior'),),
                                'work_dirs': (links.Link('pretrain', '/scratch/runs', '/mnt/runs'),)})
    text = ' '.join(verbs.plan('pretrain', ask(RUNTIME=runtime), host).commands[0].words)
    wanted = {'docker': ('source=/mnt/dior,target=/scratch/dior,readonly', 'source=/mnt/runs,target=/scratch/runs '),
              'apptainer': ('/mnt/dior:/scratch/dior:ro', '/mnt/runs:/scratch/runs ')}[runtime]
    assert all(words in text for words in wanted)
    native = verbs.plan('pretrain', ask(RUNTIME='native'), host)
    assert '/mnt/dior' not in ' '.join(native.commands[0].words)


def test_a_link_that_no_bind_can_help_is_said(tmp_path):
    host = machine(checkout(tmp_path), links={'data': (links.Link('dior', '/opt/dior', '/opt/dior'),)})
    problem, = verbs.plan('pretrain', ask(RUNTIME='docker'), host).problems
    assert 'the link data/dior leads to /opt/dior' in problem.message and 'MTP_DATA_ROOT' in problem.hint


@pytest.mark.parametrize('name', ['a,b', 'a:b', 'a"b', 'a\nb'])
@pytest.mark.parametrize('runtime', ['docker', 'apptainer'])
def test_a_checkout_that_no_engine_can_bind_is_said(tmp_path, name, runtime):
    (tmp_path / name).mkdir()
    host = machine(checkout(tmp_path / name))
    problems = verbs.plan('pretrain', ask(RUNTIME=runtime), host).problems
    assert 'this checkout' in ' '.join(problem.message for problem in problems)
    assert 'comma or colon' in problems[0].message
    assert not verbs.plan('pretrain', ask(RUNTIME='native'), host).problems
