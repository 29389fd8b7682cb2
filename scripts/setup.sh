#!/usr/bin/env bash
# Makes .venv and install/: system packages (named or installed), pinned Python packages, messages. Does nothing again
# that is already done. With ROS 2 sourced it is used in place of the wheels.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3}"

say() { printf '\033[1m== %s\033[0m\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

python_is_usable() {
  "$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' \
    || die "$("$PYTHON" --version 2>&1) found, Python 3.10 to 3.12 is needed; choose one with PYTHON=python3.11 make ..."
}

missing_system_packages() {
  command -v g++ >/dev/null || echo g++
  command -v make >/dev/null || echo make
  "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || echo python3-venv
  "$PYTHON" -c 'import sysconfig, os, sys; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
    || echo python3-dev
  local libraries
  libraries="$(/sbin/ldconfig -p)"
  grep -q 'libEGL\.so\.1 ' <<<"$libraries" || echo libegl1
  compgen -G '/usr/lib/*/dri/swrast_dri.so' >/dev/null || compgen -G '/usr/lib/*/libgallium*.so' >/dev/null \
    || echo libgl1-mesa-dri
  grep -q 'libusb-1\.0\.so' <<<"$libraries" || echo libusb-1.0-0
}

system_packages() {
  local missing
  missing="$(missing_system_packages | tr '\n' ' ')"
  [ -n "$missing" ] || return 0
  local install="apt-get update && apt-get install -y --no-install-recommends $missing"
  if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || { [ "${CI:-}" = true ] && sudo -n true 2>/dev/null; }; }; then
    say "system packages: $missing"
    local sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    DEBIAN_FRONTEND=noninteractive $sudo bash -c "$install" >/dev/null || die "could not install $missing; see above"
  else
    die "system packages are missing; run this, then again: sudo bash -c '$install'"
  fi
}

with_installed_ros() { [ -n "${ROS_DISTRO:-}" ] && "$PYTHON" -c 'import rclpy' 2>/dev/null; }

hash_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

python_packages() {
  local stamp=.venv/.requirements wanted files=(core sim cameras train dev) options=() pins=constraints.txt
  if with_installed_ros; then options=(--system-site-packages) pins=constraints-installed-ros.txt; else files+=(ros); fi
  wanted="$(hash_of requirements/*.txt) ${ROS_DISTRO:-wheels} $("$PYTHON" --version)"
  [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ] || return 0
  say "Python packages into .venv (a few minutes, about 3 GB)"
  [ -x .venv/bin/python ] || "$PYTHON" -m venv "${options[@]}" .venv
  [ -z "${TORCH_INDEX:-}" ] || .venv/bin/pip install -q --disable-pip-version-check -c "requirements/$pins" \
    --index-url "$TORCH_INDEX" torch
  files=("${files[@]/#/-rrequirements/}")
  .venv/bin/pip install -q --disable-pip-version-check -c "requirements/$pins" "${files[@]/%/.txt}" \
    || die "pip could not install the requirements; see above"
  echo "$wanted" > "$stamp"
}

messages() {
  local stamp=install/.interfaces wanted paths=(.)
  wanted="$(hash_of msg/* srv/* action/* CMakeLists.txt cmake/* package.xml compat/tf2_msgs/*.* compat/tf2_msgs/msg/*) $(pwd)"
  wanted="$wanted $(ls gear_vla_ros/nodes | tr '\n' ' ') ${ROS_DISTRO:-wheels}"
  [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ] || return 0
  say "messages (half a minute)"
  # shellcheck disable=SC1091
  . .venv/bin/activate
  if ! with_installed_ros; then
    export AMENT_PREFIX_PATH="$VIRTUAL_ENV" CMAKE_PREFIX_PATH="$VIRTUAL_ENV"
    paths+=(compat/tf2_msgs)
  fi
  local log
  log="$(mktemp)"
  colcon --log-base log build --paths "${paths[@]}" --merge-install --cmake-args -DBUILD_TESTING=OFF >"$log" 2>&1 \
    || { cat "$log"; die "colcon could not build the messages; see above"; }
  rm -f "$log"
  echo "$wanted" > "$stamp"
}

python_is_usable
system_packages
python_packages
messages
