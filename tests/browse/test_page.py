"""The page in a real browser, from disk: opens, zooms, filters, steps through mistakes, keeps its view in a link."""
import io
import os

import numpy as np
import pytest
from PIL import Image

from mtp.browse import __main__ as command
from tests.browse import chromium, drawn

HOSTILE = '<img src=x onerror=window.hacked=1>&"\u2028'


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    """Folder with the page of each run by name."""
    home = tmp_path_factory.mktemp('pages')
    chromium.program()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MTP_DATA_ROOT', str(home / 'data'))
        runs = dict(boxes=(drawn.submission(str(home), ('a', 'b')), '--dataset', 'dotav1'),
                    masks=(drawn.masks(str(home / 'masks')), '--dataset', 'whu', '--images',
                           str(home / 'masks/data/whu_cd_patch_dataset/test/A'), '--truth',
                           str(home / 'masks/data/whu_cd_patch_dataset/test/label')),
                    scenes=(drawn.scenes(str(home / 'scenes')),),
                    hostile=(drawn.prediction(str(home / 'hostile'), ("x' <b>& #%20?",), ('plane', HOSTILE)),))
        for name, words in runs.items():
            command.main(list(words) + ['--jobs', '1', '--out', str(home / 'page' / name)])
    return home / 'page'


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    with chromium.Browser(tmp_path_factory.mktemp('profile')) as found:
        yield found


def at(pages, name, view=''):
    return f'file://{pages / name}/index.html{view}'


def opened(browser, address):
    """Open a page and wait until image and layers are drawn."""
    del browser.said[:]
    browser.open(address)
    browser.wait('MTP.viewer && MTP.viewer.world.getItemCount() && MTP.viewer.world.getItemAt(0).getFullyLoaded()')
    return browser


def texts(browser, selector):
    return browser.run(f'[...document.querySelectorAll("{selector}")].map(node => node.textContent)')


def counts(browser):
    """What the table says of this image: {kind: number}."""
    return browser.run('Object.fromEntries([...document.querySelectorAll("#counts tr[data-kind]")].map(row => '
                       '[row.dataset.kind, Number(row.children[1].textContent.replace(/,/g, ""))]))')


def pixel(browser, x, y):
    """RGB of the screen where the image pixel x, y lies."""
    left, top, scale = browser.run(
        '(() => {const item = MTP.viewer.world.getItemAt(0), view = MTP.viewer.viewport, place = (x) => '
        'view.pixelFromPoint(item.imageToViewportCoordinates(x, 0), true), '
        'box = document.querySelector("#viewer").getBoundingClientRect(); '
        'return [box.x + place(0).x, box.y + place(0).y, place(1).x - place(0).x];})()')
    screen = np.asarray(Image.open(io.BytesIO(browser.picture())).convert('RGB')).astype(int)
    return screen[int(round(top + y * scale)), int(round(left + x * scale))]


def test_it_opens_with_the_worst_image_and_asks_nobody(pages, browser):
    opened(browser, at(pages, 'boxes'))
    assert browser.run('document.title').endswith('/run')
    assert '1 / 2  a' in texts(browser, '#place')[0]
    browser.wait('MTP.drawn > 0')
    assert counts(browser) == dict(found=7, truth=4, hit=2, missed=1, background=1, wrong_class=1, localisation=1,
                                   duplicate=1, ignored=1, unjudged=0)
    assert np.abs(pixel(browser, 200, 200) - [60, 60, 200]).max() < 12  # the image itself, on its place
    hit, missed = (np.array([pixel(browser, x + by, y) for by in (-1, 0, 1)]).max(axis=0)
                   for x, y in ((121, 103), (600, 590)))
    assert hit[1] > 130 > hit[0] and missed[0] > 140  # the right edge of a hit, the upper one of what is not there
    assert browser.said == []


