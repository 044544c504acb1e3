import { formatAddress, parseAddress } from '../base/ip-address.ts';
import type { HostForward } from '../host/node/forwards.ts';
import type { CableOptions } from '../net/cable.ts';
import { parseDestination, type Rule } from '../net/policy.ts';
import { MOST_BOOT_NAME_BYTES } from '../net/served-files.ts';
import type { NicModel } from '../vm/index.ts';
import { UsageError } from './errors.ts';
import { quote } from './values.ts';

/** What `--net` asks for. */
export type NetOption = { readonly kind: 'none' } | CardNetOption;

/** A card and what it is plugged into. */
export type CardNetOption = UserNetOption | SwitchNetOption | RemoteNetOption | TapNetOption;

/** A network card. */
interface CardOption {
  readonly model: NicModel;
  /** Its address, six bytes; absent: one is made up. */
  readonly mac?: Uint8Array;
  /** How bad its cable is; absent: as good as can be. */
  readonly cable?: CableOptions;
}

/** A folder whose files are handed out by TFTP and HTTP, and what machines are told to boot: one of them, or a URL. */
export interface BootOption {
  readonly tftp?: string;
  readonly bootFile?: string;
}

/** A card on a switch that machines of this host share. */
export interface SwitchNetOption extends CardOption, BootOption {
  readonly kind: 'switch';
  readonly name: string;
  /** Whether the switch leads out of this host. */
  readonly nat: boolean;
  /** How others join by WebSocket; absent: they cannot. */
  readonly web?: { readonly host?: string; readonly port: number };
  /** The file with the token that they must know; absent: it is random, and told. */
  readonly tokenFile?: string;
  /** Whose pages may join. */
  readonly origins?: readonly string[];
}

/** A card on a switch of another process that lets others join by WebSocket. */
export interface RemoteNetOption extends CardOption {
  readonly kind: 'ws';
  readonly url: string;
  /** The file with the token; absent: it is part of the URL. */
  readonly tokenFile?: string;
}

/** A card on a TAP interface of this host. */
export interface TapNetOption extends CardOption {
  readonly kind: 'tap';
  readonly interfaceName: string;
}

/** A card on a user-mode network of its own. */
export interface UserNetOption extends CardOption, BootOption {
  readonly kind: 'user';
  readonly forwards: readonly HostForward[];
  readonly restrict: boolean;
  /** Where the guest may go, the first rule that fits first. */
  readonly rules: readonly Rule[];
}

const OF_ALL = '[,model=MODEL][,mac=MAC][,loss=PERCENT][,delay=MILLISECONDS][,rate=MEGABITS]';
const OF_BOOT = '[,tftp=FOLDER][,bootfile=NAME|URL]';
const EXPECTED = {
  any: `none, user, switch:NAME, ws://HOST:PORT/TOKEN/ or tap:INTERFACE, with ${OF_ALL}`,
  user: `user[,hostfwd=tcp:[ADDRESS]:PORT-[ADDRESS]:PORT]…[,restrict][,allow=HOST[:PORT]]…[,deny=…]…${OF_BOOT}${OF_ALL}`,
  switch: `switch:NAME[,nat][,vlan=ID][,trunk=ID+ID…]${OF_BOOT}[,ws=[HOST:]PORT][,token=FILE][,origin=ORIGIN]…${OF_ALL}`,
  ws: `ws://HOST:PORT[/TOKEN/][,token=FILE]${OF_ALL}`,
  tap: `tap:INTERFACE${OF_ALL}`,
};
const FORWARD_EXPECTED = 'hostfwd=tcp:127.0.0.1:2222-:22, or udp, or unix:PATH-:22';
const RULE_EXPECTED =
  'an address, a range such as 10.0.0.0/8 or a name, and ports: deb.debian.org:80, [fd00::]/8:1-1024';
const DEFAULT_MODEL: NicModel = 'e1000';
/** Network cards there are. */
export const MODELS: readonly NicModel[] = ['virtio', 'e1000', 'rtl8139', 'ne2k'];
const MOST_PORT = 65535;
const MOST_VLAN = 4094;
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

