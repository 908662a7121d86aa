# shellcheck shell=dash
# BSD pads every count: `wc -l < f` prints "       1", which string comparisons trip over (wc.c show_cnt).
check "$@"
export POSIXLY_CORRECT=1
counts=$("$real" "$@")
status=$?
[ -z "$counts" ] || printf '%s\n' "$counts" | while read -r line; do
	out=''
	while :; do
		case $line in
		[0-9]*\ *) out="$out $(printf '%7s' "${line%% *}")"; line=${line#* } ;;
		*[!0-9]* | '') out="$out $line"; break ;;
		*) out="$out $(printf '%7s' "$line")"; break ;;
		esac
		line=${line#"${line%%[! ]*}"}
	done
	printf '%s\n' "$out"
done
exit $status
