# shellcheck shell=dash disable=SC2034
# One entry per BSD command: opts and long as in its getopt call (file_cmds-457.100.3,
# shell_cmds-326, text_cmds-195: macOS 15.4), the usage and its exit status, and where needed
#   map      BSD option=GNU option; an empty right side drops it (no meaning on the lab's filesystem)
#   digits   1: -N is accepted (obsolete head -5)
#   handler  handlers/<name>.sh does the work
#   permute  1: POSIXLY_CORRECT must not reach the program (it runs others)
case $name in
cp)
	opts=HLPRacfilNnprSsvXx status=64 map='c= N= S= X='
	usage='usage: cp [-R [-H | -L | -P]] [-f | -i | -n] [-aclpSsvXx] source_file target_file
       cp [-R [-H | -L | -P]] [-f | -i | -n] [-aclpSsvXx] source_file ... target_directory'
	;;
mv)
	opts=fhinv status=64 map='h=-T'
	usage='usage: mv [-f | -i | -n] [-hv] source target
       mv [-f | -i | -n] [-v] source ... directory'
	;;
rm)
	opts=dfiIPRrvWx status=64 map='P= W= x=--one-file-system'
	usage='usage: rm [-f | -i] [-dIPRrvWx] file ...
       unlink [--] file'
	;;
ln)
	opts=FLPfhinsvw map='F= h=-n w='
	usage='usage: ln [-s [-F] | -L | -P] [-f | -i] [-hnv] source_file [target_file]
       ln [-s [-F] | -L | -P] [-f | -i] [-hnv] source_file ... target_dir'
	;;
mkdir)
	opts=m:pv status=64
	usage='usage: mkdir [-pv] [-m mode] directory_name ...'
	;;
rmdir)
	opts=pv
	usage='usage: rmdir [-pv] directory ...'
	;;
chmod)
	opts=HLPRXfghorstuvwx handler=chmod map='H= L= P= h='
	usage='usage:	chmod [-fhv] [-R [-H | -L | -P]] [-a | +a | =a  [i][# [ n]]] mode|entry file ...
	chmod [-fhv] [-R [-H | -L | -P]] [-E | -C | -N | -i | -I] file ...'
	;;
chown)
	opts=HLPRfhnvx map='n= x='
	usage='usage: chown [-fhnvx] [-R [-H | -L | -P]] owner[:group] file ...
       chown [-fhnvx] [-R [-H | -L | -P]] :group file ...'
	;;
chgrp)
	opts=HLPRfhnvx map='n= x='
	usage='usage: chgrp [-fhnvx] [-R [-H | -L | -P]] group file ...'
	;;
touch)
	opts=A:acd:fhmr:t: handler=touch map='f='
	usage='usage: touch [-A [-][[hh]mm]SS] [-achm] [-r file] [-t [[CC]YY]MMDDhhmm[.SS]]
       [-d YYYY-MM-DDThh:mm:SS[.frac][tz]] file ...'
	;;
install)
	opts=B:bCcD:df:g:h:l:M:m:N:o:pSsT:Uv status=64
	map='B=-S c= D= f= h= l= M= N= S= T= U='
	usage='usage: install [-bCcpSsUv] [-f flags] [-g group] [-m mode] [-o owner]
               [-M log] [-D dest] [-h hash] [-T tags]
               [-B suffix] [-l linkflags] [-N dbdir]
               file1 file2
       install [-bCcpSsUv] [-f flags] [-g group] [-m mode] [-o owner]
               [-M log] [-D dest] [-h hash] [-T tags]
               [-B suffix] [-l linkflags] [-N dbdir]
               file1 ... fileN directory
       install -dU [-vU] [-g group] [-m mode] [-N dbdir] [-o owner]
               [-M log] [-D dest] [-h hash] [-T tags]
               directory ...'
	;;
ls)
	opts='@1ABCD:FGHILOPRSTUWXabcdefghiklmnopqrstuvwxy%,' long='color::'
	map='@= D=--time-style=+ G= I= O= P= T=time W= X= e= v= y= %= ,='
	usage='usage: ls [-@ABCFGHILOPRSTUWXabcdefghiklmnopqrstuvwxy1%,] [--color=when] [-D format] [file ...]'
	;;
cat)
	opts=belnstuv map='l='
	usage='usage: cat [-belnstuv] [file ...]'
	;;
head)
	opts=n:c: long='bytes: lines:' digits=1
	usage='usage: head [-n lines | -c bytes] [file ...]'
	;;
tail)
	opts=Fb:c:fn:qrv long='blocks: bytes: lines: quiet silent verbose' digits=1 handler=tail
	usage='usage: tail [-F | -f | -r] [-q] [-b # | -c # | -n #] [file ...]'
	;;
wc)
	opts=clmwL handler=wc
	usage='usage: wc [-Lclmw] [file ...]'
	;;
