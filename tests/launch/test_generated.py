"""Files that repeat the ledger hold what it says, and nothing else is touched."""
from mtp.launch import generated, ledger


def test_every_generated_file_follows_the_ledger():
    assert generated.differing() == []


def test_only_what_stands_between_the_markers_is_rewritten():
    text = f'before\n{generated.TABLE_BEGIN}\nold\n{generated.TABLE_END}\nafter\n'
    new = generated.with_table(text, 'new')
    assert new == text.replace('old', 'new')
    assert generated.with_table(new, 'new') == new
    assert generated.with_table('no markers\n', 'new') == 'no markers\n'


def test_write_brings_a_folder_up_to_date_and_repeats_nothing(tmp_path):
    root = str(tmp_path)
    (tmp_path / 'README.md').write_text(f'{generated.TABLE_BEGIN}\nold\n{generated.TABLE_END}\n')
    wrong = generated.differing(root)
    assert 'README.md' in wrong and 'docker/locks/mmrotate1-cpu.in' in wrong
    assert generated.write(root) == wrong
    assert generated.differing(root) == [] == generated.write(root)
    assert generated.readme_table() in (tmp_path / 'README.md').read_text()


def test_lock_inputs_hold_every_pin():
    inputs = generated.lock_inputs()
    for name in ledger.names():
        for kind in ledger.variants(name):
            lines = inputs[f'docker/locks/{name}-{kind}.in'].splitlines()
            for package, version in ledger.shipped(name, kind).items():
                assert f'{package}=={version}' in lines
