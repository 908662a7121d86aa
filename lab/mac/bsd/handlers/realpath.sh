# shellcheck shell=dash
# Every component must exist (realpath(3)); without an operand it is the working directory.
check "$@"
[ $# -gt 0 ] || set -- .
export PATH="$linux"
exec realpath -e "$@"
