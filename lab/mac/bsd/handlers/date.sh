# shellcheck shell=dash
# BSD date: -r SECONDS|FILE, -j -f FORMAT TEXT, -v ADJUST, -z ZONE. -d is refused by getopt. Nobody sets
# the clock in the lab: that is "Operation not permitted", as for an ordinary user.
utc='' base='' input='' adjust='' stay='' form='' zone=''
check "$@"
while [ $# -gt 0 ]; do
	case $1 in
	--) shift; break ;;
	-?*)
		rest=${1#-}
		while [ -n "$rest" ]; do
			c=${rest%"${rest#?}"}
			rest=${rest#?}
			case $c in
			I) form=I${rest:-date}; rest='' ;;
			j) stay=1 ;;
			n) ;;
			R) form=R ;;
			u) utc=1 ;;
			*)
				if [ -z "$rest" ]; then shift; rest=$1; fi
				case $c in
				r) base=$rest ;;
				f) input=$rest ;;
				v) adjust="$adjust $rest" ;;
				z) zone=$rest ;;
				esac
				rest=''
				;;
			esac
		done
		;;
	*) break ;;
	esac
	shift
done
[ -z "$utc" ] || export TZ=UTC0
case ${1-} in +*) out=${1#+}; shift; plus=1 ;; esac
if [ $# -gt 0 ]; then
	text=$1
	shift
	case ${1-} in +*) out=${1#+}; plus=1 ;; esac
	[ -n "$stay" ] || { printf '%s\n' "date: clock_settime: Operation not permitted" >&2; exit 1; }
elif [ -n "$input" ]; then
	printf '%s\n' "$usage" >&2
	exit 1
fi
if [ -n "$base" ]; then
	case ${base#-} in
	*[!0-9]* | '')
		base=$("$linux/stat" -c %Y -- "$base" 2>/dev/null) || { printf '%s\n' "$usage" >&2; exit 1; }
		;;
	esac
fi
if [ -n "$adjust$input${text-}" ]; then
	# shellcheck disable=SC2086
	base=$("${LAB_PYTHON:-/System/Lab/python/bin/python3}" -IS "$bsd/calendar_arithmetic.py" "${base:-now}" "$input" "${text-}" $adjust) || {
		[ $? = 1 ] || { printf '%s\n' "$usage" >&2; }
		exit 1
	}
fi
[ -z "$zone" ] || export TZ="$zone"
set -- ${base:+-d "@$base"}
if [ -n "${plus-}" ]; then exec "$real" "$@" "+$out"; fi
case $form in
R) exec "$real" -R "$@" ;;
I*) exec "$real" "-$form" "$@" ;;
esac
exec "$real" "$@" '+%a %b %e %H:%M:%S %Z %Y'
