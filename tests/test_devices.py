import os
from importlib import machinery

import pytest

torch = pytest.importorskip('torch')

from mtp import devices  # noqa: E402
from mtp.errors import MTPError  # noqa: E402
from tests.fatbins import shared_object  # noqa: E402

OF_1_10 = ['sm_37', 'sm_50', 'sm_60', 'sm_70']
no_card = pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has a card')


@pytest.fixture(autouse=True)
def nothing_hides(monkeypatch):
    monkeypatch.setattr(devices, '_warned', [])
    for name in devices.HIDING:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize('built, card, fits', [
    (OF_1_10, (7, 5), True), (OF_1_10, (8, 0), False), (OF_1_10, (9, 0), False), (OF_1_10, (3, 5), False),
    (OF_1_10 + ['compute_70'], (9, 0), True), (['sm_80', 'sm_86'], (8, 9), True), (['sm_86'], (8, 0), False),
    (['sm_90a'], (9, 0), True), ([], (7, 0), True), (['gfx906', 'gfx90a'], (9, 0), True)])
def test_machine_code_serves_its_own_major_number_from_its_minor_number_on(built, card, fits):
    assert devices.serves(built, card) is fits


@no_card
def test_who_asks_for_a_card_is_told_why_there_is_none():
    with pytest.raises(MTPError, match='a card was asked for .*, but torch .* sees none: .') as caught:
        devices.require('cuda')
    assert caught.value.hint
    devices.require('auto')
    devices.require('cpu')


@no_card
def test_a_variable_that_hides_the_cards_is_named(monkeypatch):
    monkeypatch.setattr(torch.version, 'cuda', '11.3')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    assert devices.problem() == (f"torch {torch.__version__} sees none: CUDA_VISIBLE_DEVICES='' hides every card",
                                 'unset CUDA_VISIBLE_DEVICES')


@no_card
@pytest.mark.parametrize('hip, inside, named', [
    (None, False, 'no driver of a card is loaded on'), (None, True,
                                                        '--nv (apptainer) or --gpus all (docker) is missing'),
    ('4.2', True, '--rocm (apptainer) or --gpus all')])
def test_no_device_of_a_card_in_a_container_and_outside(monkeypatch, tmp_path, hip, inside, named):
    monkeypatch.setattr(torch.version, 'cuda', None if hip else '11.3')
    monkeypatch.setattr(torch.version, 'hip', hip, raising=False)
    monkeypatch.setattr(devices, 'CONTAINER', (str(tmp_path if inside else tmp_path / 'none'),))
    assert named in devices.problem()[0]


@pytest.mark.parametrize('architectures, card, said', [
    ([[80, 86], [80, 86]], (8, 6), ''), ([[80, 86]], (8, 9), ''), ([], (9, 0), ''),
    ([[80, 86], [80]], (8, 6), ''), ([[70, 80]], (7, 5), ''),
    ([[80, 86]], (9, 0), 'the card is sm_90, and the operators in .*_ext.so have code for sm_80, sm_86'),
    ([[60, 80], [80]], (6, 1), 'the card is sm_61, and the operators .* have code for sm_80')])
def test_operators_without_code_for_the_card_are_found_before_a_run(monkeypatch, tmp_path, architectures, card, said):
    (tmp_path / 'mmcv').mkdir()
    (tmp_path / 'mmcv' / '__init__.py').write_text('')
    (tmp_path / 'mmcv' / '_ext.so').write_bytes(shared_object(architectures))
    monkeypatch.setattr(devices.importlib.util, 'find_spec', lambda name: machinery.PathFinder.find_spec(
        name, [str(tmp_path)]))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda index: card)
    monkeypatch.setattr(torch.cuda, 'get_arch_list', lambda: ['sm_60', 'sm_75', 'sm_80', 'sm_86', 'sm_90'])
    if not said:
        return devices.require('cuda')
    with pytest.raises(MTPError, match=said) as caught:
        devices.require('auto')
    assert 'make doctor' in caught.value.hint


@no_card
def test_a_torch_built_for_processors_is_named(monkeypatch):
    monkeypatch.setattr(torch.version, 'cuda', None)
    monkeypatch.setattr(torch.version, 'hip', None, raising=False)
    assert 'built for processors' in devices.problem()[0] and 'VARIANT for this card' in devices.problem()[1]


def test_a_card_that_torch_has_no_code_for_is_refused_asked_for_or_not(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda index: (9, 0))
    monkeypatch.setattr(torch.cuda, 'get_arch_list', lambda: OF_1_10)
    for wish in ('auto', 'cuda'):
        with pytest.raises(MTPError, match='the card is sm_90, and torch .* has code for sm_37, sm_50, sm_60, sm_70'):
            devices.require(wish)


@no_card
def test_a_machine_whose_card_is_not_used_hears_of_it_once(monkeypatch, capsys):
    monkeypatch.setattr(devices, 'plugged', lambda: True)
    devices.require('auto')
    devices.require('auto')
    assert capsys.readouterr().err.count('the processors compute, although this machine has a card') == 1


@no_card
def test_no_program_computes_without_the_card_that_was_asked_for(monkeypatch, tmp_path):
    pytest.importorskip('mmcv')
    from mtp.adapters import environment
    from mtp.predict import __main__ as predict
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name, '0')  # so that what the programs set is taken back
        monkeypatch.delenv(name)
    cli, folder = environment.command_line(), str(tmp_path / 'x')
    config = f'configs/{environment.name()}/dotav1/oriented_rcnn_rvsa_l_1024_mae_mtp_dota10.py'
    for program, words in ((cli.train, [config, '--work-dir', folder]),
                           (cli.test, [config, folder + '.pth', '--work-dir', folder, '--show-dir', folder]),
                           (predict.main, [folder, '--config', config, '--checkpoint', folder + '.pth'])):
        with pytest.raises(MTPError, match='a card was asked for .--device cuda., but torch'):
            program(words + ['--device', 'cuda'])
    assert not os.path.exists(folder)


@no_card
def test_pretraining_does_not_either():
    pytest.importorskip('mmengine')
    pytest.importorskip('mmpretrain')
    from mtp.pretrain.engine import devices as of_pretraining
    with pytest.raises(MTPError, match='a card was asked for .--device cuda., but torch'):
        of_pretraining.choose('cuda')
    assert of_pretraining.choose('auto').type == 'cpu'
