# shellcheck shell=dash
# -w (split at runs of white space) is not in Debian's cut.
check "$@"
case ${1-} in
-w) fail "-w is not simulated in the lab" ;;
esac
