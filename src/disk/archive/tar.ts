import { ByteWriter } from '../../base/bytes.ts';
import { type ImageFile, ImageInvalid } from '../interfaces.ts';

// POSIX.1-2017, pax: "ustar Interchange Format", "pax Extended Header"; GNU tar manual, "Extensions to tar Archive Format".
// A library would hand out members as streams; disks in archives are read at any place, without a copy.

const BLOCK_BYTES = 512;
/** Archives of virtual machines have a handful of members. */
const MOST_MEMBERS = 1000;
const MOST_EXTENSION_BYTES = 1 << 20;
const LARGEST_OCTAL = 0o77777777777;
const FIELD = {
  name: [0, 100],
  size: [124, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 5],
  prefix: [345, 155],
} as const;
/** Kinds of members (type flags). */
const TYPE = {
  file: '0',
  oldFile: '\0',
  contiguous: '7',
  folder: '5',
  pax: 'x',
  paxGlobal: 'g',
  gnuName: 'L',
} as const;
const FILES: readonly string[] = [TYPE.file, TYPE.oldFile, TYPE.contiguous];
const EXTENSIONS: readonly string[] = [TYPE.pax, TYPE.paxGlobal, TYPE.gnuName];

/** A file in an archive. */
export interface TarMember {
  readonly name: string;
  /** Where its content begins in the archive. */
  readonly offset: number;
  readonly sizeBytes: number;
}

/** What an extended header says of the member behind it. */
interface Extension {
  readonly name?: string;
  readonly sizeBytes?: number;
}

/** Whether a file that begins with these bytes is a tar archive. */
export function isTar(start: Uint8Array): boolean {
  return start.length >= BLOCK_BYTES && textOf(start, FIELD.magic) === 'ustar';
}

/** Lists the files of a tar archive; folders are left out.
 * @throws {ImageInvalid} it is damaged, or has links or devices in it */
export async function readTar(file: ImageFile): Promise<TarMember[]> {
  const members: TarMember[] = [];
  let extension: Extension = {};
  for (let at = 0; at + BLOCK_BYTES <= file.sizeBytes; ) {
    const header = new Uint8Array(BLOCK_BYTES);
    await file.read(at, header);
    if (header.every((byte) => byte === 0)) break;
    const { type, ...found } = readHeader(file, header);
    const member = { ...found, ...extension, offset: at + BLOCK_BYTES };
    if (member.offset + member.sizeBytes > file.sizeBytes) throw damaged(file, `${shown(member.name)} is cut off`);
    at = member.offset + roundUp(member.sizeBytes);
    extension = EXTENSIONS.includes(type) ? await readExtension(file, type, member) : {};
    if (FILES.includes(type)) members.push(member);
    else if (type !== TYPE.folder && !EXTENSIONS.includes(type))
      throw damaged(file, `${shown(member.name)} is no file`);
    if (members.length > MOST_MEMBERS) throw damaged(file, `it has more than ${MOST_MEMBERS} files`);
  }
  return members;
}

function readHeader(file: ImageFile, header: Uint8Array) {
  if (!isTar(header)) throw damaged(file, 'a header is none of a tar archive');
  const blank = header.slice();
  const [at, length] = FIELD.checksum;
  blank.fill(0x20, at, at + length);
  const sum = blank.reduce((total, byte) => total + byte, 0);
  if (Number.parseInt(textOf(header, FIELD.checksum), 8) !== sum)
    throw damaged(file, 'the checksum of a header is wrong');
  const prefix = textOf(header, FIELD.prefix);
  const name = textOf(header, FIELD.name);
  const sizeBytes = readNumber(header, FIELD.size);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw damaged(file, `the size of ${shown(name)} is no size`);
  const type = String.fromCharCode(header[FIELD.type[0]]);
  return { name: prefix === '' ? name : `${prefix}/${name}`, sizeBytes, type };
}

/** Octal digits, or a binary number with the high bit set before it (GNU). */
function readNumber(header: Uint8Array, [at, length]: readonly [number, number]): number {
  if (!(header[at] & 0x80)) return Number.parseInt(textOf(header, [at, length]).trim() || '0', 8);
  return header.subarray(at + 1, at + length).reduce((value, byte) => value * 256 + byte, 0);
}

async function readExtension(file: ImageFile, type: string, member: TarMember): Promise<Extension> {
  if (member.sizeBytes > MOST_EXTENSION_BYTES) throw damaged(file, 'an extended header is too long');
  const bytes = new Uint8Array(member.sizeBytes);
  await file.read(member.offset, bytes);
  const text = new TextDecoder().decode(bytes);
  if (type === TYPE.gnuName) return { name: text.replace(/\0.*$/s, '') };
  if (type === TYPE.paxGlobal) return {};
  const records = [...text.matchAll(/^\d+ ([a-zA-Z.]+)=(.*)$/gm)].map(([, key, value]) => [key, value] as const);
  const { path, size } = Object.fromEntries(records) as Readonly<Record<string, string>>;
  const sizeBytes = Number(size);
  if (size !== undefined && !(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0)) throw damaged(file, 'a size is none');
  return { ...(path !== undefined && { name: path }), ...(size !== undefined && { sizeBytes }) };
}

function textOf(header: Uint8Array, [at, length]: readonly [number, number]): string {
  return new TextDecoder().decode(header.subarray(at, at + length)).replace(/\0.*$/s, '');
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 100));
}

function damaged(file: ImageFile, why: string): ImageInvalid {
  return new ImageInvalid(file.name, why);
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

/** The header of a file in an archive. @param name at most 100 ASCII characters  @param seconds when it was changed, since 1970 */
export function tarHeader(name: string, sizeBytes: number, seconds: number): Uint8Array {
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`;
  const fields = (checksum: string) => {
    const writer = new ByteWriter().text(name, 100).text(octal(0o644, 8)).text(octal(0, 8)).text(octal(0, 8));
    if (sizeBytes <= LARGEST_OCTAL) writer.text(octal(sizeBytes, 12));
    else writer.u8(0x80).append(bigEndian(sizeBytes, 11));
    return writer
      .text(octal(seconds, 12))
      .text(checksum, 8)
      .text(TYPE.file)
      .zeros(100)
      .text('ustar\x0000')
      .align(BLOCK_BYTES)
      .finish();
  };
  const sum = fields(' '.repeat(8)).reduce((total, byte) => total + byte, 0);
  return fields(`${octal(sum, 7)} `);
}

function bigEndian(value: number, length: number): number[] {
  return Array.from({ length }, (_, i) => Math.floor(value / 256 ** (length - 1 - i)) % 256);
}

/** How many bytes a file takes of an archive, with its header. */
export function tarMemberBytes(sizeBytes: number): number {
  return BLOCK_BYTES + roundUp(sizeBytes);
}

/** What follows the last file. */
export const TAR_END = new Uint8Array(2 * BLOCK_BYTES);
/** Where a file's content begins behind its header. */
export const TAR_HEADER_BYTES = BLOCK_BYTES;
