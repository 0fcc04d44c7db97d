"""docs/settings.md holds every setting, as the code reads it."""
import os

import pytest

from mtp.launch import ledger, settings, settings_page, uses

PATH = os.path.join(ledger.ROOT, settings_page.PATH)


def test_the_page_is_what_the_tables_say():
    with open(PATH, encoding='utf-8') as stream:
        assert stream.read() == settings_page.text(), 'python3 -m mtp.launch.settings_page writes it anew'


def test_every_setting_has_a_line_and_every_line_a_setting():
    told = [name for _, rows in settings_page.GROUPS for name, _ in rows]
    assert len(told) == len(set(told)) and set(told) == set(settings_page.defaults()) == uses.known()


def test_a_setting_without_a_sentence_is_named(monkeypatch):
    monkeypatch.setitem(settings.VERB_SETTINGS, 'COLOUR', 'red')
    with pytest.raises(KeyError, match='says nothing of COLOUR'):
        settings_page.text()


def test_a_default_and_its_users_are_told():
    line, = [line for line in settings_page.text().splitlines() if line.startswith('| END_ITER ')]
    assert line == '| END_ITER | `80000` | pretrain | Steps. |'
    line, = [line for line in settings_page.text().splitlines() if line.startswith('| ARCHIVES ')]
    assert '| fetch-DATASET |' in line