def test_counts_follow_score_class_and_kind(pages, browser):
    opened(browser, at(pages, 'boxes', '#c=0&i=a'))
    browser.run('(() => {const node = document.querySelector("#score"); node.value = 65; '
                'node.dispatchEvent(new Event("input"));})()')
    assert texts(browser, '#score-shown') == ['0.65']
    found = counts(browser)
    assert (found['found'], found['hit'], found['missed'], found['background']) == (4, 1, 2, 0)
    browser.run('document.querySelectorAll("#classes input")[6].click()')  # ships
    found = counts(browser)
    assert (found['found'], found['missed'], found['truth']) == (3, 0, 2)
    browser.wait('location.hash.includes("off=6") && location.hash.includes("t=65")')
    browser.click('#classes-none')
    assert counts(browser)['found'] == 0


def test_scenes_are_shown_whatever_their_score_and_the_wrong_one_comes_first(pages, browser):
    page = opened(browser, at(pages, 'scenes'))
    assert texts(page, '#score-shown') == ['0.00'] and texts(page, '#images .name')[0] == 'wrong'
    assert counts(page) == {'found': 1, 'truth': 1, 'hit': 0, 'missed': 1, 'background': 0, 'wrong_class': 1}
    assert tuple(pixel(page, drawn.SIDE / 2, .5)) != tuple(pixel(page, drawn.SIDE / 2, drawn.SIDE / 2))
    page.key('n')
    page.wait('MTP.current().name === "right"')
    assert counts(page)['hit'] == 1 and counts(page)['wrong_class'] == 0


def test_the_keyboard_steps_through_mistakes_and_images(pages, browser):
    opened(browser, at(pages, 'boxes', '#c=0&i=a'))
    browser.wait('document.querySelector("#step").textContent === "0 / 5"')
    browser.key('j')
    browser.wait('document.querySelector("#step").textContent === "1 / 5"')
    assert 'ship · true · missed' in texts(browser, '#note')[0]
    browser.wait('Math.abs(MTP.viewer.viewport.getCenter(true).x * 700 - 300) < 3')  # where the missed ship lies
    browser.key('j')
    browser.wait('document.querySelector("#note").textContent.includes("badly placed")')
    browser.key('k')
    browser.wait('document.querySelector("#step").textContent === "1 / 5"')
    browser.key('m')
    browser.wait('document.querySelector("#only-mistakes").checked')
    browser.key('0')
    browser.wait('MTP.drawn === 5')
    browser.key('n')
    browser.wait('document.querySelector("#place").textContent.includes("2 / 2  b")')
    browser.key('j')
    browser.wait('document.querySelector("#note").textContent.startsWith("No truth is known")')


def test_wheel_and_keys_zoom(pages, browser):
    opened(browser, at(pages, 'boxes', '#c=0&i=a'))
    zoom = browser.run('MTP.viewer.viewport.getZoom()')
    browser.mouse('mouseWheel', 400, 400, deltaX=0, deltaY=-240)
    browser.wait(f'MTP.viewer.viewport.getZoom() > {zoom} * 1.1')
    zoom = browser.run('MTP.viewer.viewport.getZoom()')
    browser.key('-')
    browser.wait(f'MTP.viewer.viewport.getZoom() < {zoom}')


def test_a_link_reproduces_the_view(pages, browser):
    opened(browser, at(pages, 'boxes', '#c=0&i=b'))
    browser.run('(MTP.goTo([500, 100, 200]), MTP.view.only = false, MTP.view.filter.off = {0: true}, MTP.filtered())')
    browser.wait('location.hash.includes("at=500_100_200") && location.hash.includes("off=0")')
    link = browser.run('location.href')
    opened(browser, at(pages, 'masks'))
    opened(browser, link)
    browser.wait('Math.abs(MTP.viewer.viewport.getCenter(true).x * 700 - 500) < 1')
    assert browser.run('[MTP.current().name, MTP.view.filter.off[0]]') == ['b', True]
    assert abs(browser.run('MTP.viewer.viewport.getBounds().width') * 700 - 200) < 1


@pytest.mark.parametrize('view', ['#c=9&i=zz', '#c=0&i=zz&t=abc&off=x.99&k=nothing&at=1_2&l=fr&by=x', '#i=%E0%A4%A'])
def test_a_broken_link_opens_what_there_is(pages, browser, view):
    opened(browser, at(pages, 'boxes', view))
    assert browser.run('MTP.current().name') == 'a' and browser.said == []


