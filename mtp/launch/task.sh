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

# SHA-256 of a file. It is kept beside the file and believed while size and time of the file stay as they were.
digest_of() {
  local -r file=$1 note=$1.digest
  local state digest kept
  state=$(stat -L -c '%s %Y' "$file")
  if [ -r "$note" ] && read -r digest kept <"$note" && [ "$kept" = "$state" ]; then
    printf '%s' "$digest"
    return
  fi
  digest=$(sha256sum "$file")
  digest=${digest%% *}
  { printf '%s %s\n' "$digest" "$state" >"$note.$$" && mv "$note.$$" "$note"; } 2>/dev/null ||
    rm -f "$note.$$" 2>/dev/null
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
