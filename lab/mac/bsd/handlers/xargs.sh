# shellcheck shell=dash
# BSD xargs runs nothing when its input is empty, with or without -r (xargs.c).
check "$@"
for arg do
	case $arg in
	-J* | -R* | -S* | -o) fail "$arg is not simulated in the lab" ;;
	-*) ;;
	*) break ;;
	esac
done
exec "$real" -r "$@"
