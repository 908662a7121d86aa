# shellcheck shell=dash
# bsdtar's long options only (libarchive 3.7); GNU's archive format and messages remain.
real=$linux/tar
quoted=''
for arg do
	case $arg in
	--no-mac-metadata | --mac-metadata | --no-xattrs | --xattrs | --no-acls | --acls | --no-fflags | --fflags | --no-safe-writes | --safe-writes) continue ;;
	--append | --cd | --cd=* | --chroot | --clear-nochange-fflags | --create | --dereference | --directory | --directory=* | --exclude | --exclude=* | --exclude-from=* | --extract | --file | --file=* | --files-from | --files-from=* | --gid=* | --gname=* | --gzip | --bzip2 | --xz | --zstd | --list | --no-recursion | --no-same-owner | --no-same-permissions | --null | --numeric-owner | --one-file-system | --preserve-permissions | --same-owner | --strip-components | --strip-components=* | --totals | --uid=* | --uname=* | --update | --use-compress-program=* | --verbose | --version | --help | --keep-old-files | --keep-newer-files | --unlink-first | --modification-time | --to-stdout | --gunzip | --format=* | --) ;;
	--*)
		printf '%s\n' "tar: Option ${arg%%=*} is not supported" "Usage:" "  List:    tar -tf <archive-filename>" "  Extract: tar -xf <archive-filename>" "  Create:  tar -cf <archive-filename> [filenames...]" "  Help:    tar --help" >&2
		exit 1
		;;
	esac
	case $arg in
	--uid=*) arg=--owner=+${arg#*=} ;;
	--gid=*) arg=--group=+${arg#*=} ;;
	--uname=*) arg=--owner=${arg#*=} ;;
	--gname=*) arg=--group=${arg#*=} ;;
	--version) printf 'bsdtar 3.5.3 - libarchive 3.7.4 zlib/1.2.12 liblzma/5.4.3 bz2lib/1.0.8 \n'; exit 0 ;;
	esac
	quote "$arg"
done
eval "set -- $quoted"
exec "$real" "$@"
