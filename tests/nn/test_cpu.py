"""When the hidden fast path of MKL is asked for."""
import pytest

from mtp.nn.cpu import wake_mkl

OLD = 'Intel(R) Math Kernel Library Version 2020.0.0 Product Build 20191122'
NEW = 'Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build 20240605'


@pytest.mark.parametrize('library, processor, before, expected', [
    (OLD, 'vendor_id : AuthenticAMD\nflags : sse avx2 fma', {}, {'MKL_DEBUG_CPU_TYPE': '5'}),
    (OLD, 'vendor_id : GenuineIntel\nflags : sse avx2 fma', {}, {}),
    (OLD, 'vendor_id : AuthenticAMD\nflags : sse', {}, {}),
    (OLD, 'vendor_id : AuthenticAMD\nflags : avx2', {'MKL_DEBUG_CPU_TYPE': '4'}, {'MKL_DEBUG_CPU_TYPE': '4'}),
    (NEW, 'vendor_id : AuthenticAMD\nflags : avx2', {}, {}),
    ('no MKL', 'vendor_id : AuthenticAMD\nflags : avx2', {}, {})])
def test_only_an_old_mkl_on_amd(tmp_path, library, processor, before, expected):
    (tmp_path / 'cpuinfo').write_text(processor)
    environ = dict(before)
    assert wake_mkl(str(tmp_path / 'cpuinfo'), library, environ) == (environ != before)
    assert environ == expected


def test_no_description_of_the_processor(tmp_path):
    assert not wake_mkl(str(tmp_path / 'nothing'), OLD, {})
