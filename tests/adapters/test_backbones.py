import torch

from mtp.adapters.backbones import BY_SCOPE, ClassificationRVSA

SIZES = dict(img_size=32, embed_dim=8, depth=2, num_heads=2, interval=2, out_indices=[1], use_abs_pos_emb=True)


def test_pretrained_is_loaded_before_training_and_said(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    source = ClassificationRVSA(**SIZES)
    path = str(tmp_path / 'w.pth')
    torch.save({'state_dict': {'encoder.' + key: value + 1 for key, value in source.state_dict().items()}}, path)
    model = ClassificationRVSA(pretrained=path, **SIZES)
    model.init_weights()
    assert torch.equal(model.pos_embed, source.pos_embed + 1) and 'tensors loaded' in capsys.readouterr().out


def test_without_pretrained_nothing_is_loaded(capsys):
    for scope in BY_SCOPE.values():
        assert all(hasattr(cls, 'init_weights') for cls in scope.values())
    ClassificationRVSA(**SIZES).init_weights()
    assert not capsys.readouterr().out
