# lvsctl manages this file: change the inventory, not this.
# Brings the rules of lvsctl into the packet filter. Rules of others are left as they are.
failed=0
{% for path in nft -%}
nft -f {{ path }} || failed=1
{% endfor -%}
{% for jump in nft_jumps -%}
nft list chain {{ jump.from }} | grep -q 'jump {{ jump.chain }}$' || nft insert rule {{ jump.from }} jump {{ jump.chain }} || failed=1
{% endfor -%}
{% for table in iptables -%}
program={{ table.program }}-{{ table.variant }}
command -v "$program" >/dev/null || program={{ table.program }}
"$program-restore" -w --noflush {{ table.path }} || failed=1
{% for jump in table.jumps -%}
"$program" -w -t {{ jump.table }} -C {{ jump.from }} -j {{ jump.chain }} 2>/dev/null || "$program" -w -t {{ jump.table }} -I {{ jump.from }} -j {{ jump.chain }} || failed=1
{% endfor -%}
{% endfor -%}
exit "$failed"
