import pytest

from mtp.distributed.hostlist import expand
from mtp.errors import MTPError

TABLE = [
    ('node1', ['node1']),
    ('localhost', ['localhost']),
    ('n1,n2', ['n1', 'n2']),
    ('gpu[01-03,07]', ['gpu01', 'gpu02', 'gpu03', 'gpu07']),
    ('gpu[1-3]', ['gpu1', 'gpu2', 'gpu3']),
    ('gpu[8-11]', ['gpu8', 'gpu9', 'gpu10', 'gpu11']),
    ('gpu[098-101]', ['gpu098', 'gpu099', 'gpu100', 'gpu101']),
    ('gpu[3]', ['gpu3']),
    ('login,gpu[01-02]-ib0,big[5,9]', ['login', 'gpu01-ib0', 'gpu02-ib0', 'big5', 'big9']),
    ('r[1-2]n[08-09]', ['r1n08', 'r1n09', 'r2n08', 'r2n09']),
    ('cn-a100-[0001-0002].cluster.local', ['cn-a100-0001.cluster.local', 'cn-a100-0002.cluster.local']),
    ('nid[000012,000014-000015]', ['nid000012', 'nid000014', 'nid000015']),
    (' a1 ', ['a1']),
]


@pytest.mark.parametrize('text, hosts', TABLE, ids=[row[0] for row in TABLE])
def test_forms_that_slurm_writes(text, hosts):
    assert expand(text) == hosts


@pytest.mark.parametrize('text', ['', 'gpu[1-2', 'gpu1-2]', 'gpu[[1-2]]', 'gpu[3-1]', 'gpu[a-b]', 'gpu[]', 'a,,b',
                                  'gpu[1-2,]', 'gpu[1-99999999]'])
def test_a_list_that_cannot_be_read_is_named(text):
    with pytest.raises(MTPError) as caught:
        expand(text)
    assert repr(text) in str(caught.value)