/** Reads what stands behind `--net`. @throws {UsageError} */
export function parseNet(text: string): NetOption {
  if (text === 'none') return { kind: 'none' };
  const [what, ...words] = text.split(',');
  const model = DEFAULT_MODEL;
  const name = /^switch:([a-z][a-z0-9-]{0,62})$/i.exec(what)?.[1];
  if (name) return readWords<SwitchNetOption>({ kind: 'switch', name, model, nat: false }, words, readSwitchWord);
  const interfaceName = /^tap:([^\s/]{1,15})$/.exec(what)?.[1];
  if (interfaceName) return readWords<TapNetOption>({ kind: 'tap', interfaceName, model }, words);
  if (/^wss?:/.test(what) && URL.canParse(what)) {
    return readWords<RemoteNetOption>({ kind: 'ws', url: what, model }, words, readRemoteWord);
  }
  if (what !== 'user') throw new UsageError('--net', quote(text), EXPECTED.any);
  return readWords(DEFAULT_NET, words, readUserWord);
}

/** Adds to an option what words say. @param read what they mean for options of its kind; undefined: nothing */
function readWords<Option extends CardNetOption>(
  net: Option,
  words: readonly string[],
  read: (word: string, net: Option) => Partial<Option> | undefined = () => undefined,
): Option {
  let option = net;
  for (const word of words) {
    const meaning = readCardWord(word, option) ?? read(word, option);
    if (!meaning) throw new UsageError('--net', quote(word), EXPECTED[net.kind]);
    option = { ...option, ...meaning };
  }
  return option;
}

function readSwitchWord(word: string, net: SwitchNetOption): Partial<SwitchNetOption> | undefined {
  const [name, value] = splitWord(word);
  switch (name) {
    case 'nat':
      return word === name ? { nat: true } : undefined;
    case 'vlan':
    case 'trunk':
      return readVlanWord(name, value.split('+').map(Number), net);
    case 'ws':
      return readWebWord(value);
    case 'origin':
      return URL.canParse(value) ? { origins: [...(net.origins ?? []), new URL(value).origin] } : undefined;
    case 'token':
      return value === '' ? undefined : { tokenFile: value };
    default:
      return readBootWord(name, value);
  }
}

function readVlanWord(
  name: 'vlan' | 'trunk',
  ids: readonly number[],
  { cable }: CardOption,
): Partial<CardOption> | undefined {
  if (!ids.every((id) => Number.isInteger(id) && id >= 1 && id <= MOST_VLAN)) return undefined;
  if (name === 'trunk') return { cable: { ...cable, tagged: ids } };
  return ids.length === 1 ? { cable: { ...cable, vlan: ids[0] } } : undefined;
}

function readWebWord(value: string): Partial<SwitchNetOption> | undefined {
  const [, host, digits] = /^(?:(.+):)?(\d+)$/.exec(value) ?? [];
  const port = Number(digits);
  if (!(port <= MOST_PORT)) return undefined;
  return { web: { ...(host && { host: host.replace(/^\[|\]$/g, '') }), port } };
}

function readRemoteWord(word: string): Partial<RemoteNetOption> | undefined {
  const [name, value] = splitWord(word);
  return name === 'token' && value !== '' ? { tokenFile: value } : undefined;
}

function readBootWord(name: string, value: string): BootOption | undefined {
  if (name === 'tftp' && value !== '') return { tftp: value };
  const { length } = new TextEncoder().encode(value);
  return name === 'bootfile' && length >= 1 && length <= MOST_BOOT_NAME_BYTES ? { bootFile: value } : undefined;
}

function splitWord(word: string): [name: string, value: string] {
  const [, name = '', value = ''] = /^([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
  return [name, value];
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

function readUserWord(word: string, net: UserNetOption): Partial<UserNetOption> | undefined {
  const [name, value] = splitWord(word);
  switch (name) {
    case 'hostfwd':
      return { forwards: [...net.forwards, readForward(value)] };
    case 'allow':
    case 'deny':
      return { rules: [...net.rules, readRule(name, value)] };
    case 'restrict':
      return word === 'restrict' || value === 'on' ? { restrict: true } : undefined;
    default:
      return readBootWord(name, value);
  }
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
