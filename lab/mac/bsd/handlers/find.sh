# shellcheck shell=dash
# BSD find wants a path first, and knows the primaries of option.c only (no -printf, no -readable).
check "$@"
quoted='' extra='' paths=0 i=0 skip=0 command='' takes=''
for arg do
	i=$((i + 1))
	if [ "$i" -le "$operands" ]; then
		if [ -n "$takes" ]; then quote "$arg"; paths=$((paths + 1)); takes=''; continue; fi
		[ "$arg" != -- ] || continue
		rest=${arg#-}
		while [ -n "$rest" ]; do
			c=${rest%"${rest#?}"}
			rest=${rest#?}
			case $c in
			E) extra="$extra -regextype posix-extended" ;;
			d) extra="$extra -depth" ;;
			x) extra="$extra -xdev" ;;
			H | L | P) follow=-$c ;;
			f) if [ -n "$rest" ]; then quote "$rest"; paths=$((paths + 1)); else takes=f; fi; rest='' ;;
			esac
		done
		continue
	fi
	if [ -n "$command" ]; then
		case $arg in ';' | +) command='' ;; esac
		quote "$arg"
		continue
	fi
	if [ "$skip" -gt 0 ]; then skip=$((skip - 1)); quote "$arg"; continue; fi
	case $arg in
	-*)
		if [ -n "$extra" ]; then quoted="$quoted $extra"; extra=''; fi
		case $arg in
		-acl | -and | -a | -o | -or | -not | -delete | -depth | -empty | -false | -follow | -ignore_readdir_race | -ls | -mount | -noignore_readdir_race | -noleaf | -nogroup | -nouser | -print | -print0 | -prune | -quit | -sparse | -true | -xattr | -xdev) ;;
		-exec | -execdir | -ok | -okdir) command=1 ;;
		-[aBcm]min | -[aBcm]newer | -[aBcm]time | -flags | -fstype | -gid | -group | -ilname | -iname | -inum | -ipath | -iregex | -iwholename | -links | -lname | -maxdepth | -mindepth | -name | -newer | -newer[aBcm][aBcmt] | -path | -perm | -regex | -samefile | -size | -type | -uid | -user | -wholename | -xattrname) skip=1 ;;
		*) fail "$arg: unknown primary or operator" ;;
		esac
		;;
	'(' | ')' | '!') if [ -n "$extra" ]; then quoted="$quoted $extra"; extra=''; fi ;;
	*) paths=$((paths + 1)) ;;
	esac
	quote "$arg"
done
[ "$paths" -gt 0 ] || { printf '%s\n' "$usage" >&2; exit 1; }
eval "set -- $quoted $extra"
exec "$real" ${follow-} "$@"
