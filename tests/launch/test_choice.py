"""Which environment and variant: by what is asked, else by the cards that a made-up nvidia-smi shows."""
import re

import pytest

from mtp.errors import MTPError
from mtp.launch import cards, choice, containers, host, ledger, setup, verbs
from mtp.launch.cards import Card
from tests.launch.fakes import ask, checkout, machine

A10, L40 = Card('NVIDIA A10', '535.1', (8, 6)), Card('NVIDIA L40', '535.1', (8, 9))
H100, B200 = Card('NVIDIA H100', '535.1', (9, 0)), Card('NVIDIA B200', '580.99.1', (10, 0))
OLD = Card('Tesla V100', '418.87', None)
NEXT = Card('NVIDIA X1', '600.1', (13, 0))  # which nothing knows


@pytest.mark.parametrize('card, kind', [
    (A10, 'cu117'), (L40, 'cu117'), (Card('GTX 1080', '535.1', (6, 1)), 'cu117'), (H100, 'cu121'), (B200, 'cpu'),
    (Card('K80', '470.1', (3, 7)), 'cu117'), (Card('H100', '470.1', (9, 0)), 'cpu'), (OLD, 'cpu'),
    (Card('?', '470.1', None), 'cu117')])
def test_the_nearest_to_the_record_that_has_code_for_the_card_and_runs_with_its_driver(card, kind):
    assert choice.for_cards('mmrotate1', [card]) == choice.for_cards('mmrotate03', [card]) == kind


def test_of_several_cards_each_is_served():
    assert choice.for_cards('mmrotate1', [A10, H100]) == 'cu121'
    assert choice.for_cards('mmrotate1', [A10, B200]) == 'cpu'
    assert choice.for_cards('mmrotate1', []) == 'cu117'  # of another machine: nobody sees them


def test_nvidia_smi_is_asked_and_one_line_says_what_was_taken_and_why(tmp_path, monkeypatch):
    tool = tmp_path / 'nvidia-smi'
    tool.write_text('#!/bin/sh\necho "NVIDIA H100, 535.104.05, 9.0"\n')
    tool.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
    seen = host.look(ask(RUNTIME='native'), checkout(tmp_path / 'repo'))
    assert (seen.accel, seen.cards) == ('nv', (Card('NVIDIA H100', '535.104.05', (9, 0)),))
    assert choice.why('mmrotate1', 'cu121', cards.look(str(tool))) == (
        'mmrotate1 cu121: the nearest to the record (forward) that serves NVIDIA H100 (sm_90)')


@pytest.mark.parametrize('words, card, image', [
    ({}, A10, 'mmrotate1:cu117'), ({'ACCEL': 'nv'}, H100, 'mmrotate1:cu121'), ({'ACCEL': 'none'}, A10, 'mmrotate1:cpu'),
    ({}, B200, 'mmrotate12:cu130'), ({}, NEXT, 'mmrotate1:cpu'), ({'VARIANT': 'cu121'}, A10, 'mmrotate1:cu121'),
    ({'LAUNCHER': 'slurm'}, B200, 'mmrotate1:cu117')])
def test_the_image_of_the_card_is_taken_and_named(tmp_path, words, card, image):
    found = verbs.plan('pretrain', ask(RUNTIME='docker', **words), machine(checkout(tmp_path), cards=(card,)))
    assert 'mtp/' + image in found.commands[0].words and not found.problems
    assert (card.name in found.reason) == (not set(words) & {'VARIANT', 'LAUNCHER'} and words.get('ACCEL') != 'none')


@pytest.mark.parametrize('words, card, said, following', [
    ({'VARIANT': 'cu117'}, H100, 'cu117 of mmrotate1 has no code for NVIDIA H100 .sm_90.', 'VARIANT=cu121'),
    ({'VARIANT': 'cu121'}, Card('H100', '470.1', (9, 0)), '470.1 of H100 is too old for cu121 .* CUDA 12.1 needs 525',
     'a driver from 525.60.13 on'),
    ({'VARIANT': 'cu117'}, OLD, '418.87 of Tesla V100 is too old', 'ACCEL=none'),
    ({'ACCEL': 'nv'}, NEXT, 'it has no code for NVIDIA X1 .sm_130.', 'no variant serves these cards'),
    ({'VARIANT': 'cu121'}, B200, 'cu121 of mmrotate1 has no code', 'ENV=mmrotate12 VARIANT=cu130, or ACCEL=none'),
    ({'VARIANT': 'cu121'}, NEXT, 'cu121 of mmrotate1 has no code', 'no variant serves that card')])
def test_a_card_that_is_not_served_and_a_driver_that_is_too_old_are_said_before_a_run(tmp_path, words, card, said,
                                                                                      following):
    problem, = verbs.plan('pretrain', ask(RUNTIME='docker', **words),
                          machine(checkout(tmp_path), cards=(card,))).problems
    assert re.search(said, problem.message) and following in problem.hint


