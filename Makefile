# The front door. A setting goes behind the verb (make demo RUNTIME=docker) or into the environment; DRYRUN=1 prints
# what would run, ready to paste. All settings: docs/settings.md.
RUNTIME          ?= auto
LAUNCHER         ?= local
NODES            ?= 1
GPUS             ?= 1
ACCEL            ?= auto
GRES             ?=
PARTITION        ?=
ENV              ?=
VARIANT          ?=
CONFIG           ?=
CHECKPOINT       ?=
ARGS             ?=
MTP_DATA_ROOT    ?= data
MTP_WEIGHTS_ROOT ?= weights
MTP_WORK_ROOT    ?= work_dirs
PYTHON           ?= python3
export RUNTIME LAUNCHER NODES GPUS ACCEL ENV VARIANT GRES PARTITION CONFIG CHECKPOINT ARGS
export MTP_DATA_ROOT MTP_WEIGHTS_ROOT MTP_WORK_ROOT

VERBS := help weights setup images sif bundle verify-bundle replay lock doctor demo check bench samples \
	pretrain finetune test predict browse reproduce status \
	logs cluster-up cluster-down
# What was typed reaches the launcher as it was typed: mtp/launch/makeflags.py.
LAUNCH = @MTP_BY_MAKE=1 $(PYTHON) -m mtp.launch '$@'
# A bundle holds what its checksums list and nothing else: Python leaves no compiled files in it, and nothing of it runs
# before it has been looked at.
ifneq ($(wildcard bundle.json),)
export PYTHONDONTWRITEBYTECODE := 1
WHOLE = @$(PYTHON) -I mtp/launch/sums.py .
LAUNCH = @$(PYTHON) -I mtp/launch/sums.py . '$@' && MTP_BY_MAKE=1 $(PYTHON) -m mtp.launch '$@'
endif

.DEFAULT_GOAL := help
.PHONY: $(VERBS) FORCE

help:
	$(LAUNCH)

setup:  ## native: both virtual environments from the locks (ENV=one of them)
	$(LAUNCH)
images:  ## docker: build the images (ENV=, VARIANT=cpu|cu117|cu121)
	$(LAUNCH)
sif:  ## apptainer: build the images from the docker images (ENV=, VARIANT=)
	$(LAUNCH)
bundle:  ## one folder that builds and runs with no network (OUT=, ENV=, VARIANT=, PARTS=)
	$(LAUNCH)
verify-bundle:  ## is BUNDLE=folder whole and complete? (OFFLINE=1: set up from it with the network off)
	$(WHOLE)
	$(LAUNCH)
lock:  ## resolve the locks anew from docker/environments.json
	$(LAUNCH)
doctor:  ## judge this machine for the chosen runtime, with the next command (JSON=1)
	$(LAUNCH)
weights:  ## published weights: here or missing, for which runs (CONFIG=, GET=name, IMPORT=file|folder)
	$(LAUNCH)
demo:  ## the whole job on a small input: work_dirs/demo/index.html (DATA=folder of real samples)
	$(LAUNCH)
check:  ## the tests, in both native environments (ENV=, ARGS=pytest words)
	$(LAUNCH)
bench:  ## every benchmark below ci/bench, and the table of their results
	$(LAUNCH)
samples:  ## tiny sample sets of the data formats (OUT=work_dirs/samples)
	$(LAUNCH)
pretrain:  ## multi-task pretraining as published (BACKBONE=, TASKS=, DATASETS=, ARGS=)
	$(LAUNCH)
finetune:  ## train CONFIG=configs/mtp/<dataset>/<name>.py, or on your own data: DATA=folder TASK=
	$(LAUNCH)
test:  ## test CONFIG= with CHECKPOINT= (default: its newest)
	$(LAUNCH)
predict:  ## objects, maps, changes or scenes: IMAGES= or BEFORE= AFTER=, CONFIG= CHECKPOINT= (OUT=)
	$(LAUNCH)
browse:  ## a page of RUN=folder to pan, zoom and filter: what a test or prediction found (OUT=)
	$(LAUNCH)
replay:  ## the run of PASSPORT=file once more, and what differs (RUNTIME=, TOLERANCE=, OUT=)
	$(LAUNCH)
reproduce:  ## train CONFIG=, test it, judge it by the published number (DATA=samples: a rehearsal)
	$(LAUNCH)
status:  ## SLURM: the jobs of SUBMIT=1, waiting, running and gone
	$(LAUNCH)
logs:  ## SLURM: the end of the newest log (JOB=id or name, FOLLOW=1)
	$(LAUNCH)
cluster-up:  ## a small real SLURM cluster in containers, for development (docker)
	$(LAUNCH)
cluster-down:  ## take it away
	$(LAUNCH)
data-%: FORCE  ## turn the published files of a dataset into what training reads
	$(LAUNCH)
fetch-%: FORCE  ## get the archives of a dataset, unpack and prepare them (ACCEPT_LICENCE=1, ARCHIVES=, OUT=)
	$(LAUNCH)
finetune-%: FORCE  ## train the paper's main config of a dataset
	$(LAUNCH)
test-%: FORCE  ## test the paper's main config of a dataset
	$(LAUNCH)
FORCE:
# Files and folders of these names (tests, docs, weights) are no verbs, and nothing is up to date.
STRANGERS := $(filter-out $(VERBS) data-% finetune-% test-%,$(wildcard $(MAKECMDGOALS)))
ifneq ($(STRANGERS),)
$(STRANGERS): FORCE
	$(LAUNCH)
endif
.DEFAULT:
	$(LAUNCH)
