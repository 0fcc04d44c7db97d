#!/bin/sh
# Steps of the Dockerfile that do not fit one line. Usage: image.sh STEP [ARGUMENT...]
set -eu

# Every file that a step leaves gets this time: the same inputs build the same tree, whenever they do.
EPOCH=${SOURCE_DATE_EPOCH:-315532800}
settle() { find "$@" -exec touch -h -d "@$EPOCH" {} +; }
# The same for what has changed since MARK alone: touching a file of an earlier layer would store it once more. What the
# engine mounts is no part of the image.
settle_since() {
  find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp \) -prune -o -newer "$1" -print0 |
    xargs -0 -r touch -h -d "@$EPOCH"
}

# The Python of this image, as python3.8: the one below /usr/local.
python_name() {
  for path in /usr/local/bin/python3.*; do
    case ${path##*/python3.} in *[!0-9]*) ;; *) echo "${path##*/}"; return ;; esac
  done
  echo 'error: there is no python3.N in /usr/local/bin' >&2
  exit 2
}

# pip with what the site told the build: an index of its own, the certificate of a proxy. Both stay outside the image.
# Where wheels lie beside the recipe (docker/wheels), nothing else is asked.
site_pip() {
  [ -n "${PIP_INDEX_URL:-}" ] || unset PIP_INDEX_URL
  if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi
  if ls /wheels/*.whl >/dev/null 2>&1; then export PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels; INDEX=; fi
  export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_COMPILE=1
  "$@"
}

# Packages that the libraries in wheels load from the system: OpenCV (GL, glib), GDAL (expat), MPI and NCCL (InfiniBand).
RUNTIME='libexpat1 libgl1 libglib2.0-0 libx11-6 libibverbs1 ibverbs-providers librdmacm1'
# What Python itself loads, under the names that one or another release of Debian and Ubuntu gives it.
PYTHON='libbz2-1.0 libdb5.3 libffi7 libffi8 libgdbm6 liblzma5 libncursesw6 libnsl2 libreadline8 libsqlite3-0 libssl1.1
  libssl3 libtirpc3 libtinfo6 libuuid1 zlib1g'

# OpenCV wants libGL to be there and never draws with it. The package brings drivers and LLVM, 200 MB; in their place
# comes one that says that there are none.
no_drivers() {
  mkdir -p /tmp/none/DEBIAN
  cat >/tmp/none/DEBIAN/control <<CONTROL
Package: mtp-no-gl-driver
Version: 1
Architecture: all
Maintainer: MTP reproducibility kit <none@localhost>
Provides: libglx-mesa0
Description: nothing draws here, so no driver for it is installed
CONTROL
  SOURCE_DATE_EPOCH=$EPOCH dpkg-deb --root-owner-group --build /tmp/none "$1" >/dev/null
  rm -r /tmp/none
}

# System packages of the build stage: a compiler (a devel image has one) and what wheels load; and in /debs those of the
# image that runs, with all that they need. An image of an earlier build (make bundle keeps one) has them all: then no
# network is needed.
step_system() {
  if [ -e /etc/mtp-build ]; then return 0; fi
  mkdir -p /debs/partial
  no_drivers /debs/mtp-no-gl-driver_1_all.deb
  dpkg -i /debs/mtp-no-gl-driver_1_all.deb >/dev/null
  dpkg-query -s mtp-no-gl-driver >/debs/status
  apt-get update -qq
  for package in $RUNTIME $PYTHON; do
    [ -z "$(apt-cache madison "$package")" ] || set -- "$@" "$package"
  done
  apt-get install -y -qq --no-install-recommends --download-only -o Dir::State::status=/debs/status \
    -o Dir::Cache::archives=/debs "$@" >/dev/null
  rm -rf /debs/partial /debs/lock /debs/lock-frontend /debs/status
  command -v c++ >/dev/null || set -- "$@" g++
  apt-get install -y -qq --no-install-recommends ca-certificates "$@" >/dev/null
  cards_compiler
  ldconfig
  touch /etc/mtp-build
}

# The compiler for cards, for a variant that names it: the package of Debian's non-free that holds nvcc itself, unpacked
# without the gigabytes of libraries that it depends on, and the C++ compiler that it takes.
cards_compiler() {
  [ -n "${NVCC:-}" ] || return 0
  for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -e "$list" ] || continue
    sed -i -E "/^deb /s/ main.*$/ main $NVCC_COMPONENTS/; s/^Components:.*/Components: main $NVCC_COMPONENTS/" "$list"
  done
  apt-get update -qq
  # shellcheck disable=SC2086 # lists of packages
  apt-get install -y -qq --no-install-recommends $NVCC_BESIDE >/dev/null
  mkdir -p /tmp/nvcc
  # shellcheck disable=SC2086
  (cd /tmp/nvcc && apt-get download -qq $NVCC >/dev/null && for file in *.deb; do dpkg -x "$file" /; done)
  rm -rf /tmp/nvcc
}

# Install what of the packages in FROM this image lacks; what it has stays as it is.
step_packages() {
  from=$1 mark=/tmp/mark
  shift
  touch "$mark"
  for file in "$from"/*.deb; do
    name=$(dpkg-deb -f "$file" Package)
    dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || set -- "$@" "$file"
  done
  # Of the pages that packages bring only the licences, as in Debian's own slim image.
  [ $# -eq 0 ] || DEBIAN_FRONTEND=noninteractive dpkg -i --path-exclude='/usr/share/locale/*' \
    --path-exclude='/usr/share/man/*' --path-exclude='/usr/share/doc/*' --path-include='/usr/share/doc/*/copyright' \
    "$@" >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log >&2; exit 1; }
  rm -f /var/log/dpkg.log /var/log/alternatives.log /var/lib/dpkg/*-old /var/cache/debconf/*-old
  settle_since "$mark"
}

# Shared libraries that the files below FROM... need, from outside Python, into TO, and in TO/owners the package that each
# is of. The C library stays the base's.
step_collect() {
  to=$1
  shift
  mkdir -p "$to"
  # What ldd asks, which starts three programs a file. It fails for what is no library.
  { find "$@" -type f \( -name '*.so' -o -name '*.so.*' -o -name 'python3.*[0-9]' \) -print0 |
      xargs -0 -n 1 -P "$(nproc)" env LD_TRACE_LOADED_OBJECTS=1 /lib64/ld-linux-x86-64.so.2 2>/dev/null || true; } |
    awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -v -e '^/opt/venv/' -e '^/usr/local/lib/python3' -e '^/usr/local/cuda' |
    grep -v -E '/(ld-linux|lib(c|m|pthread|dl|rt|util|resolv|nsl|anl|mvec|nss_[a-z]+)\.so|lib(c|m)-)' |
    while read -r library; do
      cp -L "$library" "$to/"
      owner "$library" >>"$to/owners"
    done
  [ ! -e "$to/owners" ] || sort -u -o "$to/owners" "$to/owners"
  settle "$to"
}

# One line on a library: its name, then package, version, architecture, release and maintainer of the Debian
# package that it is of; a library that came here by itself was described where it came from.
owner() {
  name=${1##*/}
  package=$(dpkg -S "$(readlink -f "$1")" 2>/dev/null || dpkg -S "*/${name}" 2>/dev/null | head -n 1) || true
  package=${package%%:*}
  if [ -n "$package" ]; then
    release=$(. /etc/os-release && echo "$ID-${VERSION_ID:-}")
    dpkg-query -W -f "$name\t\${Package}\t\${Version}\t\${Architecture}\t$release\t\${Maintainer}\n" "$package" | head -n 1
  else
    grep -s "^$name	" /usr/local/lib/owners || printf '%s\n' "$name"
  fi
}

