# shellcheck shell=dash
# Files are named by -i and -o; an operand is refused (bintrans.c). One line unless -b or -w says so.
input='' output='' width=0 decode=''
check "$@"
while [ $# -gt 0 ]; do
	case $1 in
	--) shift; break ;;
	--decode) decode=1 ;;
	--help) printf '%s\n' "$usage"; exit 0 ;;
	--version) printf 'FreeBSD base64\n' >&2; exit 0 ;;
	--*=*) value=${1#*=} ;;
	--*) value=$2 ;;
	esac
	case $1 in
	--*)
		case $1 in
		--break* | --wrap*) width=$value ;;
		--input*) input=$value ;;
		--output*) output=$value ;;
		esac
		case $1 in --decode | --*=*) ;; *) shift ;; esac
		;;
	-?*)
		rest=${1#-}
		while [ -n "$rest" ]; do
			c=${rest%"${rest#?}"}
			rest=${rest#?}
			case $c in
			D | d) decode=1 ;;
			h) printf '%s\n' "$usage"; exit 0 ;;
			*)
				if [ -z "$rest" ]; then shift; rest=$1; fi
				case $c in b | w) width=$rest ;; i) input=$rest ;; o) output=$rest ;; esac
				rest=''
				;;
			esac
		done
		;;
	*) break ;;
	esac
	shift
done
[ $# -eq 0 ] || refuse "invalid argument $1"
case $input in '' | -) ;; *) exec <"$input" || exit 1 ;; esac
case $output in '' | -) ;; *) exec >"$output" || exit 1 ;; esac
if [ -n "$decode" ]; then exec "$real" -di; fi
if [ "$width" = 0 ]; then
	text=$("$real" -w 0) || exit 1
	[ -z "$text" ] || printf '%s\n' "$text"
	exit 0
fi
exec "$real" -w "$width"
