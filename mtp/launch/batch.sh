#!/usr/bin/env bash
# Runs a batch job on its first node, outside of any image: starts the command, passes on the warning before the time
# limit, and when the work is not done asks SLURM to run the same job once more. It has scontrol; an image does not.
#
#   batch.sh [--name NAME] --kept FOLDER [--again WORD] srun ...
#
# --name NAME: what this job, or this task of an array, does; its log begins with it.
# --kept FOLDER: where the work leaves what it goes on from; '' where it goes on from whatever is there.
# --again WORD: added to a command that finds some of it.
set -uo pipefail

RESTARTS=${MTP_RESTARTS:-100}  # a fault that always comes back must end some day
START_SECONDS=${MTP_START_SECONDS:-300}  # so long a run may take before it can keep anything
REMIND_SECONDS=15
PROBE_SECONDS=45

say() { printf '[mtp] %s %s\n' "$(date '+%F %T')" "$*"; }

# Checkpoints and shards in the folder of the run, or those newer than a file.
kept() {
  [ -z "$folder" ] || find "$folder" -type f \( -name '*.pth' -o -name '*.shard' \) "$@" -print -quit 2>/dev/null | grep . >/dev/null
}

# Whether a run that has kept nothing this time was stopped while it was starting. One that has never kept anything gets
# three starts: its time limit may be too short for any.
starting() { [ "$at" -lt "$START_SECONDS" ] && { [ "${SLURM_RESTART_COUNT:-0}" -lt 3 ] || kept; }; }

# Tells the command that its time is short, and again while it works: srun passes nothing on before its tasks are up.
tell() {
  (while kill -USR1 "$child" 2>/dev/null; do sleep "$REMIND_SECONDS"; done) &
  reminder=$!
}

# What SIGUSR1 means, also when it comes before the command is started.
warned() {
  [ "$told" = end ] || told=limit
  heard=$((heard + 1)) at=$SECONDS
  [ -z "$child" ] || [ -n "$reminder" ] || tell
}

# Whether all nodes still start a task: a node that is gone takes SLURM minutes to notice, and until then the death of
# its tasks looks like a fault of ours.
nodes_answer() {
  (timeout --kill-after=5 "$PROBE_SECONDS" srun --overlap --nodes="$SLURM_JOB_NUM_NODES" \
    --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --mem=0 --gres=none true) >/dev/null 2>&1
}

# Only a job that SLURM still calls running is ours to send back: one that is cancelled or preempted is being ended.
again() {
  local -r why=$1
  if [ "${SLURM_RESTART_COUNT:-0}" -ge "$RESTARTS" ]; then
    say "stopped: $why, and it was started $((RESTARTS + 1)) times (MTP_RESTARTS=$RESTARTS)"
    exit 1
  fi
  if ! scontrol show job "$SLURM_JOB_ID" | grep 'JobState=RUNNING' >/dev/null; then
    say "stopped: $why; SLURM is ending this job"
    exit "$code"
  fi
  say "requeued: $why"
  scontrol requeue "$SLURM_JOB_ID" || exit "$code"
  sleep 600  # SLURM ends this script; its own end must not be taken for the end of the job
  exit "$code"
}

name='' told='' heard=0 child='' reminder='' at=0 resume=''
trap warned USR1
trap 'told=end heard=$((heard + 1))' TERM
while :; do
  case "$1" in
    --kept) folder=$2 ;;
    --again) resume=$2 ;;
    --name) name=$2 ;;
    *) break ;;
  esac
  shift 2
done

# With this the processes of the job sign their meeting (mtp/distributed/handshake.py); nobody else can read it.
export MTP_JOB_TOKEN=${MTP_JOB_TOKEN:-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')}

say "job $SLURM_JOB_ID on $SLURM_JOB_NODELIST, start $((${SLURM_RESTART_COUNT:-0} + 1))${name:+: $name}"
began=$(mktemp)
trap 'rm -f "$began"' EXIT
if [ -n "$resume" ] && [ "${SLURM_RESTART_COUNT:-0}" != 0 ] && kept; then set -- "$@" "$resume"; fi

"$@" &
child=$!
[ "$told" != limit ] || [ -n "$reminder" ] || tell
code=127
while :; do
  before=$heard
  wait "$child"
  last=$?
  [ "$last" = 127 ] || code=$last
  [ "$heard" != "$before" ] || break  # a signal cuts wait short
done
[ -z "$reminder" ] || kill "$reminder" 2>/dev/null

if [ "$code" = 0 ]; then
  say complete
elif [ "$told" = end ]; then
  say "stopped: SLURM ends this job (cancelled, preempted or requeued)"  # the line before, of SLURM's own, says which
elif [ "$code" = 75 ] && kept -newer "$began"; then
  again 'it was asked to stop and has saved'
elif [ "$told" = limit ] && kept -newer "$began"; then
  again 'the time limit is near, and it goes on from what it has kept'
elif [ "$told" = limit ] && starting; then
  again 'it was asked to stop while it was starting'
elif [ "$told" = limit ]; then
  say 'failed: nothing was kept between start and time limit, so a repeat would not come further; give it more' \
    '(TIME_LIMIT)'
elif [ "$code" = 75 ]; then
  again 'it was asked to stop'
elif [ "$SLURM_JOB_NUM_NODES" -gt 1 ] && ! nodes_answer; then
  again 'a node does not answer'
else
  say "failed with exit code $code"
fi
exit "$code"
