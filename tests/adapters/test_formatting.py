import types

from mtp.adapters import formatting


def test_the_dropped_argument_is_left_out():
    new = types.SimpleNamespace(FormatCode=lambda text, style_config=None: (text + style_config, True))
    formatting.mend(new)
    assert new.FormatCode('a', style_config='b', verify=True) == ('ab', True)


def test_a_yapf_that_takes_it_is_left_alone():
    def old(text, verify=False):
        return verify

    module = types.SimpleNamespace(FormatCode=old)
    formatting.mend(module)
    assert module.FormatCode is old
