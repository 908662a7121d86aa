# shellcheck shell=dash
# -W is in milliseconds, -t the seconds after which ping gives up, -m the TTL; no answer exits 2, an
# unknown host 68 (ping.c).
check "$@"
quoted='' takes=''
for arg do
	if [ -z "$takes" ]; then
		case $arg in -[cGghIikKlMmpSsTtWzbC]) takes=${arg#-} ;; -[Wtm]?*) takes=${arg%"${arg#-?}"}; takes=${takes#-} arg=${arg#-?} ;; *) quote "$arg"; continue ;; esac
		case $arg in -*) continue ;; esac
	fi
	case $takes in
	W) quote -W; quote "$((${arg%%.*} / 1000)).$(printf '%03d' $((${arg%%.*} % 1000)))" ;;
	t) quote -w; quote "$arg" ;;
	m) quote -t; quote "$arg" ;;
	S | b | I) quote -I; quote "$arg" ;;
	C | k | K | G | g | h | z) ;;
	*) quote "-$takes"; quote "$arg" ;;
	esac
	takes=''
done
eval "set -- $quoted"
exec 3>&1
complaint=$("$real" "$@" 2>&1 >&3)
status=$?
case $complaint in
*"not known"* | *"failure in name resolution"*) status=68 complaint="ping: cannot resolve ${arg}: Unknown host" ;;
esac
[ -z "$complaint" ] || printf '%s\n' "$complaint" >&2
case $status in 1) exit 2 ;; *) exit $status ;; esac
