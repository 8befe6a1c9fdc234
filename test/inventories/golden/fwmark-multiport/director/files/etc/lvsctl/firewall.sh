# lvsctl manages this file: change the inventory, not this.
# Brings the rules of lvsctl into the packet filter. Rules of others are left as they are.
failed=0
nft -f /etc/lvsctl/firewall-traffic.nft || failed=1
exit "$failed"
