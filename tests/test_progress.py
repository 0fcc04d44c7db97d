import io

from mtp.progress import Progress, clock, track


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_clock_switches_to_hours():
    assert clock(59.9) == '0:59'
    assert clock(3600 + 62) == '1:01:02'


def test_track_yields_everything_and_ends_with_the_count():
    stream = io.StringIO()
    assert list(track([1, 2, 3], 'cutting', stream=stream)) == [1, 2, 3]
    assert stream.getvalue().startswith('cutting: 3/3, elapsed ')
    assert '\r' not in stream.getvalue()


def test_a_terminal_gets_one_live_line():
    stream = Terminal()
    progress = Progress('merging', total=2, stream=stream)
    progress.interval = 0
    progress.update(note='P0001')
    progress.close()
    assert stream.getvalue().count('\n') == 1
    assert 'merging: 1/2' in stream.getvalue() and 'P0001' in stream.getvalue()


def test_continued_work_counts_only_fresh_units_in_the_estimate():
    progress = Progress('testing', total=10, done=8, stream=io.StringIO())
    progress.done += 1
    line = progress._line(progress._start + 5, '')
    assert 'testing: 9/10' in line and 'left about 0:05' in line
