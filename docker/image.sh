#!/bin/sh
# Steps of the Dockerfile that do not fit one line. Usage: image.sh STEP [ARGUMENT...]
set -eu

# Every file that a step leaves gets this time: the same inputs build the same tree, whenever they do.
EPOCH=${SOURCE_DATE_EPOCH:-315532800}
settle() { find "$@" -exec touch -h -d "@$EPOCH" {} +; }

# pip with what the site told the build: an index of its own, the certificate of a proxy. Both stay outside the image.
# Where wheels lie beside the recipe (docker/wheels), nothing else is asked.
site_pip() {
  [ -n "${PIP_INDEX_URL:-}" ] || unset PIP_INDEX_URL
  if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca GIT_SSL_CAINFO=/run/secrets/ca; fi
  if ls /wheels/*.whl >/dev/null 2>&1; then export PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels; INDEX=; fi
  export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_COMPILE=1
  "$@"
}

# System packages of the build stage: a compiler (a devel image has one) and the libraries that OpenCV loads. An image of
# an earlier build (make bundle keeps one) has them all: then no network is needed.
step_system() {
  if [ -e /etc/mtp-build ]; then return 0; fi
  apt-get update -qq
  set -- ca-certificates libglib2.0-0 libx11-6
  command -v c++ >/dev/null || set -- "$@" g++
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  # OpenCV wants libGL to be there and never draws with it. Installed properly it brings drivers and LLVM: 200 MB.
  mkdir /tmp/gl
  (cd /tmp/gl && apt-get download -qq libgl1 libglx0 libglvnd0 &&
    for package in *.deb; do dpkg-deb -x "$package" /; done)
  rm -r /tmp/gl
  ldconfig
  touch /etc/mtp-build
}

# Shared libraries that the files below FROM... need, from outside Python, into TO. The C library stays the base's.
step_collect() {
  to=$1
  shift
  mkdir -p "$to"
  find "$@" -type f \( -name '*.so' -o -name '*.so.*' -o -name 'python3.8' \) -exec ldd {} + 2>/dev/null |
    awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -v -e '^/opt/venv/' -e '^/usr/local/lib/python3' -e '^/usr/local/cuda' |
    grep -v -E '/(ld-linux|lib(c|m|pthread|dl|rt|util|resolv|nsl|anl|mvec|nss_[a-z]+)\.so|lib(c|m)-)' |
    while read -r library; do cp -L "$library" "$to/"; done
  settle "$to"
}

# Put those libraries of FROM that this image lacks where its loader finds them. What the image has stays as it is.
step_place() {
  ldconfig
  for library in "$1"/*; do
    [ -e "$library" ] || continue
    ldconfig -p | grep -q -F "	${library##*/} " || cp -p "$library" /usr/local/lib/
  done
  ldconfig
  rm -f /var/cache/ldconfig/aux-cache  # holds times and numbers of files
  # Each of these fails to import where a library of Python's own distribution is missing.
  PYTHONDONTWRITEBYTECODE=1 /usr/local/bin/python3.8 -c \
    'import bz2, ctypes, lzma, sqlite3, ssl, uuid, zlib; ssl.create_default_context()'
  settle /usr/local/bin /usr/local/lib /etc/ld.so.cache
}

# Compile every module below DIR once and for all: a read-only image cannot keep what is compiled later. The bytes depend
# on neither times nor the order of hashes.
step_compile() {
  python=$1
  shift
  PYTHONHASHSEED=0 "$python" -m compileall -q -f --invalidation-mode unchecked-hash "$@" >/dev/null ||
    echo 'note: some modules do not compile; they are for another Python' >&2
}

# The virtual environment from its lock: wheels alone, each with its hash. What pip installed is kept for the bill.
step_install() {
  lock=$1
  if unresolved=$(grep '^# unresolved:' "$lock"); then
    echo "error: $lock cannot be installed: ${unresolved#\# }" >&2
    echo '  next: python3 -m mtp.launch.ledger --unresolved, put the hash into docker/environments.json, make lock' >&2
    exit 2
  fi
  mkdir -p /reports
  /usr/local/bin/python3.8 -m venv /opt/venv
  site_pip /opt/venv/bin/python -m pip install -q --no-deps --require-hashes --report /reports/1-pip.json \
    -r "${lock%/*}/pip.txt"
  site_pip /opt/venv/bin/python -m pip install -q --no-deps --require-hashes --only-binary :all: \
    --report /reports/2-packages.json ${INDEX:+--extra-index-url "$INDEX"} -r "$lock"
}

# The compiled package: a finished wheel of the same kind where one is at hand, else compiled now.
step_ops() {
  site_pip /opt/venv/bin/python docker/build_ops.py --env "$1" --variant "$2" --python /opt/venv/bin/python \
    --out /tmp/ops --cache /cache/wheels --wheelhouse docker/wheelhouse
  PIP_NO_COMPILE=1 /opt/venv/bin/python -m pip install -q --no-deps --no-index --report /reports/3-ops.json /tmp/ops/*.whl
  rm -r /tmp/ops
}

# What comes from Git; a host that does not answer costs the feature, not the image.
step_git() {
  [ -n "${GIT_SOURCES:-}" ] || return 0
  if ls /wheels/*.whl >/dev/null 2>&1; then
    echo "note: built from wheels alone, so $GIT_SOURCES is left out, the image is complete but for it" >&2
    return 0
  fi
  apt-get install -y -qq --no-install-recommends git >/dev/null
  for source in $GIT_SOURCES; do
    site_pip timeout 300 /opt/venv/bin/python -m pip install --no-deps --no-build-isolation "$source" \
      >/tmp/git.log 2>&1 ||
      echo "note: $source is left out, the image is complete but for it: $(grep -m1 fatal: /tmp/git.log)" >&2
  done
}

# Take out what running needs none of: tests, headers, static libraries, the installer's traces. Then settle the rest.
step_trim() {
  packages=/opt/venv/lib/python3.8/site-packages
  find "$packages" -type d -name tests -prune -exec rm -rf {} +
  find "$packages" -name '*.a' -delete
  rm -rf "$packages"/torch/include "$packages"/torch/share "$packages"/torch/test /opt/venv/include /opt/venv/share
  find /opt/venv -name __pycache__ -prune -exec rm -rf {} +
  step_compile /opt/venv/bin/python "$packages"
  settle /opt/venv
}

# Our own code: the same times and rights wherever it was checked out.
step_code() {
  chmod -R u=rwX,go=rX "$1"
  settle "$1"
}

# Python itself, without what running needs none of.
step_python() {
  rm -rf /usr/local/lib/python3.8/test /usr/local/lib/python3.8/idlelib
  find /usr/local/lib/python3.8 -name __pycache__ -prune -exec rm -rf {} +
  step_compile /usr/local/bin/python3.8 /usr/local/lib/python3.8
  settle /usr/local
}

# The bill of materials, from this image and what pip reported, and the folders that a run is bound to.
step_finish() {
  mkdir -p /data /weights /work /opt/sbom
  python docker/sbom.py --env "$1" --variant "$2" --reports /tmp/reports --locks /tmp/locks \
    --out /opt/sbom/sbom.cdx.json
  python docker/selfcheck.py --env "$1" --variant "$2"
  settle /data /weights /work /opt/sbom /opt/bin
}

step=$1
shift
"step_$step" "$@"
