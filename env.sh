# Source this (bash or zsh): the virtual environment, the built messages, and the sources before their installed copy.
#   source env.sh && gear-vla --help
_gear_vla_root="$(cd "$(dirname "${BASH_SOURCE[0]:-${(%):-%x}}")" && pwd)"
if [ ! -f "$_gear_vla_root/install/local_setup.sh" ]; then
  echo "env.sh: nothing is built yet; run 'make setup' first" >&2
else
  . "$_gear_vla_root/.venv/bin/activate"
  [ -n "${ROS_DISTRO:-}" ] || export AMENT_PREFIX_PATH="$VIRTUAL_ENV"
  COLCON_CURRENT_PREFIX="$_gear_vla_root/install" . "$_gear_vla_root/install/local_setup.sh"
  export PYTHONPATH="$_gear_vla_root${PYTHONPATH:+:$PYTHONPATH}"
fi
unset _gear_vla_root
