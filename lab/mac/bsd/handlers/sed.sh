# shellcheck shell=dash
# The traps: -i takes the next word as suffix ('' for none), no \+ \? \| in basic expressions, no
# one-line a/i/c text, no 0,/re/. GNU's --posix refuses or ignores the same things.
check "$@"
quoted='' i=0 takes='' script=''
for arg do
	i=$((i + 1))
	if [ -n "$takes" ]; then
		case $takes in
		[iI]) if [ -n "$arg" ]; then quote "-i$arg"; else quote -i; fi ;;
		*) quote "-$takes"; quote "$arg" ;;
		esac
		takes=''
		continue
	fi
	if [ "$i" -gt "$operands" ]; then
		[ -n "$script" ] || { quote -e; script=1; quote "$arg"; continue; }
		quote "$arg"
		continue
	fi
	[ "$arg" != -- ] || continue
	rest=${arg#-}
	while [ -n "$rest" ]; do
		c=${rest%"${rest#?}"}
		rest=${rest#?}
		case $c in
		e | f | i | I)
			[ "$c" = i ] || [ "$c" = I ] || script=1
			if [ -z "$rest" ]; then takes=$c; elif [ "$c" = e ] || [ "$c" = f ]; then quote "-$c"; quote "$rest"; else quote "-i$rest"; fi
			rest=''
			;;
		E | r) quote -E ;;
		l) quote -u ;;
		a | H) ;;
		*) quote "-$c" ;;
		esac
	done
done
[ -n "$script" ] || refuse "no script"
eval "set -- $quoted"
export PATH="$linux"
exec sed --posix "$@"