@pytest.mark.parametrize('runtime, flag', [('docker', '--gpus'), ('apptainer', '--nv')])
def test_a_plan_that_names_cuda_gives_the_card_and_says_where_there_is_none(tmp_path, runtime, flag):
    bare = machine(checkout(tmp_path), accel='none')
    found = verbs.plan('pretrain', ask(RUNTIME=runtime, VARIANT='cu117'), bare)
    problem, = found.problems
    assert flag in found.commands[0].words
    assert problem.message == 'VARIANT=cu117 computes on NVIDIA cards, and this machine shows none'
    assert problem.hint.startswith('ACCEL=none VARIANT=cpu, or ACCEL=nv')
    asked = verbs.plan('pretrain', ask(RUNTIME=runtime, VARIANT='cu117', ACCEL='nv'), bare)
    assert flag in asked.commands[0].words and not asked.problems
    away = verbs.plan('pretrain', ask(RUNTIME=runtime, VARIANT='cu117', LAUNCHER='slurm'), bare)
    assert flag in away.commands[0].words and not away.problems
    quiet = verbs.plan('data-dior', ask(RUNTIME=runtime, VARIANT='cu117'), bare)
    assert flag not in quiet.commands[0].words and not quiet.problems  # it needs no card


def test_a_native_environment_of_another_variant_than_the_one_asked_for(tmp_path):
    made = machine(checkout(tmp_path), made_of={'mmrotate1': 'cpu', 'mmrotate03': 'cpu'}, cards=(A10,))
    assert containers.choose(ask(RUNTIME='native'), made, 'mmrotate1')[2] == ()
    problem, = containers.choose(ask(RUNTIME='native', VARIANT='cu117'), made, 'mmrotate1')[2]
    assert 'is made of the variant cpu, and VARIANT=cu117 is asked for' in problem.message
    assert problem.hint == 'make setup ENV=mmrotate1 VARIANT=cu117'


def test_cards_that_only_another_environment_serves():
    assert choice.alternatives('mmrotate1', [B200]) == [('mmrotate12', 'cu130')]
    assert choice.asked(ask(), [B200]) == [('mmrotate1', 'cpu'), ('mmrotate03', 'cpu'), ('mmrotate12', 'cu130')]
    assert choice.asked(ask(), [A10]) == [('mmrotate1', 'cu117'), ('mmrotate03', 'cu117')]
    assert choice.asked(ask(ENV='mmrotate1'), [B200]) == [('mmrotate1', 'cpu')]
    assert choice.asked(ask(VARIANT='cu130')) == [('mmrotate12', 'cu130')]
    assert choice.why('mmrotate1', 'cpu', [B200]).endswith('for NVIDIA B200 (sm_100); ENV=mmrotate12 VARIANT=cu130 has')
    problem, = choice.trouble('mmrotate1', 'cu121', [B200])
    assert problem.hint == 'ENV=mmrotate12 VARIANT=cu130, or ACCEL=none'


@pytest.mark.parametrize('accel, seen, release, made, said', [
    ('auto', (), '', 'cpu', ''), ('auto', (A10,), '11.8', 'cu117', 'mmrotate1 cu117: the nearest to the record'),
    ('auto', (A10,), '', 'cpu', 'mmrotate1 cu117 and mmrotate03 cu117 is for the cards here, and needs nvcc'),
    ('auto', (A10,), '12.4', 'cpu', 'another nvcc than that of CUDA 12.4'),
    ('auto', (H100,), '12.4', 'cu121', 'forward'),
    ('nv', (A10,), '', 'cu117', 'cu117'), ('nv', (), '', 'cu117', ''), ('none', (A10,), '11.8', 'cpu', '')])
def test_setup_makes_what_the_card_needs_where_it_can_be_compiled(monkeypatch, accel, seen, release, made, said):
    monkeypatch.setattr(setup.toolkit, 'find', lambda environ: ('/usr/bin/nvcc', release) if release else ('', ''))
    pairs, note = setup.wanted(ask(ACCEL=accel), {}, seen)
    assert pairs == [('mmrotate1', made), ('mmrotate03', made)] and said in note
    assert setup.wanted(ask(ACCEL=accel, VARIANT='cu121'), {}, seen)[0][0] == ('mmrotate1', 'cu121')


def test_setup_for_cards_that_nothing_serves_is_refused():
    with pytest.raises(MTPError, match='no variant of mmrotate1 or mmrotate03 serves the cards here: NVIDIA X1'):
        setup.wanted(ask(ACCEL='nv'), {}, [NEXT])


def test_a_run_goes_to_the_environment_that_the_card_needs_where_it_is_made_or_asked_for(tmp_path):
    root = checkout(tmp_path)
    bare = machine(root, cards=(B200,), engines={}, sifs={}, venvs={'mmrotate1': 'ready', 'mmrotate03': 'ready',
                                                                   'mmrotate12': 'absent'})
    words = dict(CONFIG='configs/mtp/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior.py')
    by_itself = verbs.plan('finetune', ask(**words), bare)
    assert '.venv/mmrotate1/bin/python' in by_itself.commands[0].words and not by_itself.problems
    assert 'ENV=mmrotate12 VARIANT=cu130 has' in by_itself.reason
    asked = verbs.plan('finetune', ask(ACCEL='nv', **words), bare)
    assert '.venv/mmrotate12/bin/python' in asked.commands[0].words
    assert asked.problems[0].hint == 'make setup ENV=mmrotate12'
    made = bare._replace(venvs=dict(bare.venvs, mmrotate12='ready'), made_of={'mmrotate12': 'cu130'})
    found = verbs.plan('finetune', ask(**words), made)
    assert '.venv/mmrotate12/bin/python' in found.commands[0].words and not found.problems
    assert found.reason.endswith(ledger.standing('mmrotate12')) and 'for the record' not in by_itself.reason
    assert 'configs/mmrotate1/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior.py' in found.commands[0].words
