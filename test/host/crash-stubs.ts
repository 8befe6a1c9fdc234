/** Tools without their kernel: shell, with the state in files of $LVSCTL_ROOT (the disk) and $CRASH/live (memory). */
export const STUBS: Readonly<Record<string, string>> = {
  sync: 'exit 0',
  chown: 'exit 0',
  // What waits a second in earnest waits less here.
  sleep: 'case $1 in 1) exec /bin/sleep 0.05 ;; *) exec /bin/sleep 0.02 ;; esac',
  'systemd-run': `
while [ "\${1#-}" != "$1" ]; do shift; done
CRASH_ROLE=guard
PATH=$CRASH_TOOLS:$PATH
export CRASH_ROLE PATH
setsid "$@" </dev/null >/dev/null 2>&1 3>&- &
echo $! >"$CRASH/guard.pid"
`,
  systemctl: `
words=
for word; do case $word in --*) ;; *) words="$words $word" ;; esac; done
set -- $words
units=$LVSCTL_ROOT/etc/systemd/system/multi-user.target.wants
active=$CRASH/live/active
runs() {
  mkdir -p "$active"
  cp "$LVSCTL_ROOT/etc/$1.conf" "$active/$1" || return 1
  if [ -e "$LVSCTL_ROOT/etc/$1.dropin" ]; then
    mkdir -p "$LVSCTL_ROOT/run/lvsctl/loaded"
    (cd "$LVSCTL_ROOT" && sha256sum "etc/$1.conf") >"$LVSCTL_ROOT/run/lvsctl/loaded/$1"
  fi
}
case $1 in
  # In one step: ln -f makes another name first, which a power cut would leave.
  enable) mkdir -p "$units" && { [ -L "$units/$2" ] || ln -s x "$units/$2"; } ;;
  disable) rm -f "$units/$2" ;;
  start) [ -e "$active/$2" ] || runs "$2" ;;
  stop) rm -f "$active/$2" ;;
  reload) [ -e "$active/$2" ] && runs "$2" ;;
  restart) runs "$2" ;;
  is-active) [ -e "$active/$2" ] ;;
  show) echo no ;;
esac
`,
  modprobe: `
case $1 in
  -d) ;;
  --show-depends) echo "insmod /lib/modules/6.1/$3.ko" ;;
  *) mkdir -p "$LVSCTL_ROOT/sys/module/$2" && echo 0 >"$LVSCTL_ROOT/sys/module/$2/refcnt" ;;
esac
`,
  rmmod: 'rm -r "$LVSCTL_ROOT/sys/module/$1"',
  getent: 'grep "^$2:" "$LVSCTL_ROOT/etc/passwd"',
  useradd: `
for name; do :; done
if grep -q "^$name:" "$LVSCTL_ROOT/etc/passwd"; then echo exists; exit 9; fi
echo "$name:x:999:999::/:/none" >>"$LVSCTL_ROOT/etc/passwd"
echo "$name:x:999:" >>"$LVSCTL_ROOT/etc/group"
`,
  userdel: `
grep -q "^$1:" "$LVSCTL_ROOT/etc/passwd" || exit 6
for base in passwd group; do
  grep -v "^$1:" "$LVSCTL_ROOT/etc/$base" >"$CRASH/$base" && cat "$CRASH/$base" >"$LVSCTL_ROOT/etc/$base"
done
`,
  setsebool: `
value=0
[ "$3" = off ] || value=1
mkdir -p "$LVSCTL_ROOT/var/lib/selinux/targeted/active" "$LVSCTL_ROOT/sys/fs/selinux/booleans"
echo "$2=$value" >"$LVSCTL_ROOT/var/lib/selinux/targeted/active/booleans.local"
echo "$value" >"$LVSCTL_ROOT/sys/fs/selinux/booleans/$2"
`,
  arptables: `
rules=$CRASH/live/arp
verb=$1
shift
mkdir -p "$CRASH/live"
touch "$rules"
case $verb in
  -I) { echo "$*"; cat "$rules"; } >"$rules.new" && mv "$rules.new" "$rules" ;;
  -D)
    grep -qxF -e "$*" "$rules" || exit 1
    first=1
    while IFS= read -r line; do
      if [ -n "$first" ] && [ "$line" = "$*" ]; then first=; else echo "$line"; fi
    done <"$rules" >"$rules.new"
    mv "$rules.new" "$rules"
    ;;
esac
`,
  nft: `
rules=$CRASH/live/nft
[ "$1" = -f ] || exit 1
mkdir -p "$CRASH/live"
touch "$rules"
cp "$rules" "$rules.new"
while IFS= read -r line; do
  case $line in
    'delete table '*) grep -v " \${line#delete table }" "$rules.new" >"$rules.next"; mv "$rules.next" "$rules.new" ;;
    *) grep -qxF -e "$line" "$rules.new" || echo "$line" >>"$rules.new" ;;
  esac
done <"$2"
mv "$rules.new" "$rules"
`,
  ipvsadm: `
verb=$1
shift
if [ "$verb" = --set ]; then mkdir -p "$CRASH/live"; echo "$*" >"$CRASH/live/timeouts"; exit; fi
service=$CRASH/live/ipvs/$1_$2
shift 2
case $verb in
  -A) [ ! -e "$service" ] || { echo 'Service already exists'; exit 1; }; mkdir -p "$service"; echo "$*" >"$service/def" ;;
  -E) [ -e "$service" ] || { echo 'No such service'; exit 1; }; echo "$*" >"$service/def" ;;
  -D) [ -e "$service" ] || { echo 'No such service'; exit 1; }; rm -r "$service" ;;
  -a | -e | -d)
    [ -e "$service" ] || { echo 'Service not defined: No such service'; exit 1; }
    real=$service/$2
    shift 2
    case $verb in
      -a) [ ! -e "$real" ] || { echo 'Destination already exists'; exit 1; }; echo "$*" >"$real" ;;
      -e) [ -e "$real" ] || { echo 'No such destination'; exit 1; }; echo "$*" >"$real" ;;
      -d) [ -e "$real" ] || { echo 'No such destination'; exit 1; }; rm "$real" ;;
    esac
    ;;
esac
`,
  // A device's profile: the keyfile with the UUID that is active there.
  nmcli: `
profiles=$LVSCTL_ROOT/etc/NetworkManager/system-connections
fill() {
  mkdir -p "$CRASH/live/addr" "$CRASH/live/nm"
  sed -n 's/^address[0-9]*=//p' "$1" >"$CRASH/live/addr/$2"
}
case "$*" in
  *'CON-UUID device show '*) cat "$CRASH/live/nm/\${5-$4}" 2>/dev/null ;;
  *'DBUS-PATH device show '*) echo "/dev/\${5-$4}" ;;
  *'connection up uuid '*)
    found=$(grep -lx "uuid=$6" "$profiles"/*) || exit 1
    fill "$found" "$8"
    echo "$6" >"$CRASH/live/nm/$8"
    ;;
  'connection show uuid '*) grep -qsx "uuid=$4" "$profiles"/* ;;
  'connection load '*)
    for active in "$CRASH"/live/nm/*; do
      [ -e "$active" ] || continue
      read -r uuid <"$active"
      if ! grep -qsx "uuid=$uuid" "$profiles"/*; then
        rm "$active"
        case $active in */lo) echo 127.0.0.1/8 >"$CRASH/live/addr/lo" ;; *) : >"$CRASH/live/addr/\${active##*/}" ;; esac
      fi
    done
    ;;
esac
`,
  busctl: `
profiles=$LVSCTL_ROOT/etc/NetworkManager/system-connections
for word; do case $word in /dev/*) device=\${word#/dev/} ;; esac; done
read -r uuid <"$CRASH/live/nm/$device" || exit 1
sed -n 's/^address[0-9]*=//p' $(grep -lx "uuid=$uuid" "$profiles"/*) >"$CRASH/live/addr/$device"
`,
  ip: `
net=$LVSCTL_ROOT/sys/class/net
case "$*" in
  '-o addr show dev '*) sed "s|.*|2: $5    inet & scope global $5|" "$CRASH/live/addr/$5" ;;
  'link del dev '*) [ -e "$net/$4" ] && rm -r "$net/$4" ;;
  'link add dev '*) mkdir -p "$net/$4" && echo "$8" >"$net/$4/x" ;;
  'neigh replace '*) mkdir -p "$CRASH/live/neigh" && echo "$5" >"$CRASH/live/neigh/$7_$3" ;;
  'neigh del '*) rm "$CRASH/live/neigh/$5_$3" ;;
  'neigh show '*) [ ! -e "$CRASH/live/neigh/$5_$3" ] || cat "$CRASH/live/neigh/$5_$3" ;;
esac
`,
};
