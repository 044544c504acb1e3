import { ByteWriter, concatenate } from '../../base/bytes.ts';
import { both32, recordDate } from './iso-record.ts';
import type { FolderNode } from './tree.ts';

// IEEE P1281 (System Use Sharing Protocol) 1.12 and P1282 (Rock Ridge Interchange Protocol) 1.12.

const SECTOR_BYTES = 2048;
const CE_BYTES = 28;
/** What a name or a part of a link's target takes at most in one field. */
const LONGEST_PART = 240;
const IDENTIFIER = 'RRIP_1991A';
const DESCRIPTION = 'THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS';
const SOURCE =
  'PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE. SEE PUBLISHER IDENTIFIER IN PRIMARY VOLUME DESCRIPTOR FOR CONTACT INFORMATION.';
const TYPE_BITS = { file: 0o100000, folder: 0o040000, link: 0o120000 } as const;
const COMPONENT = { continues: 1, current: 2, parent: 4, root: 8 } as const;
const encoder = new TextEncoder();

/** System use fields that do not fit into their directory record, in sectors of their own. */
export class ContinuationArea {
  #bytes = new Uint8Array(0);
  /** Known when the place of everything is: 0 while sizes are found. */
  firstSector = 0;

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Begins anew, to be filled with the same fields in the same order. */
  clear(): void {
    this.#bytes = new Uint8Array(0);
  }

  /** Keeps fields. @returns the field that tells where they are */
  add(fields: readonly Uint8Array[]): Uint8Array {
    const content = concatenate(fields);
    const left = SECTOR_BYTES - (this.#bytes.length % SECTOR_BYTES);
    if (content.length > left) this.#bytes = concatenate([this.#bytes, new Uint8Array(left)]);
    const at = this.#bytes.length;
    this.#bytes = concatenate([this.#bytes, content]);
    const writer = new ByteWriter().text('CE').u8(CE_BYTES).u8(1);
    both32(writer, this.firstSector + Math.floor(at / SECTOR_BYTES));
    both32(writer, at % SECTOR_BYTES);
    both32(writer, content.length);
    return writer.finish();
  }
}

/** Which record of a directory the fields are for. */
export type RecordRole = 'root' | 'current' | 'parent' | 'child';

/** The system use fields of a record: permissions, times, name and target.
 * @param room bytes that the record has left for them */
export function systemUse(
  node: FolderNode,
  role: RecordRole,
  serial: number,
  room: number,
  area: ContinuationArea,
): Uint8Array {
  const fields = [posixAttributes(node, serial), timeStamps(node)];
  if (role === 'root') fields.unshift(field('SP', [0xbe, 0xef, 0]));
  if (role === 'child') fields.push(...names(node.name));
  if (role === 'child' && node.target !== undefined) fields.push(...symbolicLink(node.target));
  if (role === 'root') fields.push(extensionReference());
  const total = fields.reduce((sum, { length }) => sum + length, 0);
  if (total <= room) return concatenate(fields);
  return withContinuation(fields, room, area);
}

function withContinuation(fields: readonly Uint8Array[], room: number, area: ContinuationArea): Uint8Array {
  let [count, used] = [0, 0];
  while (used + (fields[count]?.length ?? 0) <= room - CE_BYTES) {
    used += fields[count]?.length ?? 0;
    count++;
  }
  return concatenate([...fields.slice(0, count), area.add(fields.slice(count))]);
}

function field(signature: string, content: ArrayLike<number>): Uint8Array {
  return new ByteWriter()
    .text(signature)
    .u8(4 + content.length)
    .u8(1)
    .append(content)
    .finish();
}

function posixAttributes({ kind, mode, children }: FolderNode, serial: number): Uint8Array {
  const links = kind === 'folder' ? 2 + children.filter((child) => child.kind === 'folder').length : 1;
  const writer = new ByteWriter();
  for (const value of [TYPE_BITS[kind] | (mode & 0o7777), links, 0, 0, serial]) both32(writer, value);
  return field('PX', writer.finish());
}

/** Modification, access and attribute change: flags 0Eh. */
function timeStamps({ modifiedMillis }: FolderNode): Uint8Array {
  const date = recordDate(modifiedMillis);
  return field('TF', [0x0e, ...date, ...date, ...date]);
}

function names(name: string): Uint8Array[] {
  const bytes = encoder.encode(name);
  const fields: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += LONGEST_PART) {
    const more = at + LONGEST_PART < bytes.length ? COMPONENT.continues : 0;
    fields.push(field('NM', [more, ...bytes.subarray(at, at + LONGEST_PART)]));
  }
  return fields;
}

function symbolicLink(target: string): Uint8Array[] {
  const components: number[][] = target.startsWith('/') ? [[COMPONENT.root, 0]] : [];
  for (const part of target.split('/').filter((text) => text !== '')) {
    if (part === '.') components.push([COMPONENT.current, 0]);
    else if (part === '..') components.push([COMPONENT.parent, 0]);
    else components.push(...componentsOf(encoder.encode(part)));
  }
  const groups: number[][] = [[]];
  for (const component of components) {
    if ((groups.at(-1)?.length ?? 0) + component.length > LONGEST_PART + 2) groups.push([]);
    groups.at(-1)?.push(...component);
  }
  return groups.map((group, i) => field('SL', [i + 1 < groups.length ? 1 : 0, ...group]));
}

function componentsOf(bytes: Uint8Array): number[][] {
  const parts: number[][] = [];
  for (let at = 0; at < bytes.length; at += LONGEST_PART) {
    const part = bytes.subarray(at, at + LONGEST_PART);
    parts.push([at + LONGEST_PART < bytes.length ? COMPONENT.continues : 0, part.length, ...part]);
  }
  return parts;
}

function extensionReference(): Uint8Array {
  const lengths = [IDENTIFIER.length, DESCRIPTION.length, SOURCE.length, 1];
  return field('ER', [...lengths, ...encoder.encode(IDENTIFIER + DESCRIPTION + SOURCE)]);
}