# A record of the package of each library in /usr/local/lib where scanners look for packages that dpkg did not install.
records() {
  mkdir -p /var/lib/dpkg/status.d
  awk -F '\t' -v to=/var/lib/dpkg/status.d/ 'NF >= 6 {
    form = "Package: %s\nStatus: install ok installed\nVersion: %s\nArchitecture: %s\nMaintainer: %s\n"
    printf form, $2, $3, $4, $6 > (to $2)
    close(to $2)
  }' /usr/local/lib/owners
}

# Put those libraries of FROM that this image lacks where its loader finds them. What the image has stays as it is.
step_place() {
  mark=/tmp/mark
  touch "$mark"
  ldconfig
  for library in "$1"/*.so*; do
    [ -e "$library" ] || continue
    name=${library##*/}
    ldconfig -p | grep -q -F "	$name " && continue
    cp "$library" /usr/local/lib/
    grep -s "^$name	" "$1/owners" >>/usr/local/lib/owners || true
  done
  [ ! -e /usr/local/lib/owners ] || records
  [ ! -e /usr/local/lib/owners ] || sort -u -o /usr/local/lib/owners /usr/local/lib/owners
  ldconfig
  rm -f /var/cache/ldconfig/aux-cache  # holds times and numbers of files
  # Each of these fails to import where a library of Python's own distribution is missing.
  PYTHONDONTWRITEBYTECODE=1 "/usr/local/bin/$(python_name)" -c \
    'import bz2, ctypes, lzma, sqlite3, ssl, uuid, zlib; ssl.create_default_context()'
  settle_since "$mark"
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
  "/usr/local/bin/$(python_name)" -m venv /opt/venv
  site_pip /opt/venv/bin/python -m pip install -q --no-deps --require-hashes --report /reports/1-pip.json \
    -r "${lock%-*}-pip.txt"
  site_pip /opt/venv/bin/python -m pip install -q --no-deps --require-hashes --only-binary :all: \
    --report /reports/2-packages.json ${INDEX:+--extra-index-url "$INDEX"} -r "$lock"
  # Packages of which the index has no wheel, built by the tools of the two locks above.
  [ ! -e "${lock%-*}-sources.txt" ] || site_pip /opt/venv/bin/python -m pip install -q --no-deps --require-hashes \
    --no-build-isolation --no-binary :all: --report /reports/2-sources.json -r "${lock%-*}-sources.txt"
}

