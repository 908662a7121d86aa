# shellcheck shell=dash
# Apple's nc is an OpenBSD one: -G is the connect timeout, -c and -O differ from Debian's.
check "$@"
quoted='' takes=''
for arg do
	if [ -n "$takes" ]; then
		case $takes in G) quote -w; quote "$arg" ;; H | J | L | K | o) ;; *) quote "-$takes"; quote "$arg" ;; esac
		takes=''
		continue
	fi
	case $arg in
	-[GHIJLKibMPpsTVwXxm]) takes=${arg#-} ;;
	-G[0-9]*) quote "-w${arg#-G}" ;;
	*) quote "$arg" ;;
	esac
done
eval "set -- $quoted"
exec "$real" "$@"
