import { sh } from '../resources/sh.ts';

/**
 * Looking at a host of which no inventory tells: everything that decides what it does as a director or real server,
 * in one execution. A program of its own, so that observing what an inventory describes carries nothing of it.
 * Nothing is changed: what would load a module is asked only where that module is there already. What this user may
 * not read is told as `unread`. Text of `ip` in place of JSON: iproute2 before 4.10 and busybox have no other.
 * Shape of the answer: `src/observed/parse.ts`.
 */
export const CORE_LOOK = sh`
looked=$nl

# look_file PATH: what stands in it, or that it can't be read; nothing where there is none.
look_file() {
  case $looked in *"$nl$1$nl"*) return 0 ;; esac
  looked=$looked$1$nl
  if [ -f "$R$1" ]; then
    if [ -r "$R$1" ]; then
      frame file "$1"
      cat "$R$1"
    else frame unread "$1"
    fi
  elif [ -d "$R\${1%/*}" ] && [ ! -x "$R\${1%/*}" ]; then frame unread "$1"
  fi
}

# keepalived's configuration, and by their patterns the files that it includes.
look_keepalived() {
  text=$(grep -hs '^[^#]*=.*-\(f\|-use-file\)[ =]' "$R/etc/default/keepalived" "$R/etc/sysconfig/keepalived")
  case $text in
    *-use-file[\ =]*) text=\${text#*-use-file?} ;;
    *'-f '*) text=\${text#*-f } ;;
    *) text=/etc/keepalived/keepalived.conf ;;
  esac
  text=\${text%%[ \"\']*}
  frame keepalived
  printf '%s\n' "$text"
  for file in "$R/run/keepalived.pid" "$R/run/keepalived/keepalived.pid"; do
    if line_of "$file" && [ -d "$R/proc/$line" ]; then echo running; fi
  done
  queue=$text$nl
  count=0
  while [ -n "$queue" ] && [ "$count" -lt 500 ]; do
    path=\${queue%%"$nl"*}
    queue=\${queue#*"$nl"}
    case $looked in *"$nl$path$nl"*) continue ;; esac
    count=$((count + 1))
    look_file "$path"
    if [ ! -f "$R$path" ] || [ ! -r "$R$path" ]; then continue; fi
    text=$(grep -E '^[[:space:]]*include[rmwba]?[[:space:]]' "$R$path") || continue
    oldifs=$IFS
    IFS=$nl
    for line in $text; do
      IFS=$oldifs
      # shellcheck disable=SC2086
      set -- $line
      pattern=\${2-}
      pattern=\${pattern#\"}
      pattern=\${pattern%\"}
      case $pattern in
        '') continue ;;
        /*) ;;
        *) pattern=\${path%/*}/$pattern ;;
      esac
      # Names as they are without it: files that include each other by such ways would have no end.
      while :; do
        case $pattern in
          */./*) pattern=\${pattern%%/./*}/\${pattern#*/./} ;;
          */../*)
            text=\${pattern#*/../}
            pattern=\${pattern%%/../*}
            pattern=\${pattern%/*}/$text
            ;;
          *) break ;;
        esac
      done
      set +f
      for file in $R$pattern; do
        case $file in *"$nl"*) ;; *) queue=$queue\${file#"$R"}$nl ;; esac
      done
      set -f
    done
    IFS=$oldifs
  done
}

# Kernel parameters, those that files set at boot, and modules.
look_kernel() {
  cd "$R/proc/sys" || return 0
  set +f
  frame sysctls
  grep -s . ./net/ipv4/ip_forward ./net/ipv4/ip_nonlocal_bind ./net/ipv4/conf/*/* ./net/ipv4/vs/* \
    ./net/ipv6/conf/*/forwarding /dev/null
  cd "$R/" || return 0
  found=
  for name in ./etc/sysctl.d/*.conf ./run/sysctl.d/*.conf ./usr/local/lib/sysctl.d/*.conf ./usr/lib/sysctl.d/*.conf \
    ./etc/sysctl.conf; do
    if [ -e "$name" ]; then found=$found$name$nl; fi
  done
  frame boot-files
  printf '%s' "$found"
  frame boot
  grep -ns '^[^#;]' ./etc/sysctl.d/*.conf ./run/sysctl.d/*.conf ./usr/local/lib/sysctl.d/*.conf \
    ./usr/lib/sysctl.d/*.conf ./etc/sysctl.conf /dev/null
  frame modules-load
  grep -ns '^[^#;]' ./etc/modules ./etc/modules-load.d/*.conf ./run/modules-load.d/*.conf \
    ./usr/lib/modules-load.d/*.conf /dev/null
  set -f
  if [ -r ./proc/modules ]; then
    frame modules
    cut -d ' ' -f 1 ./proc/modules
  fi
  cd /
}

# An init script's links tell whether it is enabled: systemd says "generated" of its unit.
look_units() {
  [ -d "$R/run/systemd/system" ] || return 0
  frame units
  set +f
  for name in keepalived ipvsadm ldirectord; do
    for link in "$R"/etc/rc[2345].d/S[0-9][0-9]"$name"; do
      if [ -L "$link" ]; then echo "sysv $name"; break; fi
    done
  done
  set -f
  systemctl show -p Id,LoadState,ActiveState,UnitFileState keepalived.service ipvsadm.service ldirectord.service \
    NetworkManager.service systemd-networkd.service firewalld.service nftables.service 2>&1
}

look_network() {
  frame addr
  ip -o addr show 2>&1
  frame link
  ip -d -o link show 2>&1
  for family in 4 6; do
    frame route "$family"
    ip "-$family" route show 2>/dev/null
    frame rule "$family"
    ip "-$family" rule show 2>/dev/null
  done
  frame neighbour
  ip neigh show nud permanent 2>/dev/null
  if [ -d "$R/sys/module/fou" ]; then
    frame fou
    ip fou show 2>/dev/null
  fi
  if command -v ss >/dev/null; then
    frame listen
    ss -Hltun 2>/dev/null
  fi
}

main_look() {
  begin
  frame hello "$engine"
  facts_base
  facts_profiles
  facts_firewall
  frame user
  id -u
  look_network
  look_kernel
  look_units
  frame ipvs
  observe_ipvs 2>&1
  frame arptables
  observe_arptables 2>&1
  look_keepalived
  for file in /etc/sysconfig/ipvsadm /etc/sysconfig/ipvsadm-config /etc/ipvsadm.rules /etc/default/ipvsadm \
    /etc/ha.d/ldirectord.cf /etc/ldirectord.cf; do
    look_file "$file"
  done
  frame bye
  exit 0
}
`;
