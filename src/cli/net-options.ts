import type { NicModel } from '../vm/index.ts';
import { UsageError } from './errors.ts';
import { quote } from './values.ts';

/** What `--net` asks for. */
export type NetOption =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'user';
      readonly model: NicModel;
      readonly forwards: readonly HostForward[];
      readonly restrict: boolean;
    };

/** A port of the host that leads to one of the guest. */
export interface HostForward {
  readonly protocol: 'tcp' | 'udp';
  /** Where the host listens; empty for all addresses. */
  readonly hostAddress: string;
  readonly hostPort: number;
  /** Empty for the address that the guest is given. */
  readonly guestAddress: string;
  readonly guestPort: number;
}

const EXPECTED = 'none or user[,model=MODEL][,hostfwd=tcp:[ADDRESS]:PORT-[ADDRESS]:PORT]…[,restrict]';
const DEFAULT_MODEL: NicModel = 'e1000';
const MODELS: readonly NicModel[] = ['virtio', 'e1000', 'rtl8139', 'ne2k'];
const MOST_PORT = 65535;

/** The network of a machine that is told nothing of networks. */
export const DEFAULT_NET: NetOption = { kind: 'user', model: DEFAULT_MODEL, forwards: [], restrict: false };

/** Reads `none` or `user[,…]`. @throws {UsageError} */
export function parseNet(text: string): NetOption {
  if (text === 'none') return { kind: 'none' };
  const [kind, ...words] = text.split(',');
  if (kind?.startsWith('switch:'))
    throw new UsageError('--net', quote(text), 'none or user: switches are not supported by this version');
  if (kind !== 'user') throw new UsageError('--net', quote(text), EXPECTED);
  let net: Extract<NetOption, { kind: 'user' }> = { kind, model: DEFAULT_MODEL, forwards: [], restrict: false };
  for (const word of words) {
    const [, name, value] = /^([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === 'model') net = { ...net, model: readModel(value ?? '') };
    else if (name === 'hostfwd') net = { ...net, forwards: [...net.forwards, readForward(value ?? '')] };
    else if (word === 'restrict' || word === 'restrict=on') net = { ...net, restrict: true };
    else throw new UsageError('--net', quote(word), EXPECTED);
  }
  return net;
}

function readModel(value: string): NicModel {
  const model = MODELS.find((candidate) => candidate === value);
  if (model === undefined) throw new UsageError('--net', quote(`model=${value}`), `model=${MODELS.join(', ')}`);
  return model;
}

function readForward(value: string): HostForward {
  const [, protocol, hostAddress = '', hostPort, guestAddress = '', guestPort] =
    /^(tcp|udp):([^:]*|\[[^\]]*\]):(\d+)-([^:]*|\[[^\]]*\]):(\d+)$/.exec(value) ?? [];
  const ports = [Number(hostPort), Number(guestPort)];
  if ((protocol !== 'tcp' && protocol !== 'udp') || ports.some((port) => port > MOST_PORT)) {
    throw new UsageError('--net', quote(`hostfwd=${value}`), 'hostfwd=tcp:127.0.0.1:2222-:22');
  }
  return { protocol, hostAddress, hostPort: ports[0], guestAddress, guestPort: ports[1] };
}
