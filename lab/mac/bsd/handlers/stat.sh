# shellcheck shell=dash disable=SC2154
# BSD stat: the format language of stat.c (%[flags][width][.prec][DOUXFS][HML]datum) over one call of
# GNU stat per file. `stat -c` never gets here: getopt refuses it.
format='%d %i %Sp %l %Su %Sg %r %z "%Sa" "%Sm" "%Sc" "%SB" %k %b %#Xf %N'
times='%b %e %H:%M:%S %Y' follow='' nonl='' quiet='' chosen=''
check "$@"

choose() { # option: only one of -f -l -r -s -x
	[ -z "$chosen" ] || { printf "%s\n" "stat: can't use format '$chosen' with '$1'" >&2; exit 1; }
	chosen=$1
}
while [ $# -gt 0 ]; do
	case $1 in
	--) shift; break ;;
	-?*)
		rest=${1#-}
		while [ -n "$rest" ]; do
			c=${rest%"${rest#?}"}
			rest=${rest#?}
			case $c in
			f | t)
				if [ -z "$rest" ]; then shift; rest=$1; fi
				if [ "$c" = f ]; then choose f; format=$rest; else times=$rest; fi
				rest=''
				;;
			l) choose l; format='%Sp %l %Su %Sg %Z %Sm %N%SY' ;;
			F) format='%Sp %l %Su %Sg %Z %Sm %N%T%SY' ;;
			r) choose r; format='%d %i %#p %l %u %g %r %z %a %m %c %B %k %b %f %N' ;;
			s) choose s; format='st_dev=%d st_ino=%i st_mode=%#p st_nlink=%l st_uid=%u st_gid=%g st_rdev=%r st_size=%z st_atime=%a st_mtime=%m st_ctime=%c st_birthtime=%B st_blksize=%k st_blocks=%b st_flags=%f' ;;
			x)
				choose x
				times='%a %b %e %H:%M:%S %Y'
				format='  File: "%N"%n  Size: %-11z  FileType: %HT%n  Mode: (%0Mp%03OA/%.10Sp)         Uid: (%5u/%8Su)  Gid: (%5g/%8Sg)%nDevice: %Hd,%Ld   Inode: %i    Links: %l%nAccess: %Sa%nModify: %Sm%nChange: %Sc%n Birth: %SB'
				;;
			L) follow=-L ;;
			n) nonl=1 ;;
			q) quiet=1 ;;
			esac
		done
		;;
	*) break ;;
	esac
	shift
done

bad() { printf '%s\n' "stat: %$spec: bad format" >&2; exit 1; }

# when <seconds.fraction>: a time as -t says, or the number
when() {
	case $out in
	S) data=$("$linux/date" -d "@${1%%.*}" "+$times") ;;
	F)
		fraction=${1#*.}
		case ${prec:-9} in 0) data=${1%%.*} ;; *) data=${1%%.*}.$(printf "%.${prec:-9}s" "$fraction") ;; esac
		out=S prec=''
		;;
	*) data=${1%%.*} ;;
	esac
	default=D
}

kind_of() { # mode word: sets data to the -F sign or the name of the type
	case $((mode & 0170000)) in
	4096) sign='|' word='Fifo File' ;;
	8192) sign='' word='Character Device' ;;
	16384) sign=/ word=Directory ;;
	24576) sign='' word='Block Device' ;;
	32768) sign='' word='Regular File'; [ $((mode & 0111)) -eq 0 ] || sign='*' ;;
	40960) sign=@ word='Symbolic Link' ;;
	49152) sign='=' word=Socket ;;
	*) sign='' word='???' ;;
	esac
	case $piece in H) data=$word ;; *) data=$sign ;; esac
	piece='' default=S
}

