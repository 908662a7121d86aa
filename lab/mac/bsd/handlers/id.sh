# shellcheck shell=dash
# -F is the full name, -P the passwd line as master.passwd has it; the rest GNU's id says alike.
check "$@"
case ${1-} in
-F | -P)
	record=$("$linux/getent" passwd "${2:-$("$linux/id" -un)}") || { printf '%s\n' "id: ${2-}: no such user" >&2; exit 1; }
	IFS=: read -r user _ uid gid gecos home shell <<-END
		$record
	END
	if [ "$1" = -F ]; then printf '%s\n' "$gecos"
	else printf '%s:********:%s:%s::0:0:%s:%s:%s\n' "$user" "$uid" "$gid" "$gecos" "$home" "$shell"; fi
	exit 0
	;;
-A | -p) fail "$1 is not simulated in the lab" ;;
esac
if [ $# -gt 0 ]; then
	for arg do last=$arg; done
	case $last in
	-*) ;;
	*) "$linux/getent" passwd "$last" >/dev/null || { printf '%s\n' "id: $last: no such user" >&2; exit 1; } ;;
	esac
fi
