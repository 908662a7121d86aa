# shellcheck shell=dash
# macOS adds inode columns unless -P is given; default blocks are 512 bytes.
check "$@"
unit=512 posix='' label=512-blocks
while [ $# -gt 0 ]; do
	case $1 in
	--) shift; break ;;
	-?*)
		rest=${1#-}
		while [ -n "$rest" ]; do
			c=${rest%"${rest#?}"}
			rest=${rest#?}
			case $c in
			k) unit=1K label=1024-blocks ;;
			m) unit=1M label=1M-blocks ;;
			g) unit=1G label=1G-blocks ;;
			h | H) unit=-$c label=Size ;;
			P) posix=1 ;;
			T) [ -n "$rest" ] || shift; rest='' ;;
			esac
		done
		;;
	*) break ;;
	esac
	shift
done
case $unit in -*) set -- "$unit" -- "$@" ;; *) set -- -B "$unit" -- "$@" ;; esac
columns=source,size,used,avail,pcent,iused,iavail,ipcent,target
available=Available; [ "$label" != Size ] || available=Avail
# Debian's awk and nc are absolute links to /etc/alternatives, which no Mac has.
awk=$linux/mawk
[ -x "$awk" ] || awk=$linux/awk
rows=$("$real" --output=$columns "$@") && code=0 || code=1
[ -n "$rows" ] || exit $code
printf '%s\n' "$rows" | "$awk" -v label="$label" -v avail="$available" -v posix="$posix" '
	NR == 1 { $0 = "Filesystem " label " Used " avail " Capacity iused ifree %iused" }
	{ target = NR == 1 ? "Mounted on" : $9; for (i = 10; i <= NF; i++) target = target " " $i
	  if (posix) printf "%-20s %12s %10s %10s %8s  %s\n", $1, $2, $3, $4, $5, target
	  else printf "%-16s %10s %10s %10s %8s %8s %10s %6s  %s\n", $1, $2, $3, $4, $5, $6, $7, $8, target }'
exit $code
