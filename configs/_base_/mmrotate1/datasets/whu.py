# WHU buildings in 256-pixel patches.
_base_ = ['./change_256.py', '../schedules/change_200e.py']
dataset = dict(type='WHU_CD_Dataset', data_root='data/whu_cd_patch_dataset/')
train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = dict(dataset=dataset)
