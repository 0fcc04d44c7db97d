#!/usr/bin/env bash
# Starts one machine of the test cluster. Usage: start.sh controller|node. ci/cluster brings /etc/slurm and a munge key.
set -euo pipefail

chmod 666 /dev/fuse  # apptainer mounts images as the user
install -o munge -g munge -m 700 -d /run/munge /var/lib/munge /var/log/munge /etc/munge
chmod 755 /run/munge
install -o munge -g munge -m 400 /etc/slurm/munge.key /etc/munge/munge.key
setpriv --reuid munge --regid munge --clear-groups munged --syslog --force

touch /run/card{0..3}  # SLURM wants a file for each card of gres.conf

case "$1" in
  controller) exec slurmctld -D -i ;;
  node) exec slurmd -D -N "$(hostname)" ;;
esac
