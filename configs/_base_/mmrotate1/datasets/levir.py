# LEVIR-CD buildings in 256-pixel patches.
_base_ = ['./change_256.py', '../schedules/change_150e.py']
dataset = dict(type='LEVIR_CD_Dataset', data_root='data/levir_patch_dataset/')
train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = dict(dataset=dataset)
