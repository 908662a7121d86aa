#!/bin/sh
# Loads the keep's pf anchor and sees that pf enforces it. Run by root at boot and at each converge.
# Only when all of it holds does it leave the stamp without which no guest starts.
set -eu
PATH=/usr/bin:/bin:/usr/sbin:/sbin
anchor=com.apple/000.clawkeep
rules=/opt/clawkeep/etc/anchor.conf
run=/var/run/clawkeep

fail() { echo "load-anchor: $1" >&2; rm -f "$run/anchor-loaded"; exit 1; }

mkdir -p "$run"; chmod 755 "$run"
[ -s "$rules" ] || fail "$rules is missing"
/sbin/pfctl -n -a "$anchor" -f "$rules" 2>/dev/null || fail "$rules does not parse: $(/sbin/pfctl -n -a "$anchor" -f "$rules" 2>&1)"
/sbin/pfctl -a "$anchor" -f "$rules" 2>/dev/null || fail "pfctl did not load $rules"

# One reference of our own on pf, kept until reboot: each -E would leak another.
token=$(cat "$run/pf-token" 2>/dev/null || true)
if [ -z "$token" ] || ! /sbin/pfctl -s References 2>/dev/null | grep -q "$token"; then
  token=$(/sbin/pfctl -E 2>&1 | sed -n 's/^Token : *//p')
  [ -n "$token" ] || fail "pfctl -E gave no token"
  (umask 077; printf '%s\n' "$token" > "$run/pf-token")
fi
/sbin/pfctl -s info 2>/dev/null | grep -q '^Status: Enabled' || fail "pf is not enabled"
# Without this line in the main ruleset the anchor is never evaluated; scrub-anchor is another one.
/sbin/pfctl -sr 2>/dev/null | grep -q '^anchor "com\.apple/\*"' ||
  fail 'the main ruleset has lost anchor "com.apple/*"; run: sudo pfctl -f /etc/pf.conf, then restart the guests (they lose their NAT)'
date -u > "$run/anchor-loaded"
