/** Examples for the rules, as small as keepalived.conf lets them be. */

interface Service {
  at?: string;
  protocol?: string;
  scheduler?: string;
  method?: string;
  more?: string;
  real?: string;
}

const indented = (text: string, by: number): string =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => `${' '.repeat(by)}${line}\n`)
    .join('');

/** A virtual server with one real server that is checked; `real` in its place. */
export function service({
  at = '192.0.2.100 80',
  protocol = 'protocol TCP',
  scheduler = 'lvs_sched wrr',
  method = 'lvs_method DR',
  more = '',
  real: reals = real('192.0.2.11 80'),
}: Service): string {
  return `virtual_server ${at} {\n${[protocol, scheduler, method, more, reals].map((part) => indented(part, 4)).join('')}}\n`;
}

export function real(at: string, more = 'weight 1', check = 'TCP_CHECK { connect_timeout 3 }'): string {
  return `real_server ${at} {\n${indented(more, 4)}${indented(check, 4)}}\n`;
}

interface Instance {
  name?: string;
  state?: string;
  device?: string;
  id?: string;
  priority?: string;
  more?: string;
  addresses?: string;
}

/** A VRRP instance with one address. */
export function instance({
  name = 'shop',
  state = 'state BACKUP',
  device = 'interface eth0',
  id = 'virtual_router_id 51',
  priority = 'priority 100',
  more = '',
  addresses = '192.0.2.100',
}: Instance): string {
  const said = [state, device, id, priority, more, `virtual_ipaddress {\n${indented(addresses, 4)}}\n`];
  return `vrrp_instance ${name} {\n${said.map((part) => indented(part, 4)).join('')}}\n`;
}
