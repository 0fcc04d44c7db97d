from mtp import paths


def test_short_prefixes_follow_the_variables(monkeypatch):
    monkeypatch.setenv('MTP_DATA_ROOT', '/data')
    monkeypatch.delenv('MTP_WEIGHTS_ROOT', raising=False)
    assert paths.resolve('data/dotav1/') == '/data/dotav1/'
    assert paths.resolve('weights/a.pth') == 'weights/a.pth'
    assert paths.resolve('/abs/data/x') == '/abs/data/x'


def test_words_that_only_look_like_a_prefix_are_kept(monkeypatch):
    monkeypatch.setenv('MTP_DATA_ROOT', '/data')
    assert paths.resolve('data') == 'data'
    assert paths.resolve('database/x') == 'database/x'


def test_trees_keep_their_types(monkeypatch):
    monkeypatch.setenv('MTP_WORK_ROOT', '/work')
    tree = {'a': ('work_dirs/x', 3), 'b': [None, 'work_dirs/y']}
    assert paths.resolve_tree(tree) == {'a': ('/work/x', 3), 'b': [None, '/work/y']}
