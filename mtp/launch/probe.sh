#!/usr/bin/env bash
# What a compute node is, for make doctor: lines of name=value. Runs there for a second or two, outside of any image,
# behind task.sh, so that what the site's hook brings is there.
#
#   probe.sh WORK_FOLDER [IMAGE] [PYTHON]
set -uo pipefail

say() { printf '%s=%s\n' "$1" "$2"; }

work=$1 image=${2:-} python=${3:-}
say node "${SLURMD_NODENAME:-$HOSTNAME}"
say shm "$(df --block-size=1 --output=avail /dev/shm 2>/dev/null | tail -n 1 | tr -d ' ')"
say apptainer "$(command -v apptainer >/dev/null && apptainer --version 2>&1 | sed -n 1p)"
# A file that is there may still belong to a share that takes this node's users for strangers: only reading it tells.
[ -z "$image" ] || say image "$([ -r "$image" ] && head -c 64 "$image" >/dev/null 2>&1 && stat -L -c %s "$image" 2>/dev/null)"
[ -z "$python" ] || say python "$("$python" -c 'import platform; print(platform.python_version())' 2>&1 | tail -n 1)"
trial=$work/.doctor-$HOSTNAME-$$
if [ ! -d "$work" ]; then
  say work missing
elif (: >"$trial") 2>/dev/null; then
  rm -f "$trial"
  say work writable
else
  say work refused
fi
command -v nvidia-smi >/dev/null || exit 0
for fields in name,driver_version,compute_cap name,driver_version; do  # drivers before 510 lack the last
  cards=$(nvidia-smi --query-gpu=$fields --format=csv,noheader 2>/dev/null) && break
done
while IFS= read -r card; do
  [ -z "$card" ] || say card "$card"
done <<<"${cards:-}"