cut)
	opts=b:c:d:f:snw handler=cut
	usage='usage: cut -b list [-n] [file ...]
       cut -c list [file ...]
       cut -f list [-s] [-w | -d delim] [file ...]'
	;;
tr)
	opts=Ccdsu map='u='
	usage='usage: tr [-Ccsu] string1 string2
       tr [-Ccu] -d string1
       tr [-Ccu] -s string1
       tr [-Ccu] -ds string1 string2'
	;;
uniq)
	opts=D::cdif:s:u
	long='all-repeated:: count repeated skip-fields: ignore-case skip-chars: unique'
	usage='usage: uniq [-cdiu] [-D[septype]] [-f fields] [-s chars] [input [output]]'
	;;
sort)
	opts=bcCdfghik:Mmno:RrsS:t:T:uVz status=2
	long='batch-size: buffer-size: check:: compress-program: debug dictionary-order field-separator:
 files0-from: general-numeric-sort heapsort help human-numeric-sort ignore-leading-blanks ignore-case
 ignore-nonprinting key: merge mergesort mmap month-sort numeric-sort output: qsort radixsort
 random-sort random-source: reverse sort: stable temporary-directory: unique version version-sort
 zero-terminated'
	long=$(echo $long)
	usage='Usage: sort [-bcCdfigMmnrsuz] [-kPOS1[,POS2] ... ] [+POS1 [-POS2]] [-S memsize] [-T tmpdir] [-t separator] [-o outfile] [--batch-size size] [--files0-from file] [--heapsort] [--mergesort] [--radixsort] [--qsort] [--mmap] [--human-numeric-sort] [--version-sort] [--random-sort [--random-source file]] [--compress-program program] [file ...]'
	;;
grep | egrep | fgrep)
	opts=0123456789A:B:C:D:EFGHIJLMOSRUVXZabcd:e:f:hilm:nopqrsuvwxyz status=2
	map='J= M= O= S= X= Z= p= u='
	long='binary-files: help mmap line-buffered label: null color:: colour:: exclude: include: exclude-dir: include-dir: after-context: text before-context: byte-offset context:: count devices: directories: extended-regexp regexp: fixed-strings file: basic-regexp no-filename with-filename ignore-case bz2decompress files-with-matches files-without-match max-count: lzma line-number only-matching quiet silent recursive no-messages binary unix-byte-offsets invert-match version word-regexp line-regexp xz null-data decompress'
	usage="usage: $name [-abcdDEFGHhIiJLlMmnOopqRSsUVvwXxZz] [-A num] [-B num] [-C[num]]
	[-e pattern] [-f file] [--binary-files=value] [--color=when]
	[--context[=num]] [--directories=action] [--label] [--line-buffered]
	[--null] [pattern] [file ...]"
	case $name in
	egrep) real=$linux/grep; set -- -E "$@" ;;
	fgrep) real=$linux/grep; set -- -F "$@" ;;
	esac
	# BSD grep permutes its arguments, as GNU's does (getopt_long without '+').
	permute=1
	;;
sed)
	opts=EHI:ae:f:i:lnru handler=sed
	usage='usage: sed script [-EHalnru] [-i extension] [file ...]
	sed [-EHalnu] [-i extension] [-e script] ... [-f script_file] ... [file ...]'
	;;
find)
	opts=EHLPXdf:sx handler=find
	usage='usage: find [-H | -L | -P] [-EXdsx] [-f path] path ... [expression]
       find [-H | -L | -P] [-EXdsx] -f path [path ...] [expression]'
	;;
xargs)
	opts=0E:I:J:L:n:oP:pR:rS:s:tx permute=1 handler=xargs
	long='exit interactive max-args: max-chars: max-procs: no-run-if-empty null verbose'
	usage='usage: xargs [-0opt] [-E eofstr] [-I replstr [-R replacements] [-S replsize]]
             [-J replstr] [-L number] [-n number [-x]] [-P maxprocs]
             [-s size] [utility [argument ...]]'
	;;
env)
	opts=0C:iL:P:S:U:u:v permute=1 map='L= P= U='
	usage='usage: env [-0iv] [-C workdir] [-L|-U user[/class]] [-P utilpath] [-S string]
           [-u name] [name=value ...] [utility [argument ...]]'
	;;
stat)
	opts=f:FlLnqrst:x handler=stat
	usage='usage: stat [-FLnq] [-f format | -l | -r | -s | -x] [-t timefmt] [file ...]'
	;;
readlink)
	opts=fn handler=readlink
	usage='usage: readlink [-fn] [file ...]'
	;;
realpath)
	opts=q handler=realpath
	usage='usage: realpath [-q] [path ...]'
	;;
date)
	opts=f:I::jnRr:uv:z: handler=date
	usage='usage: date [-jnRu] [-I[date|hours|minutes|seconds|ns]] [-f input_fmt]
            [ -z output_zone ] [-r filename|seconds] [-v[+|-]val[y|m|w|d|H|M|S]]
            [[[[mm]dd]HH]MM[[cc]yy][.SS] | new_date] [+output_fmt]'
	;;
