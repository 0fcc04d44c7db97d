"""A headless Chromium for tests, spoken to over two pipes (``--remote-debugging-pipe``): no port, no package."""
import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time

import pytest

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
_PATIENCE = 120  # seconds for one answer, on a machine that does much else


def program():
    """Path of a Chromium, or the test is skipped with the reason."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip('NOT TESTED: there is no Chromium here (apt-get install chromium), so no page was opened')
    return found


class Browser:
    """One page in a browser of its own; a context manager.

    Args:
        profile: folder for what the browser writes.
        width, height: of the window.
        phone: report touch and a screen that is a phone's.
        dark: prefer dark colours.
        language: of the user.
    """

    def __init__(self, profile, width=1280, height=800, phone=False, dark=False, language='en-US'):
        self.profile, self.size, self.phone, self.dark = str(profile), (width, height), phone, dark
        self.language = language
        self.said = []  # what the page has written to its console, and its errors

    def __enter__(self):
        read, give = os.pipe()
        take, write = os.pipe()
        words = [program(), '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
                 '--remote-debugging-pipe', '--user-data-dir=' + self.profile, '--lang=' + self.language,
                 '--window-size={},{}'.format(*self.size), '--no-first-run', '--disable-extensions',
                 '--force-color-profile=srgb', 'about:blank']
        line = f'exec "$@" 3<&{read} 4>&{write}'
        self._child = subprocess.Popen(['bash', '-c', line, 'sh'] + words, pass_fds=(read, write),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env=dict(os.environ, LANGUAGE=self.language.replace('-', '_')))
        os.close(read)
        os.close(write)
        self._give, self._take, self._buffer, self._numbers, self._page = give, take, b'', itertools.count(1), None
        pages = self._until(lambda: [each for each in self._ask('Target.getTargets')['targetInfos']
                                     if each['type'] == 'page'])
        self._page = self._ask('Target.attachToTarget', targetId=pages[0]['targetId'], flatten=True)['sessionId']
        for name in ('Page.enable', 'Runtime.enable', 'Log.enable', 'Network.enable'):
            self._ask(name)
        self._ask('Emulation.setDeviceMetricsOverride', width=self.size[0], height=self.size[1],
                  deviceScaleFactor=2 if self.phone else 1, mobile=self.phone)
        self._ask('Emulation.setEmulatedMedia', features=[
            dict(name='prefers-color-scheme', value='dark' if self.dark else 'light')])
        return self

    def __exit__(self, *_):
        self._child.terminate()
        self._child.wait()
        os.close(self._give)
        os.close(self._take)

    def open(self, address):
        """Go to an address, and wait until the page is there."""
        self._ask('Page.navigate', url='about:blank')  # an address with another # alone would not be loaded anew
        self._ask('Page.navigate', url=address)
        self._until(lambda: self.run('location.href !== "about:blank" && document.readyState === "complete"'))

    def run(self, code):
        """The value of an expression in the page; a promise is waited for."""
        found = self._ask('Runtime.evaluate', expression=code, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in found:
            raise AssertionError('{}\n{}'.format(code, json.dumps(found['exceptionDetails'])[:2000]))
        return found['result'].get('value')

    def wait(self, code):
        """Wait until an expression in the page holds; its value."""
        return self._until(lambda: self.run(code), code)

    def key(self, key):
        """Press a key."""
        text = {'text': key} if len(key) == 1 else {}
        self._ask('Input.dispatchKeyEvent', type='keyDown', key=key, **text)
        self._ask('Input.dispatchKeyEvent', type='keyUp', key=key)

    def mouse(self, kind, x, y, **more):
        """A mouse event at a point of the window: mouseMoved, mousePressed, mouseReleased, mouseWheel."""
        self._ask('Input.dispatchMouseEvent', type=kind, x=x, y=y, **more)

    def click(self, selector):
        """Click the middle of an element."""
        x, y = self.run('(() => {{ const box = document.querySelector({}).getBoundingClientRect(); return [box.x + '
                        'box.width / 2, box.y + box.height / 2]; }})()'.format(json.dumps(selector)))
        self.mouse('mousePressed', x, y, button='left', clickCount=1)
        self.mouse('mouseReleased', x, y, button='left', clickCount=1)

    def picture(self, path=None):
        """The window as PNG bytes; also written to ``path``."""
        data = base64.b64decode(self._ask('Page.captureScreenshot', format='png')['data'])
        if path:
            with open(str(path), 'wb') as stream:
                stream.write(data)
        return data

    def _until(self, ask, what=''):
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            found = ask()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f'{what} did not come; the page said {self.said[-5:]}')

    def _ask(self, method, **parameters):
        number = next(self._numbers)
        message = dict(id=number, method=method, params=parameters)
        if self._page:
            message['sessionId'] = self._page
        os.write(self._give, json.dumps(message).encode() + b'\0')
        while True:
            answer = self._read()
            if answer.get('id') == number:
                if 'error' in answer:
                    raise AssertionError('{}: {}'.format(method, answer['error']))
                return answer['result']
            self._note(answer)

    def _note(self, event):
        said = event.get('params', {})
        if event.get('method') == 'Runtime.exceptionThrown':
            self.said.append(said['exceptionDetails'].get('exception', {}).get('description') or str(said))
        elif event.get('method') == 'Log.entryAdded':
            self.said.append('{level}: {text} {url}'.format(**dict(dict(url=''), **said['entry'])))
        elif event.get('method') == 'Network.requestWillBeSent':
            address = said['request']['url']
            if not address.startswith(('file:', 'data:', 'blob:', 'about:')):
                self.said.append('asked the network: ' + address)

    def _read(self):
        while b'\0' not in self._buffer:
            if not select.select([self._take], [], [], _PATIENCE)[0]:
                raise AssertionError('the browser does not answer')
            data = os.read(self._take, 1 << 20)
            if not data:
                raise AssertionError('the browser has gone')
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b'\0')
        return json.loads(message.decode())
