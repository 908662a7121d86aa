# shellcheck shell=dash
# -r sorts by CPU and -m by memory here; ucomm is the short name; no user's name
# is cut. Without a dash (ps aux) all as is.
case ${1-} in [a-zA-Z]*) case $1 in *[!aACcefgGhjlLmMrSTuvwxX]*) illegal "$1" ;; esac; exec "$real" "$@" ;; esac
check "$@"
quoted='' takes=''
for arg do
	if [ -n "$takes" ]; then
		case $takes in o | O) arg=$(printf '%s' "$arg" | "$linux/sed" 's/\bucomm\b/comm/g; s/\bcommand\b/args/g; s/\bstate\b/stat/g; s/\b\(r\{0,1\}user\)\b/\1:20/g') ;; esac
		quote "-$takes"
		quote "$arg"
		takes=''
		continue
	fi
	rest=${arg#-}
	while [ -n "$rest" ]; do
		c=${rest%"${rest#?}"}
		rest=${rest#?}
		case $c in
		r) quote --sort=-pcpu ;;
		m) quote --sort=-rss ;;
		c | E | h | S | T | v | C | X | M) ;;
		O | o | G | g | p | t | u | U)
			takes=$c
			[ -n "$rest" ] || break
			case $takes in o | O) rest=$(printf '%s' "$rest" | "$linux/sed" 's/\bucomm\b/comm/g; s/\bcommand\b/args/g; s/\bstate\b/stat/g; s/\b\(r\{0,1\}user\)\b/\1:20/g') ;; esac
			quote "-$takes$rest"
			takes=''
			rest=''
			;;
		a | x | A) quote -A ;;
		*) quote "-$c" ;;
		esac
	done
done
eval "set -- $quoted"
exec "$real" "$@"
