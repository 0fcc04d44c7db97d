#!/usr/bin/env bash
# Starts apptainer with the variables that may enter a container, and no others: --cleanenv drops them all, and their
# values (SLURM_PROCID ...) are known only in the task itself. Usage: task.sh apptainer exec ... image command ...
set -euo pipefail

while IFS= read -r name; do
  while IFS= read -r pattern; do
    case "$name" in
      MTP_*_ROOT | MTP_ENV | MTP_VARIANT) ;;  # the image itself says these
      $pattern) export "APPTAINERENV_$name=${!name}" ;;
    esac
  done < "${BASH_SOURCE[0]%/*}/passed_variables.txt"
done < <(compgen -e)

exec "$@"
