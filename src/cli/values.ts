import { fromHex, toHex } from '../base/hex.ts';
import type { SocketAddress } from '../host/node/listen.ts';
import { UsageError } from './errors.ts';

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 2 ** 20, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** What the system takes as a socket's path, without the NUL behind it (unix(7)). */
export const MOST_SOCKET_PATH_BYTES = 107;

/** Where a serial line leads to; `web`: the page that shows the screen. */
export type SerialTarget =
  | { readonly kind: 'stdio' }
  | { readonly kind: 'web' }
  | { readonly kind: 'none' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'unix'; readonly path: string };

/** Bytes from a size such as `512M`, `1.5G` or `64k`; a bare number is MiB. */
export function parseSize(option: string, text: string): number {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([kmgt])?(?:i?b)?$/i.exec(text) ?? [];
  const bytes = Number(digits) * (SIZE_UNITS[unit.toLowerCase()] ?? Number.NaN);
  if (!Number.isSafeInteger(bytes)) throw new UsageError(option, quote(text), 'a size such as 512M or 2G');
  return bytes;
}

/** A size as {@link parseSize} reads it, in the largest unit that says it exactly or with one decimal. */
export function formatSize(bytes: number): string {
  for (const unit of ['T', 'G', 'M', 'K']) {
    const value = bytes / (SIZE_UNITS[unit.toLowerCase()] ?? 1);
    if (value >= 1) return `${Number.isInteger(value) ? value : value.toFixed(1)}${unit}`;
  }
  return `${bytes} bytes`;
}

/** An unsigned integer up to `max`, decimal or with 0x hexadecimal. */
export function parseInteger(option: string, text: string, max: bigint): bigint {
  const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? BigInt(text) : -1n;
  if (value < 0n || value > max) throw new UsageError(option, quote(text), `a number from 0 to ${max}`);
  return value;
}

/** Milliseconds from a number of seconds above zero. */
export function parseSeconds(option: string, text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  const millis = seconds * 1000;
  if (!(millis > 0 && millis < 2 ** 31)) throw new UsageError(option, quote(text), 'a number of seconds above 0');
  return millis;
}

/** One of a few words. */
export function parseWord<Word extends string>(option: string, text: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === text);
  if (word === undefined) throw new UsageError(option, quote(text), words.join(' or '));
  return word;
}

/** `stdio`, `none`, `file:F` or `unix:PATH`. */
export function parseSerial(option: string, text: string): SerialTarget {
  if (text === 'stdio' || text === 'none') return { kind: text };
  const [, kind, path] = /^(file|unix):(.+)$/.exec(text) ?? [];
  if ((kind === 'file' || kind === 'unix') && path !== undefined) return { kind, path };
  throw new UsageError(option, quote(text), 'stdio, file:FILE, unix:PATH or none');
}

/** `unix:PATH` or `tcp:HOST:PORT`; the words that make QEMU listen may follow, since here nothing else is done. */
export function parseSocketAddress(option: string, text: string): SocketAddress {
  const address = text.replace(/(,(server|nowait|server=on|wait=off))+$/, '');
  const path = /^unix:(.+)$/.exec(address)?.[1];
  if (path !== undefined) return { path };
  const [, host, port] = /^tcp:(.*):(\d+)$/.exec(address) ?? [];
  if (host === undefined || Number(port) > 65535) {
    throw new UsageError(option, quote(text), 'unix:PATH or tcp:HOST:PORT');
  }
  return { host: bareHost(host), port: Number(port) };
}

/** The name of a machine: letters, digits and hyphens, beginning with a letter. */
export function parseName(text: string, option = '--name'): string {
  if (/^[a-z][a-z0-9-]{0,62}$/i.test(text)) return text;
  throw new UsageError(option, quote(text), 'letters, digits and hyphens, beginning with a letter, 63 at most');
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A UUID: its 16 bytes in the order of the text. */
export function parseUuid(option: string, text: string): Uint8Array {
  const uuid = UUID.test(text) ? fromHex(text.replaceAll('-', '')) : undefined;
  if (uuid === undefined) throw new UsageError(option, quote(text), 'a UUID, as 8c1d4a52-0f3b-4e6c-9a7d-2b5e8f901c34');
  return uuid;
}

/** As {@link parseUuid} reads it. */
export function formatUuid(uuid: Uint8Array): string {
  return toHex(uuid).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Where debuggers connect, and whether the guest waits for one. */
export interface GdbOption {
  readonly address: SocketAddress;
  readonly wait: boolean;
}

/** An address as {@link parseSocketAddress} reads it, or HOST:PORT alone, with `,wait` behind it. */
export function parseGdb(option: string, text: string): GdbOption {
  const address = text.replace(/,wait$/, '');
  const named = /^(tcp|unix):/.test(address) ? address : `tcp:${address}`;
  return { address: parseSocketAddress(option, named), wait: address !== text };
}

/** Where the screen is shown. */
export type DisplayTarget =
  | { readonly kind: 'none' }
  | { readonly kind: 'web' }
  | { readonly kind: 'vnc'; readonly address: SocketAddress; readonly passwordFile?: string };

/** Where the guest's sound goes: a WAV file, or the page of --display web. */
export type AudioTarget = { readonly kind: 'wav'; readonly path: string } | { readonly kind: 'web' };

/** `none`, `web`, or `vnc:HOST:PORT`, with `,password-file=FILE` behind it. */
export function parseDisplay(option: string, text: string): DisplayTarget {
  if (text === 'none' || text === 'web') return { kind: text };
  const [, host, port, passwordFile] = /^vnc:(.*):(\d+)(?:,password-file=(.+))?$/.exec(text) ?? [];
  if (host === undefined || Number(port) > 65535) {
    throw new UsageError(option, quote(text), 'none, web or vnc:HOST:PORT[,password-file=FILE]');
  }
  return { kind: 'vnc', address: { host: bareHost(host), port: Number(port) }, passwordFile };
}

/** A host without the brackets of an IPv6 address; this one where none is named. */
function bareHost(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1';
}

/** A value as an error message shows it. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
