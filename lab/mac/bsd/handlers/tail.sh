# shellcheck shell=dash
# -r (lines in reverse order) is another GNU program; -b counts 512-byte blocks.
check "$@"
case ${1-} in
-r) shift; exec "$linux/tac" "$@" ;;
-b) [ $# -ge 2 ] && { n=$2; shift 2; set -- -c $((n * 512)) "$@"; } ;;
-b[0-9]*) n=${1#-b}; shift; set -- -c $((n * 512)) "$@" ;;
esac
