"""TRACK: what a plan says of it, what enters a container, and that no secret is printed."""
import pytest

from mtp.errors import MTPError
from mtp.launch import plan, settings, verbs
from tests.launch.fakes import ask, checkout, machine

SECRET = 'not-for-any-plan'
KEYS = ('WANDB_API_KEY', 'MLFLOW_TRACKING_TOKEN', 'MLFLOW_TRACKING_PASSWORD', 'MLFLOW_TRACKING_USERNAME')


def printed(root, **words):
    asked = ask(**dict(dict(CONFIG='oriented_rcnn_rvsa_l_1024_mae_mtp_dota10', RUNTIME='docker'), **words))
    return plan.render(verbs.plan('finetune', asked, machine(checkout(root))))


def test_a_tracker_is_a_word_of_the_training(tmp_path):
    assert '--track' not in printed(tmp_path)
    assert '--track=wandb' in printed(tmp_path, TRACK='WandB')
    with pytest.raises(MTPError, match="TRACK is 'wanb'; it can be wandb, mlflow"):
        printed(tmp_path, TRACK='wanb')


@pytest.mark.parametrize('words', [
    dict(RUNTIME='docker'), dict(RUNTIME='apptainer'), dict(RUNTIME='native'), dict(LAUNCHER='slurm'),
    dict(SUBMIT='1', RUNTIME='apptainer')], ids=str)
def test_keys_enter_by_name_alone(tmp_path, words):
    keys = dict.fromkeys(KEYS, SECRET)
    text = printed(tmp_path, TRACK='wandb', **keys, **words)
    assert SECRET not in text
    if 'docker run' in text:
        assert all(f'--env {name}' in text and name + '=' not in text for name in keys)


def test_every_name_of_a_tracker_is_an_exact_one():
    patterns = [name for name in settings.passed_patterns() if name.startswith(('WANDB', 'MLFLOW'))]
    assert set(KEYS) < set(patterns) and 'WANDB_MODE' in patterns and 'MLFLOW_TRACKING_URI' in patterns
    assert not [name for name in patterns if '*' in name]
    assert not settings.passes('WANDB_DIR') and not settings.passes('AWS_SECRET_ACCESS_KEY')


@pytest.mark.parametrize('words, network', [
    (dict(), 'none'), (dict(TRACK='wandb'), 'none'), (dict(TRACK='wandb', WANDB_MODE='offline'), 'none'),
    (dict(WANDB_MODE='online'), 'none'), (dict(TRACK='wandb', WANDB_MODE='online'), 'host'),
    (dict(TRACK='mlflow'), 'none'), (dict(TRACK='mlflow', MLFLOW_TRACKING_URI='file:///work/mlruns'), 'none'),
    (dict(TRACK='mlflow', MLFLOW_TRACKING_URI='https://tracker.example'), 'host')], ids=str)
def test_a_container_alone_has_a_network_only_to_send_at_once(tmp_path, words, network):
    text = printed(tmp_path, **words)
    assert f'--network {network}' in text and text.count('--network') == 1
    assert ('--hostname' in text) == (network == 'none')
