# shellcheck shell=dash
# md5, sha1, sha256 …: `MD5 (f) = …`, -q only the digest, -r the other way round, -s a string.
check "$@"
quiet='' reverse='' string='' given=''
while [ $# -gt 0 ]; do
	case $1 in
	--) shift; break ;;
	-q | --quiet) quiet=1 ;;
	-r | --reverse) reverse=1 ;;
	-s) shift; string=$1 given=1 ;;
	-s*) string=${1#-s} given=1 ;;
	-*) fail "$1 is not simulated in the lab" ;;
	*) break ;;
	esac
	shift
done
sum() { "$linux/${name}sum" | { read -r digest _; printf '%s' "$digest"; }; }
upper=$(printf '%s' "$name" | "$linux/tr" a-z A-Z)
show() { # digest name
	if [ -n "$quiet" ]; then printf '%s\n' "$1"
	elif [ -n "$reverse" ]; then printf '%s %s\n' "$1" "$2"
	else printf '%s (%s) = %s\n' "$upper" "$2" "$1"; fi
}
if [ -n "$given" ]; then show "$(printf '%s' "$string" | sum)" "\"$string\""; exit 0; fi
if [ $# -eq 0 ]; then sum; printf '\n'; exit 0; fi
code=0
for file do
	if [ ! -f "$file" ] || [ ! -r "$file" ]; then
		why='No such file or directory'
		[ ! -d "$file" ] || why='Is a directory'
		[ ! -f "$file" ] || why='Permission denied'
		printf '%s\n' "$name: $file: $why" >&2
		code=1
		continue
	fi
	show "$(sum <"$file")" "$file"
done
exit $code
