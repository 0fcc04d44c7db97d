import pytest

from mtp.report.page import Page


def test_page_escapes_lists_sections_and_links_pictures(tmp_path):
    (tmp_path / 'a b.png').write_bytes(b'png')
    page = Page('Demo <1>', 'lead')
    page.section('Losses & more', 'text')
    page.table(['name', 'value'], [['x<y', 0.123456], ['none', None], ['seconds', '12.5 s']])
    page.figure('a b.png', 'caption')
    page.write(tmp_path / 'index.html')
    text = (tmp_path / 'index.html').read_text(encoding='utf-8')
    assert 'Demo &lt;1&gt;' in text and 'x&lt;y' in text
    assert '<a href="#s1">Losses &amp; more</a>' in text
    assert '<td class="number">0.1235</td>' in text and '<td class="number">12.5 s</td>' in text
    assert 'src="a%20b.png"' in text


def test_paths_below_the_roots_are_short_wherever_they_stand(tmp_path, monkeypatch):
    monkeypatch.setenv('MTP_WORK_ROOT', str(tmp_path))
    page = Page(str(tmp_path / 'run'), str(tmp_path / 'run'))
    page.section('s', str(tmp_path / 'a'))
    page.table([str(tmp_path / 'b')], [[str(tmp_path / 'c')]])
    page.command(f'--save_path {tmp_path}/d')
    page.write(tmp_path / 'index.html')
    text = (tmp_path / 'index.html').read_text(encoding='utf-8')
    assert str(tmp_path) not in text and '<td>work_dirs/c</td>' in text and '--save_path work_dirs/d' in text


def test_a_missing_picture_is_told_and_no_page_is_written(tmp_path):
    page = Page('x')
    page.figure('gone.png', 'gone')
    with pytest.raises(FileNotFoundError, match='gone.png'):
        page.write(tmp_path / 'index.html')
    assert not (tmp_path / 'index.html').exists()