mktemp)
	opts=dp:qt:u handler=mktemp long='directory tmpdir:: quiet dry-run'
	usage='usage: mktemp [-d] [-p tmpdir] [-q] [-t prefix] [-u] template ...
       mktemp [-d] [-p tmpdir] [-q] [-u] -t prefix '
	;;
base64)
	opts=b:Ddhi:o:w: handler=base64 status=64
	long='decode break: breaks: input: output: wrap: help version'
	usage='Usage:	base64 [-Ddh] [-b num] [-i in_file] [-o out_file]
  -b, --break       break encoded output up into lines of length num
  -D, -d, --decode  decode input
  -h, --help        display this message
  -i, --input       input file (default: "-" for stdin)
  -o, --output      output file (default: "-" for stdout)'
	;;
md5 | sha1 | sha224 | sha256 | sha384 | sha512)
	opts=bc:pqrs:tx handler=digest
	long='check: passthrough quiet reverse string: time-trial self-test'
	usage="usage: $name [-pqrtx] [-c string] [-s string] [files ...]"
	;;
du)
	opts=AB:HI:LPasd:cghklmnrt:x status=64 map='A=--apparent-size I=--exclude= g=-BG n= r='
	long=si
	usage='usage: du [-Aclnx] [-H | -L | -P] [-g | -h | -k | -m] [-a | -s | -d depth] [-B blocksize] [-I mask] [-t threshold] [file ...]'
	;;
df)
	opts=abcgHhIiklmnPT:tY, status=64 long=si handler=df
	usage='usage: df [--libxo] [-b | -g | -H | -h | -k | -m | -P] [-acIiln%sY] [-,] [-T type]
          [file | filesystem ...]'
	;;
ps)
	opts=AaCcdEefG:g:hjLlMmO:o:p:rSTt:U:u:vwXx handler=ps
	usage='usage: ps [-AaCcEefhjlMmrSTvwXx] [-O fmt | -o fmt] [-G gid[,gid...]]
          [-g grp[,grp...]] [-u [uid,uid...]]
          [-p pid[,pid...]] [-t tty[,tty...]] [-U user[,user...]]
       ps [-L]'
	;;
id)
	opts=AFPGagnpru handler=id
	usage='usage: id [user]
       id -A
       id -F [user]
       id -G [-n] [user]
       id -P [user]
       id -g [-nr] [user]
       id -p [user]
       id -u [-nr] [user]'
	;;
uname)
	opts=amnoprsv handler=uname
	usage='usage: uname [-amnoprsv]'
	;;
hostname)
	opts=fsd
	usage='usage: hostname [-f] [-s | -d] [name-of-host]'
	;;
basename)
	opts=as:
	usage='usage: basename string [suffix]
       basename [-a] [-s suffix] string [...]'
	;;
dirname) usage='usage: dirname string [...]' ;;
tee)
	opts=ai
	usage='usage: tee [-ai] [file ...]'
	;;
comm)
	opts=123i
	usage='usage: comm [-123i] file1 file2'
	;;
paste)
	opts=d:s
	usage='usage: paste [-s] [-d delimiters] file ...'
	;;
truncate)
	opts=cdr:s:o:l:
	usage='usage: truncate [-c] -s [+|-|%|/]size[K|k|M|m|G|g|T|t] file ...
       truncate [-c] -r rfile file ...'
	;;
ping)
	opts=AaC:c:Ddfg:G:h:I:i:k:K:l:M:m:nop:QqRrS:s:T:t:vW:z: status=64
	map='a=-a C= D=-Mdo G= K= T=-t k= h= o=-c1 t=-w W=-W'
	handler=ping
	usage='usage: ping [-AaDdfnoQqRrv] [-c count] [-G sweepmaxsize]
            [-g sweepminsize] [-h sweepincrsize] [-i wait]
            [-l preload] [-M mask | time] [-m ttl] [-p pattern]
            [-S src_addr] [-s packetsize] [-t timeout][-W waittime]
            [-z tos] host'
	;;
nc)
	opts=46AacDCb:dEFG:H:hI:iJ:j:klm:nN:oO:P:p:rs:T:tUuvw:X:x:z handler=nc real=$linux/nc.openbsd
	usage='usage: nc [-46AacCDdEFhklMnOortUuvz] [-K tc] [-b boundif] [-i interval] [-p source_port]
	  [--apple-delegate-pid pid] [--apple-delegate-uuid uuid]
	  [-s source_ip_address] [-w timeout] [-X proxy_version]
	  [-x proxy_address[:port]] [hostname] [port[s]]'
	;;
tar) handler=tar ;;
*)
	printf '%s\n' "$name: not in the lab's BSD table" >&2
	exit 127
	;;
esac
