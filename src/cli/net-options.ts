import { formatAddress, parseAddress } from '../base/ip-address.ts';
import type { HostForward } from '../host/node/forwards.ts';
import type { CableOptions } from '../net/cable.ts';
import { parseDestination, type Rule } from '../net/policy.ts';
import type { NicModel } from '../vm/index.ts';
import { UsageError } from './errors.ts';
import { quote } from './values.ts';

/** What `--net` asks for. */
export type NetOption = { readonly kind: 'none' } | UserNetOption | SwitchNetOption;

/** A network card. */
interface CardOption {
  readonly model: NicModel;
  /** Its address, six bytes; absent: one is made up. */
  readonly mac?: Uint8Array;
  /** How bad its cable is; absent: as good as can be. */
  readonly cable?: CableOptions;
}

/** A card on a switch that machines of this host share. */
export interface SwitchNetOption extends CardOption {
  readonly kind: 'switch';
  readonly name: string;
  /** Whether the switch leads out of this host. */
  readonly nat: boolean;
}

/** A card on a user-mode network of its own. */
export interface UserNetOption extends CardOption {
  readonly kind: 'user';
  readonly forwards: readonly HostForward[];
  readonly restrict: boolean;
  /** Where the guest may go, the first rule that fits first. */
  readonly rules: readonly Rule[];
  /** A folder whose files are handed out by TFTP, and which of them machines are told to boot. */
  readonly tftp?: string;
  readonly bootFile?: string;
}

const EXPECTED =
  'none, user[,model=MODEL][,mac=MAC][,hostfwd=tcp:[ADDRESS]:PORT-[ADDRESS]:PORT]…[,restrict][,allow=HOST[:PORT]]…' +
  '[,deny=…]…[,tftp=FOLDER][,bootfile=NAME], or switch:NAME[,model=…][,mac=…][,nat]; ' +
  'both with [,loss=PERCENT][,delay=MILLISECONDS][,rate=MEGABITS]';
const FORWARD_EXPECTED = 'hostfwd=tcp:127.0.0.1:2222-:22, or udp, or unix:PATH-:22';
const RULE_EXPECTED =
  'an address, a range such as 10.0.0.0/8 or a name, and ports: deb.debian.org:80, [fd00::]/8:1-1024';
const DEFAULT_MODEL: NicModel = 'e1000';
const MODELS: readonly NicModel[] = ['virtio', 'e1000', 'rtl8139', 'ne2k'];
const MOST_PORT = 65535;
const MOST_DELAY_MILLIS = 60_000;
const BYTES_IN_MEGABIT = 1e6 / 8;

/** The network of a machine that is told nothing of networks. */
export const DEFAULT_NET: UserNetOption = {
  kind: 'user',
  model: DEFAULT_MODEL,
  forwards: [],
  restrict: false,
  rules: [],
};

/** Reads `none` or `user[,…]`. @throws {UsageError} */
export function parseNet(text: string): NetOption {
  if (text === 'none') return { kind: 'none' };
  const [kind, ...words] = text.split(',');
  const name = /^switch:([a-z][a-z0-9-]{0,62})$/i.exec(kind)?.[1];
  if (name) return words.reduce(addSwitchWord, { kind: 'switch', name, model: DEFAULT_MODEL, nat: false });
  if (kind !== 'user') throw new UsageError('--net', quote(text), EXPECTED);
  return words.reduce(addWord, DEFAULT_NET);
}

function addSwitchWord(net: SwitchNetOption, word: string): SwitchNetOption {
  if (word === 'nat') return { ...net, nat: true };
  const card = readCardWord(word, net);
  if (card) return { ...net, ...card };
  throw new UsageError('--net', quote(word), EXPECTED);
}

/** The words of any card. */
function readCardWord(word: string, { cable }: CardOption): Partial<CardOption> | undefined {
  if (word.startsWith('model=')) return { model: readModel(word.slice('model='.length)) };
  const quality = readCableWord(word);
  if (quality) return { cable: { ...cable, ...quality } };
  const text = /^mac=([0-9a-f]{2}(?::[0-9a-f]{2}){5})$/i.exec(word)?.[1];
  const mac = text && Uint8Array.from(text.split(':'), (byte) => Number.parseInt(byte, 16));
  return mac && !(mac[0] & 1) ? { mac } : undefined;
}