# What the compiler for cards includes: headers of the environment's own wheels of NVIDIA and those of the lock LOCK,
# which from CUDA 13 on brings the compiler too. With it they are a CUDA_HOME as torch knows it.
step_headers() {
  lock=$1 home=/opt/cuda packages=/opt/venv/lib/$(python_name)/site-packages
  [ -e "$lock" ] || return 0
  mkdir -p "$home/bin" "$home/include" "$home/lib64"
  site_pip /opt/venv/bin/python -m pip install -q --no-deps --require-hashes --only-binary :all: \
    --target /tmp/headers -r "$lock"
  for folder in "$packages"/nvidia/*/include /tmp/headers/nvidia/*/include; do
    [ ! -d "$folder" ] || cp -r "$folder/." "$home/include/"
  done
  for library in "$packages"/nvidia/*/lib/libcudart.so.* /tmp/headers/nvidia/*/lib/libcudart.so.*; do
    [ ! -e "$library" ] || cp "$library" "$home/lib64/libcudart.so"
  done
  for folder in /tmp/headers/nvidia/*/bin /tmp/headers/nvidia/*/nvvm; do
    [ ! -d "$folder" ] || cp -r "$folder" "$home/"
  done
  [ -e "$home/bin/nvcc" ] || ln -s /usr/bin/nvcc "$home/bin/nvcc"
  rm -rf /tmp/headers
  "$home/bin/nvcc" --version | tail -n 2
}

