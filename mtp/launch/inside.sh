#!/usr/bin/env bash
# The first program in a container of pyxis, which lets in every variable of the user: those that may enter stay, and what
# the image itself says. Usage: inside.sh NAME=VALUE ... command ...
set -euo pipefail

# What docker/Dockerfile sets; the image's value wins over one of the user.
image=(PATH HOME LANG PYTHONPATH PYTHONNOUSERSITE PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED XDG_CACHE_HOME MPLCONFIGDIR
  MPLBACKEND)
mapfile -t patterns <"${BASH_SOURCE[0]%/*}/passed_variables.txt"
kept=()
while IFS= read -r name; do
  case "$name" in MTP_*_ROOT) continue ;; esac  # said below for the folders inside; the rest are folders of the host
  for pattern in "${image[@]}" "${patterns[@]}"; do
    # shellcheck disable=SC2053  # a pattern, not a word
    if [[ $name == $pattern ]]; then
      kept+=("$name=${!name}")
      break
    fi
  done
done < <(compgen -e)
exec env -i "${kept[@]}" "$@"