function readCableWord(word: string): CableOptions | undefined {
  const [, name, digits] = /^(loss|delay|rate)=(\d+(?:\.\d+)?)%?$/.exec(word) ?? [];
  const value = Number(digits);
  if (name === 'loss' && value <= 100) return { loss: value / 100 };
  if (name === 'delay' && value <= MOST_DELAY_MILLIS) return { delayMillis: value };
  if (name === 'rate' && value > 0) return { bytesPerSecond: value * BYTES_IN_MEGABIT };
  return undefined;
}

function addWord(net: UserNetOption, word: string): UserNetOption {
  const [, name, value = ''] = /^([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
  const card = readCardWord(word, net);
  if (card) return { ...net, ...card };
  switch (name) {
    case 'tftp':
      if (value !== '') return { ...net, tftp: value };
      break;
    case 'bootfile':
      return { ...net, bootFile: value };
    case 'hostfwd':
      return { ...net, forwards: [...net.forwards, readForward(value)] };
    case 'allow':
    case 'deny':
      return { ...net, rules: [...net.rules, readRule(name, value)] };
    case 'restrict':
      if (word === 'restrict' || value === 'on') return { ...net, restrict: true };
  }
  throw new UsageError('--net', quote(word), EXPECTED);
}

function readModel(value: string): NicModel {
  const model = MODELS.find((candidate) => candidate === value);
  if (model === undefined) throw new UsageError('--net', quote(`model=${value}`), `model=${MODELS.join(', ')}`);
  return model;
}

function readForward(value: string): HostForward {
  const forward = /^unix:/.test(value) ? readUnixForward(value) : readPortForward(value);
  if (!forward) throw new UsageError('--net', quote(`hostfwd=${value}`), FORWARD_EXPECTED);
  return forward;
}

function readPortForward(value: string): HostForward | undefined {
  const [, protocol, host = '', hostPort, guest, guestPort] =
    /^(tcp|udp):([^:]*|\[[^\]]*\]):(\d+)-([^:]*|\[[^\]]*\]):(\d+)$/.exec(value) ?? [];
  const to = readGuestEnd(guest, guestPort);
  if ((protocol !== 'tcp' && protocol !== 'udp') || Number(hostPort) > MOST_PORT || !to) return undefined;
  return { protocol, from: { host: host.replace(/^\[|\]$/g, ''), port: Number(hostPort) }, ...to };
}

function readUnixForward(value: string): HostForward | undefined {
  const [, path, guest, guestPort] = /^unix:(.+)-([^:]*|\[[^\]]*\]):(\d+)$/.exec(value) ?? [];
  const to = readGuestEnd(guest, guestPort);
  return path && to ? { protocol: 'unix', from: { path }, ...to } : undefined;
}

function readGuestEnd(guest = '', port = ''): Pick<HostForward, 'guestAddress' | 'guestPort'> | undefined {
  const guestAddress = parseAddress(guest.replace(/^\[|\]$/g, ''));
  const guestPort = Number(port);
  if ((guest !== '' && !guestAddress) || !(guestPort >= 1 && guestPort <= MOST_PORT)) return undefined;
  return { guestAddress, guestPort };
}

function readRule(word: 'allow' | 'deny', value: string): Rule {
  const destination = parseDestination(value);
  if (!destination) throw new UsageError('--net', quote(`${word}=${value}`), `${word}= and ${RULE_EXPECTED}`);
  return { allows: word === 'allow', destination };
}

/** A forward as it is typed. */
export function formatForward({ protocol, from, guestAddress, guestPort }: HostForward): string {
  const host = 'path' in from ? from.path : `${from.host}:${from.port}`;
  return `${protocol}:${host}-${guestAddress ? formatAddress(guestAddress) : ''}:${guestPort}`;
}