datum() { # letter: sets data and default (the output form when none is given)
	default=U
	case $1 in
	d) data=$dev; case $piece in H) data=$((dev >> 8 & 4095)) ;; L) data=$((dev & 255)) ;; esac; piece='' ;;
	r) data=$((rmaj << 8 | rmin)); case $piece in H) data=$rmaj ;; L) data=$rmin ;; esac; piece='' ;;
	i) data=$ino ;;
	p | A)
		data=$mode default=O text=$modes
		[ "$1" = p ] || data=$((mode & 07777))
		case $piece in
		H) data=$((data >> 12)); text=$(printf '%.3s' "${modes#?}") ;;
		M) data=$((data >> 9 & 7)); text=${modes#????}; text=$(printf '%.3s' "$text") ;;
		L) data=$((data & 0777)); text=${modes#???????}; text=$(printf '%.3s' "$text") ;;
		esac
		piece=''
		[ "$out" != S ] || data=$text
		;;
	l) data=$links ;;
	u) data=$uid; [ "$out" != S ] || { data=$user; [ "$user" != UNKNOWN ] || data="($uid)"; } ;;
	g) data=$gid; [ "$out" != S ] || { data=$group; [ "$group" != UNKNOWN ] || data="($gid)"; } ;;
	a) when "$atime" ;;
	m) when "$mtime" ;;
	c) when "$ctime" ;;
	B) case $btime in 0.* | -*) btime=$ctime ;; esac; when "$btime" ;;
	z) data=$size ;;
	Z)
		data=$size
		case $((mode & 0170000)) in 8192 | 24576) data=$rmaj,$rmin out=S ;; esac
		;;
	b) data=$blocks ;;
	k) data=$blksize ;;
	f) data=0; [ "$out" != S ] || data=- ;;
	v) data=0 ;;
	R) data=$("$linux/readlink" -e -- "$file") default=S; [ "$out" != S ] || data=" -> $data" ;;
	Y)
		data='' default=S
		if [ $((mode & 0170000)) -eq 40960 ]; then
			data=$("$linux/readlink" -- "$file")
			[ "$out" != S ] || data=" -> $data"
		fi
		;;
	T) kind_of ;;
	N) data=$file default=S ;;
	*) bad ;;
	esac
	[ -z "$piece" ] || bad
}

# show <format>: appends to line
show() {
	left=$1
	while [ -n "$left" ]; do
		case $left in
		%*) ;;
		*%*) line=$line${left%%"%"*}; left=%${left#*"%"}; continue ;;
		*) line=$line$left; return ;;
		esac
		left=${left#%}
		case $left in
		n*) line="$line
"; left=${left#n}; continue ;;
		t*) line="$line	"; left=${left#t}; continue ;;
		%*) line=$line%; left=${left#%}; continue ;;
		@*) line=$line$number; left=${left#@}; continue ;;
		esac
		flags='' width='' prec='' out='' piece='' spec=$left
		while :; do case $left in [-#\ +0]*) flags=$flags${left%"${left#?}"}; left=${left#?} ;; *) break ;; esac; done
		while :; do case $left in [0-9]*) width=$width${left%"${left#?}"}; left=${left#?} ;; *) break ;; esac; done
		case $left in
		.*)
			left=${left#.} prec=0
			while :; do case $left in [0-9]*) prec=$prec${left%"${left#?}"}; left=${left#?} ;; *) break ;; esac; done
			prec=${prec#0} prec=${prec:-0}
			;;
		esac
		case $left in [DOUXFS]?*) out=${left%"${left#?}"}; left=${left#?} ;; esac
		case $left in [HML]?*) piece=${left%"${left#?}"}; left=${left#?} ;; esac
		[ -n "$left" ] || bad
		letter=${left%"${left#?}"}
		left=${left#?}
		datum "$letter"
		precision=${prec:+.$prec}
		case ${out:-$default} in
		D) form=d ;;
		O) form=o ;;
		U) form=u ;;
		X) form=x ;;
		*) form=s ;;
		esac
		# shellcheck disable=SC2059
		line=$line$(printf "%$flags$width$precision$form." "$data")
		line=${line%.}
	done
}

code=0 number=0 terse='%f %u %g %U %G %s %b %o %h %i %d %t %T %.9X %.9Y %.9Z %.9W %A'
[ $# -gt 0 ] || { set -- /dev/fd/0; follow=-L; }
for file do
	number=$((number + 1))
	# shellcheck disable=SC2046
	if ! facts=$("$real" $follow --printf "$terse" -- "$file" 2>/dev/null) && ! { [ -n "$follow" ] && facts=$("$real" --printf "$terse" -- "$file" 2>/dev/null); }; then
		code=1
		[ -n "$quiet" ] || {
			why=$("$real" -- "$file" 2>&1 >/dev/null)
			printf '%s\n' "stat: $file: stat: ${why##*: }" >&2
		}
		continue
	fi
	read -r mode uid gid user group size blocks blksize links ino dev rmaj rmin atime mtime ctime btime modes <<-END
		$facts
	END
	mode=$((0x$mode)) rmaj=$((0x$rmaj)) rmin=$((0x$rmin))
	line=''
	show "$format"
	case $line in *'
') nonl_here=1 ;; *) nonl_here=$nonl ;; esac
	if [ -n "$nonl_here" ]; then printf '%s' "$line"; else printf '%s\n' "$line"; fi
done
exit $code