# The wheel of the compiled package: a finished one of the same kind where one is at hand, else compiled now. Beside it
# what the ledger drops of this variant. A stage of its own takes both from our code; as long as they are the same bytes,
# all that follows is taken from the engine's cache, whatever else of the code has changed.
step_wheel() {
  [ ! -d /opt/cuda ] || export CUDA_HOME=/opt/cuda
  site_pip /opt/venv/bin/python docker/build_ops.py --env "$1" --variant "$2" --python /opt/venv/bin/python \
    --out /wheel --cache /cache/wheels --wheelhouse docker/wheelhouse
  /opt/venv/bin/python -m mtp.launch.ledger --drops "$1" "$2" >/wheel/drops.json
}

step_ops() {
  PIP_NO_COMPILE=1 /opt/venv/bin/python -m pip install -q --no-deps --no-index --report /reports/3-ops.json /wheel/*.whl
}

# Take out what running needs none of: tests, sources of what is compiled, static libraries, the installer's traces.
step_trim() {
  packages=/opt/venv/lib/$(python_name)/site-packages
  find "$packages" -type d -name tests -prune -exec rm -rf {} +
  find "$packages" -type f \( -name '*.a' -o -name '*.[chf]' -o -name '*.[ch]pp' -o -name '*.cu' -o -name '*.cuh' \
    -o -name '*.p[yx][xd]' \) -delete
  rm -rf "$packages"/torch/include "$packages"/torch/share "$packages"/torch/test /opt/venv/include /opt/venv/share
  find /opt/venv -name __pycache__ -prune -exec rm -rf {} +
  /opt/venv/bin/python docker/slim.py --drops /wheel/drops.json --packages "$packages" --report /reports/dropped.json
  # Two at a time, each with files of its own: what a process has read before may change the bytes of what it writes.
  step_compile /opt/venv/bin/python "$packages"/[a-l]* &
  step_compile /opt/venv/bin/python "$packages"/[!a-l]*
  wait
}

# The environment in parts, each a layer of the image: what a new version of one package moves is its own part. Only here
# are the times set: to touch a file that an earlier step left is to copy it, and to move it is to copy it anyway.
step_layers() {
  for part in torch:'torch torch-* torchvision*' numbers:'cv2 opencv_python* numpy* scipy* rasterio*' \
    toolboxes:'mm* timm*' rest:'*'; do
    to=/layers/${part%%:*}/lib/$(python_name)/site-packages
    mkdir -p "$to"
    (cd "/opt/venv/lib/$(python_name)/site-packages" && for name in ${part#*:}; do [ ! -e "$name" ] || mv "$name" "$to"; done)
  done
  rmdir "/opt/venv/lib/$(python_name)/site-packages"
  cp -a /opt/venv/. /layers/rest/
  settle /layers
}

# Our own code: the same times and rights wherever it was checked out.
step_code() {
  chmod -R u=rwX,go=rX "$1"
  settle "$1"
}

# Python itself, without what running needs none of.
step_python() {
  name=$(python_name)
  rm -rf "/usr/local/lib/$name/test" "/usr/local/lib/$name/idlelib"
  find "/usr/local/lib/$name" -name __pycache__ -prune -exec rm -rf {} +
  step_compile "/usr/local/bin/$name" "/usr/local/lib/$name"
  settle /usr/local
}

# The bill of materials, from this image and what pip reported, and the folders that a run is bound to.
step_finish() {
  mkdir -p /data /weights /work /opt/sbom
  python docker/libraries.py --env "$1" --variant "$2" /opt/venv /usr/local/bin /usr/local/lib
  python docker/sbom.py --env "$1" --variant "$2" --reports /tmp/reports --locks /tmp/locks \
    --out /opt/sbom/sbom.cdx.json
  python docker/selfcheck.py --env "$1" --variant "$2"
  settle /data /weights /work /opt/sbom /opt/bin
}

step=$1
shift
"step_$step" "$@"
