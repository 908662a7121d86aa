# shellcheck shell=dash
# `chmod -x file`: a mode that begins with a minus ends the options (chmod.c).
case ${1-} in
[+=]a\ * | [+=]a) fail "ACLs are not simulated in the lab" ;;
-[rwxXstugo]*) exec "$real" -- "$@" ;;
esac
