"""What the cluster has to show of trust: a run replayed from a passport made elsewhere, and signed images."""
import base64
import os

from front import DATA, need

from mtp.errors import MTPError


def replay(front):
    """The tiny pretraining that this machine ran natively, replayed under apptainer: equal, bit for bit."""
    import replay as native
    if not os.path.exists(native.kept()):
        raise MTPError('there is no passport of a native run at ' + native.kept(), hint='ci/replay native')
    with open(native.kept(), 'rb') as stream:
        packed = base64.b64encode(stream.read()).decode()
    front.say('bash', '-c', f'echo {packed} | base64 --decode >work_dirs/native.json')
    front.anew('replayed')
    output = front.made(
        'replay',
        dict(RUNTIME='apptainer', ACCEL='none', MTP_DATA_ROOT=DATA, PASSPORT='work_dirs/native.json',
             OUT='work_dirs/replayed'))
    need('weights    equal, bit for bit' in output and output.rstrip().endswith('confirmed'), 'a confirmed replay',
         output)
    need('native -> apptainer' in output, 'both runtimes named', output)


def signing(front):
    """A SIF signed with a throw-away key and verified; with one byte changed refused."""
    output = front.say('ci/signing')
    need('signed and verified' in output and 'one byte changed: refused' in output, 'what signing is for', output)
