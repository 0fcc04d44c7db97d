#!/usr/bin/env bash
# Runs on each node, once a task: does what the site asks for (MTP_SITE_SETUP), looks whether the image is there, and
# starts apptainer with the variables that may enter a container, and no others: --cleanenv drops them all, and their
# values (SLURM_PROCID ...) are known only here. Usage: task.sh [--image FILE] command ...
set -euo pipefail

fail() {
  # One voice for each node is enough.
  [ "${SLURM_LOCALID:-0}" != 0 ] || printf 'error: %s: %s\n  next: %s\n' "${SLURMD_NODENAME:-$HOSTNAME}" "$1" "$2" >&2
  exit 2
}

# The one hook for sites: a file with shell commands such as "module load apptainer".
if [ -n "${MTP_SITE_SETUP:-}" ]; then
  [ -r "$MTP_SITE_SETUP" ] ||
    fail "MTP_SITE_SETUP=$MTP_SITE_SETUP cannot be read" 'put it on a folder that all nodes see'
  set +eu
  . "$([ "${MTP_SITE_SETUP#*/}" != "$MTP_SITE_SETUP" ] || echo ./)$MTP_SITE_SETUP"  # never from PATH
  set -eu
fi

# Size, inode, and to the nanosecond the times of content and of inode: whoever changes a file can set the first time
# back, but not the second.
state_of() { stat -L -c '%s-%i-%.9Y-%.9Z' "$1"; }

# Prints the SHA-256 that was noted for a file of this state, beside it or in the work folder.
noted() {
  local -r state=$1 beside=$2 kept=$3
  local digest seen
  for note in "$beside" "$kept"; do
    if [ -f "$note" ] && read -r digest seen <"$note" && [ "$seen" = "$state" ] && [ ${#digest} = 64 ]; then
      printf '%s' "$digest"
      return 0
    fi
  done
  return 1
}

# Writes a note whole or not at all.
note_in() {
  local -r note=$1 text=$2 new=$1.$HOSTNAME.$$
  { mkdir -p "${note%/*}" && printf '%s\n' "$text" >"$new" && mv -T "$new" "$note"; } 2>/dev/null && return
  rm -f "$new" 2>/dev/null || true
  return 1
}

# SHA-256 of a file, computed once for all tasks and runs: an image has more than a gigabyte, and may lie on a share
# that cannot be written. The first task of a node computes it, the others wait for it.
digest_of() {
  local -r file=$1 state=$(state_of "$1")
  local -r beside=$file.digest kept=${MTP_WORK_ROOT:-work_dirs}/.images/${file##*/}-$state
  local digest
  noted "$state" "$beside" "$kept" && return
  {
    # A file system without locks answers at once: then each task computes for itself, and the result is the same.
    if mkdir -p "${kept%/*}" && exec 9>>"$kept.lock"; then flock -w 600 9; fi
  } 2>/dev/null || true
  noted "$state" "$beside" "$kept" && return
  digest=$(sha256sum <"$file")
  digest=${digest%% *}
  # Not noted: what was changed meanwhile, or so lately that a further change may have the same time.
  if [ "$(state_of "$file")" = "$state" ] && [ $(($(date +%s) - $(stat -L -c %Z "$file"))) -ge 2 ]; then
    note_in "$beside" "$digest $state" || note_in "$kept" "$digest $state" || true
  fi
  rm -f "$kept.lock" 2>/dev/null || true
  printf '%s' "$digest"
}

if [ "$1" = --image ]; then
  image=$2
  shift 2
  [ -e "$image" ] || fail "there is no image $image in $PWD" 'copy it there, or SIF=file on a folder that all nodes see'
  command -v "$1" >/dev/null ||
    fail "$1 is not installed" 'MTP_SITE_SETUP=file with what your site needs, e.g. module load apptainer'
  [ ! -f "$image" ] || MTP_IMAGE=${image##*/}@sha256:$(digest_of "$image")
  export MTP_IMAGE=${MTP_IMAGE:-${image##*/}}
fi

# InfiniBand, where this node has it: its devices go into the container, and its cards lock the memory they write to.
infiniband=${MTP_INFINIBAND:-/dev/infiniband}
if [ -d "$infiniband" ]; then
  ulimit -l "$(ulimit -H -l)" 2>/dev/null || true
  case "$1" in
    docker) set -- "$1" "$2" --device "$infiniband" --ulimit memlock=-1:-1 "${@:3}" ;;
    podman) set -- "$1" "$2" --device "$infiniband" --ulimit host "${@:3}" ;;  # no more than the shell has
    apptainer) export APPTAINER_BIND=${APPTAINER_BIND:+$APPTAINER_BIND,}$infiniband ;;
  esac
  if [ "$1" = apptainer ] && [ "$(ulimit -l)" != unlimited ] && [ "${SLURM_LOCALID:-0}" = 0 ]; then
    printf 'warning: %s: a task may lock %s kB of memory (ulimit -l), so InfiniBand may not be usable; ask your admin\n' \
      "${SLURMD_NODENAME:-$HOSTNAME}" "$(ulimit -l)" >&2
  fi
fi

# A NodeName need not be a name that the network knows, and no image can ask SLURM for the address behind it.
if [ -z "${MASTER_ADDR:-}" ] && [ -n "${SLURM_STEP_NODELIST:-}" ] && command -v scontrol >/dev/null; then
  # sed reads to the end: behind head, whoever still writes is ended by SIGPIPE, and with it the whole line has failed
  first=$(scontrol show hostnames "$SLURM_STEP_NODELIST" 2>/dev/null | sed -n 1p) || first=
  if [ -n "$first" ] && ! getent hosts "$first" >/dev/null; then
    found=$(scontrol --oneliner show node "$first" 2>/dev/null | tr ' ' '\n' | sed -n 's/^NodeAddr=//p') || found=
    [ -z "$found" ] || export MASTER_ADDR=$found
  fi
fi

# See fuse/squashfuse_ll: it comes first only where it will find a real one.
for folder in /usr/local/bin /usr/bin /bin /usr/local/sbin /usr/sbin /sbin; do
  if [ -x "$folder/squashfuse_ll" ] || [ -x "$folder/squashfuse" ]; then
    PATH=$(cd "${BASH_SOURCE[0]%/*}/fuse" && pwd):$PATH
    break
  fi
done

while IFS= read -r name; do
  while IFS= read -r pattern; do
    case "$name" in
      MTP_*_ROOT | MTP_ENV | MTP_VARIANT) ;;  # the image itself says these
      $pattern) export "APPTAINERENV_$name=${!name}" ;;
    esac
  done < "${BASH_SOURCE[0]%/*}/passed_variables.txt"
done < <(compgen -e)

exec "$@"
