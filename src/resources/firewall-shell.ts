import { sh } from './sh.ts';

/** What a host does to tell of its packet filter and to change it (firewall.ts). */
export const FIREWALL_SHELL = sh`
# Modules that came with our rules go when these are gone, those that something uses or that were there before aside. The
# module of a table counts as unused whatever rules are in it: only where there are none does it go.
op_firewall_modules() {
  [ -r "$R/var/lib/lvsctl/modules" ] && [ -r "$R/proc/modules" ] || return 0
  moved=1
  while [ -n "$moved" ]; do
    moved=
    unused=$(sed -n 's/^\(\(nf_\|nft_\|xt_\|ipt_\|ip6t_\|iptable_\|ip6table_\|ip_tables\|ip6_tables\|x_tables\|bpfilter\)[^ ]*\) [0-9]* 0 .*/\1/p' "$R/proc/modules")
    for module in $unused; do
      if grep -qxF "$module" "$R/var/lib/lvsctl/modules"; then continue; fi
      case $module in
        iptable_*) rules=$(iptables_of legacy 4 -save -t "\${module#iptable_}" 2>&1 | grep -v '^[#*:]\|^COMMIT') ;;
        ip6table_*) rules=$(iptables_of legacy 6 -save -t "\${module#ip6table_}" 2>&1 | grep -v '^[#*:]\|^COMMIT') ;;
        nf_tables) rules=$(nft list ruleset 2>&1) ;;
        *) rules= ;;
      esac
      if [ -z "$rules" ] && rmmod "$module" 2>/dev/null; then moved=1; fi
    done
  done
  return 0
}

# firewalld_call OBJECT INTERFACE METHOD SIGNATURE ARGUMENTS...: of the first two only what follows the common beginning.
firewalld_call() {
  object=/org/fedoraproject/FirewallD1$1
  interface=org.fedoraproject.FirewallD1$2
  shift 2
  busctl --json=short -- call org.fedoraproject.FirewallD1 "$object" "$interface" "$@" 2>&1
}

# Looking must change nothing: asking nft or iptables loads their modules, so they are asked only where these are loaded
# already, or where the kernel has them built in. A module of nftables' NAT stands for nftables as a whole: kernels
# have been seen that lack it for IPv4 and IPv6.
firewall_seen=
facts_firewall() {
  [ -z "$firewall_seen" ] || return 0
  firewall_seen=1
  notes=
  firewalld=
  if [ -e "$R/usr/sbin/firewalld" ] && systemctl --quiet is-active firewalld.service; then
    firewalld=1
    notes="firewalld$nl"
  fi
  line_of "$R/proc/sys/kernel/osrelease"
  modules=$R/lib/modules/$line/kernel/net/netfilter
  module=
  ready=no
  set +f
  for file in "$modules"/nf_tables.ko*; do [ -e "$file" ] && module=1; done
  for file in "$modules"/nft_chain_nat.ko*; do [ -e "$file" ] && ready=yes; done
  set -f
  rules=
  if command -v nft >/dev/null && { [ -z "$module" ] || [ -d "$R/sys/module/nf_tables" ]; }; then
    if [ -z "$firewalld" ]; then rules=$(nft -j -t list ruleset 2>/dev/null)
    else rules=$(nft -j list table inet lvsctl 2>/dev/null)
    fi
    if [ -z "$module" ]; then
      nft -c 'add table inet lvsctl_probe; add chain inet lvsctl_probe x { type nat hook postrouting priority 100; }' \
        2>/dev/null && ready=yes
    fi
  fi
  if [ -e "$R/proc/net/if_inet6" ]; then notes="\${notes}ipv6$nl"; fi
  if [ -n "\${SSH_CONNECTION-}" ]; then notes="\${notes}ssh \${SSH_CONNECTION##* }$nl"
  elif [ -n "\${SUDO_UID-}" ] && [ -r "/proc/$PPID/environ" ]; then
    line=$(tr '\0' '\n' <"/proc/$PPID/environ" | grep '^SSH_CONNECTION=')
    [ -z "$line" ] || notes="\${notes}ssh \${line##* }$nl"
  fi
  frame firewall
  printf '%snft %s\n' "$notes" "$ready"
  if [ -n "$rules" ]; then
    frame nft
    printf '%s\n' "$rules"
  fi
  if [ -n "$firewalld" ]; then
    frame firewalld
    firewalld_call '' '' getDefaultZone
    firewalld_call '' .zone getActiveZones
    return
  fi
  if line_of "$R/proc/net/ip_tables_names"; then frame iptables legacy 4; iptables_of legacy 4 -save; fi
  if line_of "$R/proc/net/ip6_tables_names"; then frame iptables legacy 6; iptables_of legacy 6 -save; fi
  case $rules in
    *'"INPUT"'* | *'"LVSCTL-'*)
      frame iptables nft 4
      iptables_of nft 4 -save
      frame iptables nft 6
      iptables_of nft 6 -save
      ;;
  esac
}

# iptables_of VARIANT FAMILY SUFFIX ARGUMENTS...: a host with one variant alone may have it under the plain name.
iptables_of() {
  program=iptables
  [ "$2" = 4 ] || program=ip6tables
  suffix=$3
  if command -v "$program-$1$suffix" >/dev/null; then program=$program-$1$suffix; else program=$program$suffix; fi
  shift 3
  "$program" "$@"
}

observe_firewall() {
  for want in $asked; do
    case $want in
      zone:*)
        want=\${want#zone:}
        echo "runtime rich $want $(firewalld_call '' .zone getRichRules s "$want")"
        path=$(firewalld_call /config .config getZoneByName s "$want")
        path=\${path##*/FirewallD1}
        echo "permanent rich $want $(firewalld_call "\${path%%\"*}" .config.zone getRichRules)"
        ;;
      direct)
        echo "runtime direct $(firewalld_call '' .direct getAllRules)"
        echo "permanent direct $(firewalld_call /config .config.direct getAllRules)"
        ;;
    esac
  done
  facts_firewall
}

# The whole script is one transaction: the kernel takes all of it or nothing (nft(8), -f).
op_firewall_nftables() {
  note_modules || [ -n "$back" ] || return 1
  if [ -n "$back" ]; then
    rm -f "$R/run/lvsctl/firewall"
    give nft -f /dev/stdin
    return
  fi
  mkdir -p "$R/run/lvsctl" && take "$R/run/lvsctl/firewall" || return 1
  nft -f "$R/run/lvsctl/firewall"
  status=$?
  rm -f "$R/run/lvsctl/firewall"
  return "$status"
}

# firewall_nftables_jump there|gone FAMILY TABLE CHAIN TARGET
op_firewall_nftables_jump() {
  handles=$(nft -a list chain "$2" "$3" "$4" | sed -n "s/^[[:space:]]*jump $5 # handle //p")
  if [ "$1" = there ]; then
    [ -n "$handles" ] || nft insert rule "$2" "$3" "$4" jump "$5"
    return
  fi
  for handle in $handles; do nft delete rule "$2" "$3" "$4" handle "$handle" || return 1; done
}

# firewall_iptables_jump there|gone VARIANT FAMILY TABLE FROM CHAIN
op_firewall_iptables_jump() {
  if [ "$1" = there ]; then
    iptables_of "$2" "$3" '' -w -t "$4" -C "$5" -j "$6" 2>/dev/null || iptables_of "$2" "$3" '' -w -t "$4" -I "$5" -j "$6"
  else
    while iptables_of "$2" "$3" '' -w -t "$4" -D "$5" -j "$6" 2>/dev/null; do :; done
  fi
}

# firewall_iptables VARIANT FAMILY: each table is one transaction; all are tried first.
op_firewall_iptables() {
  note_modules || [ -n "$back" ] || return 1
  if [ -n "$back" ]; then
    rm -f "$R/run/lvsctl/firewall"
    give iptables_of "$1" "$2" -restore -w --noflush
    return
  fi
  mkdir -p "$R/run/lvsctl" && take "$R/run/lvsctl/firewall" || return 1
  iptables_of "$1" "$2" -restore -w --noflush --test "$R/run/lvsctl/firewall" \
    && iptables_of "$1" "$2" -restore -w --noflush "$R/run/lvsctl/firewall"
  status=$?
  rm -f "$R/run/lvsctl/firewall"
  return "$status"
}

# firewall_firewalld add|remove runtime|permanent rich ZONE RULE, or direct FAMILY TABLE CHAIN WORDS...: over D-Bus,
# which takes a hundredth of what firewall-cmd does. Nothing is reloaded: that would end what only runs.
op_firewall_firewalld() {
  verb=$1
  scope=$2
  as=$3
  shift 3
  case "$scope $as" in
    'runtime rich') set -- '' .zone "\${verb}RichRule" "$@" ;;
    'permanent rich')
      path=$(firewalld_call /config .config getZoneByName s "$1")
      path=\${path##*/FirewallD1}
      set -- "\${path%%\"*}" .config.zone "\${verb}RichRule" "$2"
      ;;
    'runtime direct') set -- '' .direct "\${verb}Rule" "$@" ;;
    'permanent direct') set -- /config .config.direct "\${verb}Rule" "$@" ;;
  esac
  path=$1
  scope_of=$2
  method=$3
  shift 3
  case "$scope $as $verb" in
    'runtime rich add') set -- ssi "$1" "$2" 0 ;;
    'runtime rich remove') set -- ss "$1" "$2" ;;
    'permanent rich'*) set -- s "$1" ;;
    *)
      family=$1
      table=$2
      chain=$3
      shift 3
      set -- sssias "$family" "$table" "$chain" 0 $# "$@"
      ;;
  esac
  output=$(firewalld_call "$path" "$scope_of" "$method" "$@") && return 0
  case "$verb:$output" in
    add:*ALREADY_ENABLED* | remove:*NOT_ENABLED*) return 0 ;;
  esac
  printf '%s\n' "$output"
  return 1
}

# The elements of a configuration of firewalld, whatever their order and indentation; it writes those of its own files anew.
elements_of() {
  tr -d '\n' <"$1" | sed 's/<?[^>]*?>//; s/>[[:space:]]*</>\n</g' | sort
}

# firewall_tidy ZONE...: when none of our rules is left, neither is a file that says no more than the distribution's, nor
# firewalld's copy of the file with our rules in it.
op_firewall_tidy() {
  for zone; do
    file=$R/etc/firewalld/zones/$zone.xml
    theirs=$R/usr/lib/firewalld/zones/$zone.xml
    if [ -e "$file" ] && [ -e "$theirs" ] && [ "$(elements_of "$file")" = "$(elements_of "$theirs")" ]; then rm -f "$file"; fi
    if grep -q 'priority="-8848"' "$file.old" 2>/dev/null; then rm -f "$file.old"; fi
  done
  file=$R/etc/firewalld/direct.xml
  if [ -e "$file" ] && ! grep -Eq '<(rule|chain|passthrough)[ >]' "$file"; then rm -f "$file"; fi
  if grep -q 'comment lvsctl' "$file.old" 2>/dev/null; then rm -f "$file.old"; fi
}
`;
