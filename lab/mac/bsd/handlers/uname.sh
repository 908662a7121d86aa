# shellcheck shell=dash
# Darwin 24.6.0 is macOS 15.6 and 15.7 on Apple silicon (VMAPPLE in a guest).
check "$@"
nodename=$("$linux/uname" -n)
soc=T6041 machine=${LAB_MACHINE:-/System/Lab/machine.json}
[ -r "$machine" ] && while read -r line || [ -n "$line" ]; do
	case $line in *\"role\":*\"guest\"*) soc=VMAPPLE ;; esac
done <"$machine"
version="Darwin Kernel Version 24.6.0: Mon Jul 14 11:30:29 PDT 2025; root:xnu-11417.140.69~1/RELEASE_ARM64_$soc"
flags=''
for arg do
	case $arg in -?*) flags="$flags${arg#-}" ;; esac
done
out=''
add() { out="$out${out:+ }$1"; }
case $flags in *a*) flags=mnrsv ;; esac
case ${flags:-s} in *s* | *o*) add Darwin ;; esac
case $flags in *n*) add "$nodename" ;; esac
case $flags in *r*) add 24.6.0 ;; esac
case $flags in *v*) add "$version" ;; esac
case $flags in *m*) add arm64 ;; esac
case $flags in *p*) add arm ;; esac
printf '%s\n' "$out"
exit 0
