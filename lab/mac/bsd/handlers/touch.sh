# shellcheck shell=dash
# touch -d wants an ISO time (touch.c stime_darg), not GNU's "yesterday" or "@0".
check "$@"
previous=''
for arg do
	case $previous in
	-A) fail "-A is not simulated in the lab" ;;
	-*d)
		case $arg in
		[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][T\ ][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*) ;;
		*) fail "out of range or illegal time specification: YYYY-MM-DDThh:mm:SS[.frac][tz]" ;;
		esac
		;;
	esac
	previous=$arg
done
