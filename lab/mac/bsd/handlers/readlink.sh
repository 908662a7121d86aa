# shellcheck shell=dash
# readlink is stat -f %Y, with -f %R (stat.c): realpath(3) of a missing file is an error.
check "$@"
case ${1-} in
-f | -fn | -nf) flags=$1; shift; [ "${1-}" != -- ] || shift; case $flags in *n*) set -- -n -- "$@" ;; *) set -- -- "$@" ;; esac; exec "$real" -e "$@" ;;
esac
