# shellcheck shell=dash
# mktemp.c: only trailing X's are replaced (a suffix makes the name literal), -t PREFIX and no
# operand use the user's temporary folder (confstr(_CS_DARWIN_USER_TEMP_DIR)) before TMPDIR.
user_dir() {
	dir=${LAB_FOLDERS:-/var/folders/zz}/u$("$linux/id" -u)/T
	if [ -d "$dir" ] && [ -w "$dir" ]; then printf '%s' "$dir"; else printf '%s' "${TMPDIR:-/tmp}"; fi
}
directory='' quiet='' prefix='' tmpdir='' unlink='' named='' own=''
check "$@"
while [ $# -gt 0 ]; do
	case $1 in
	--) shift; break ;;
	--directory) directory=-d ;;
	--quiet) quiet=1 ;;
	--dry-run) unlink=1 ;;
	--tmpdir) tmpdir=${TMPDIR:-$(user_dir)} own=1 ;;
	--tmpdir=*) tmpdir=${1#*=} own=1 ;;
	-?*)
		rest=${1#-}
		while [ -n "$rest" ]; do
			c=${rest%"${rest#?}"}
			rest=${rest#?}
			case $c in
			d) directory=-d ;;
			q) quiet=1 ;;
			u) unlink=1 ;;
			p | t)
				if [ -z "$rest" ]; then shift; rest=$1; fi
				if [ "$c" = p ]; then tmpdir=${rest:-${TMPDIR:-$(user_dir)}} own=1; else prefix=$rest named=1; fi
				rest=''
				;;
			esac
		done
		;;
	*) break ;;
	esac
	shift
done
make() { # template
	stem=${1%%"${1##*[!X]}"}
	xs=${1#"$stem"}
	set -- "$1" "$directory"
	if [ ${#xs} -ge 3 ]; then
		made=$("$real" $directory -- "$1" 2>/dev/null)
	elif [ -n "$directory" ]; then
		made=$1; "$linux/mkdir" -m 700 -- "$1" 2>/dev/null || made=''
	else
		made=$1; (umask 077; set -C; : >"$1") 2>/dev/null || made=''
	fi
	if [ -z "$made" ]; then
		why='No such file or directory'
		[ ! -e "$1" ] || why='File exists'
		[ ! -d "${1%/*}" ] || [ -w "${1%/*}" ] || why='Permission denied'
		call=mkstemp; [ -z "$directory" ] || call=mkdtemp
		[ -n "$quiet" ] || printf '%s\n' "mktemp: $call failed on $1: $why" >&2
		return 1
	fi
	if [ -n "$unlink" ]; then
		if [ -n "$directory" ]; then "$linux/rmdir" -- "$made"; else "$linux/rm" -f -- "$made"; fi
	fi
	printf '%s\n' "$made"
}
code=0
if [ -n "$named" ]; then
	tmpdir=$(user_dir)
	make "${tmpdir%/}/$prefix.XXXXXXXXXX" || code=1
elif [ $# -eq 0 ]; then
	[ -n "$own" ] || tmpdir=$(user_dir)
	make "${tmpdir%/}/tmp.XXXXXXXXXX" || code=1
fi
for template do
	[ -z "$tmpdir" ] || [ -n "$named" ] || template=$tmpdir/$template
	make "$template" || code=1
done
exit $code
