#!/usr/bin/env bash
# Starts one machine of the test cluster. Usage: start.sh controller|node. ci/cluster brings /etc/slurm and a munge key.
set -euo pipefail

chmod 666 /dev/fuse  # apptainer mounts images as the user
install -o munge -g munge -m 700 -d /run/munge /var/lib/munge /var/log/munge /etc/munge
chmod 755 /run/munge
install -o munge -g munge -m 400 /etc/slurm/munge.key /etc/munge/munge.key

# As systemd does at a site: a daemon that ends is started again. munged now and then dies as soon as it has begun, and
# slurmd gives up where none answers.
always() {
  while :; do
    "$@" || true
    echo "$1 has ended, and is started again" >&2
    sleep 0.5
  done
}
always setpriv --reuid munge --regid munge --clear-groups munged --foreground --syslog --force &
until munge -n >/dev/null 2>&1; do sleep 0.1; done

touch /run/card{0..3}  # SLURM wants a file for each card of gres.conf

case "$1" in
  controller) exec slurmctld -D -i ;;
  node) always slurmd -D -N "$(hostname)" ;;
esac