def test_masks_are_coloured_by_verdict_and_by_class(pages, browser):
    opened(browser, at(pages, 'masks'))
    browser.wait('MTP.drawn > 0')
    missed, false = pixel(browser, 225, 150), pixel(browser, 410, 410)
    assert missed[0] > missed[2] + 30 and false[0] > false[2] + 30
    plain = pixel(browser, 500, 200)
    assert np.abs(plain - [60, 160, 60]).max() < 12
    found = counts(browser)
    kinds = ('found', 'truth', 'hit', 'missed', 'background')
    assert [found[kind] for kind in kinds] == [45400, 90000, 45000, 45000, 400]
    browser.key('j')
    browser.wait('Math.abs(MTP.viewer.viewport.getCenter(true).x * 600 - 225) < 3')
    browser.run('document.querySelectorAll("#counts input")[0].click()')  # missed ones off
    browser.wait('document.querySelector("#step").textContent === "0 / 1"')
    assert browser.said == []


def test_the_later_image_of_a_pair(pages, browser):
    opened(browser, at(pages, 'masks', '#c=0&i=pair&s='))
    assert np.abs(pixel(browser, 500, 200) - [60, 160, 60]).max() < 12
    browser.key('b')
    browser.wait('document.querySelector("#date").getAttribute("aria-pressed") === "true"')
    browser.wait('MTP.viewer.world.getItemAt(1).getFullyLoaded()')
    for _ in range(50):  # until it is drawn
        shown = pixel(browser, 500, 200)
        if np.abs(shown - 77).max() < 5:
            break
    assert np.abs(shown - 77).max() < 5
    browser.wait('location.hash.includes("s=b")')


def test_names_of_strangers_are_text(pages, browser):
    opened(browser, at(pages, 'hostile'))
    browser.wait('MTP.drawn === 1')
    assert texts(browser, '#image-back') == ['◀ Image'] and texts(browser, '#images-title') == ['Images']
    assert HOSTILE in texts(browser, '#classes .name') and "x' <b>& #%20?" in texts(browser, '#place')[0]
    assert not browser.run('window.hacked') and not browser.run('document.querySelector("#panel img, #panel b")')
    link = browser.run('MTP.toHash()')
    opened(browser, at(pages, 'hostile', link))
    assert browser.run('MTP.current().name') == "x' <b>& #%20?" and browser.said == []


def test_a_missing_file_is_said(pages, browser):
    opened(browser, at(pages, 'boxes', '#c=0&i=a'))
    key = browser.run('MTP.collection().images[1].key')
    os.rename(str(pages / 'boxes/data' / key) + '.js', str(pages / 'boxes/data' / key) + '.away')
    try:
        browser.key('n')
        browser.wait(f'document.querySelector("#note").textContent.includes("Cannot load data/{key}.js")')
    finally:
        os.rename(str(pages / 'boxes/data' / key) + '.away', str(pages / 'boxes/data' / key) + '.js')


def test_korean_dark_and_on_a_phone(pages, tmp_path):
    with chromium.Browser(tmp_path, width=390, height=800, phone=True, dark=True) as browser:
        opened(browser, at(pages, 'boxes', '#c=0&i=a&l=ko'))
        assert '놓침' in ' '.join(texts(browser, '#counts th')) and texts(browser, '#language') == ['English']
        assert browser.run('getComputedStyle(document.body).backgroundColor') == 'rgb(13, 17, 23)'
        assert browser.run('document.documentElement.scrollWidth') == 390
        assert browser.run('document.querySelector("#viewer").clientHeight') > 500
        assert browser.run('getComputedStyle(document.querySelector("#panel")).visibility') == 'hidden'
        browser.click('#drawer')
        browser.wait('getComputedStyle(document.querySelector("#panel")).visibility === "visible"')
        assert browser.run('document.querySelector("#drawer").getAttribute("aria-expanded")') == 'true'
        browser.click('#language')
        browser.wait('document.documentElement.lang === "en"')
