import { type ImageFile, ImageInvalid } from '../interfaces.ts';
import { isIntact, type VhdxHeader } from './header.ts';
import { HEADER, SECTOR_BYTES } from './layout.ts';

/** Fields of a log entry (section 2.3.1). */
const ENTRY = { length: 8, tail: 12, sequence: 16, descriptors: 24, log: 32, bytes: 64 } as const;
const DESCRIPTOR_BYTES = 32;
const LEADING_BYTES = 8;
const TRAILING_BYTES = 4;

/** A change that an entry holds: zeros, or a sector's bytes. */
interface Change {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** An intact entry of the log. */
interface Entry {
  readonly at: number;
  readonly length: number;
  readonly tail: number;
  readonly sequence: bigint;
  readonly view: DataView;
}

/** The longest stretch of zeros that an entry is taken to mean. */
const MOST_ZEROS = 64 << 20;

/** The changes that the log holds and that the file may lack (section 2.3.2), in order; none where the log is empty.
 * @throws {ImageInvalid} an entry makes no sense */
export async function readLog(file: ImageFile, header: VhdxHeader): Promise<Change[]> {
  if (!header.hasLog || header.logBytes === 0) return [];
  const log = new Uint8Array(header.logBytes);
  await file.read(header.logOffset, log);
  const guid = header.bytes.subarray(HEADER.log, HEADER.log + 16);
  return newestSequence(log, guid).flatMap((entry) => changesOf(file, entry));
}

/** Makes the changes that the file lacks. @throws {ImageInvalid} it cannot be written, and would have to be */
export async function replay(file: ImageFile, changes: readonly Change[]): Promise<void> {
  for (const { offset, bytes } of changes) {
    const found = new Uint8Array(bytes.length);
    await file.read(offset, found);
    if (found.every((byte, i) => byte === bytes[i])) continue;
    if (file.readOnly)
      throw new ImageInvalid(file.name, 'its log has changes that were not made yet: open it for writing once');
    await file.write(offset, bytes);
  }
  if (changes.length > 0 && !file.readOnly) await file.flush();
}

/** Of all runs of entries with ascending numbers, the one that ends with the highest and holds its own beginning. */
function newestSequence(log: Uint8Array<ArrayBuffer>, guid: Uint8Array): Entry[] {
  const entries = new Map<number, Entry | undefined>();
  const entryAt = (at: number) => {
    if (!entries.has(at)) entries.set(at, parseEntry(log, at, guid));
    return entries.get(at);
  };
  let newest: Entry[] = [];
  for (let start = 0; start < log.length; start += SECTOR_BYTES) {
    const run: Entry[] = [];
    for (
      let entry = entryAt(start);
      entry && isNext(entry, run.at(-1));
      entry = entryAt((entry.at + entry.length) % log.length)
    )
      run.push(entry);
    const head = run.at(-1);
    const first = run.findIndex(({ at }) => at === head?.tail);
    if (head && first >= 0 && head.sequence > (newest.at(-1)?.sequence ?? -1n)) newest = run.slice(first);
  }
  return newest;
}

function isNext(entry: Entry, before: Entry | undefined): boolean {
  return before === undefined || entry.sequence === before.sequence + 1n;
}

function parseEntry(log: Uint8Array<ArrayBuffer>, at: number, guid: Uint8Array): Entry | undefined {
  const view = new DataView(log.buffer, at, ENTRY.bytes);
  if (view.getUint32(0) !== 0x6c6f6765) return undefined; // 'loge'
  const length = view.getUint32(ENTRY.length, true);
  const tail = view.getUint32(ENTRY.tail, true);
  if (length === 0 || length % SECTOR_BYTES !== 0 || length > log.length || tail % SECTOR_BYTES !== 0) return undefined;
  const bytes = Uint8Array.from({ length }, (_, i) => log[(at + i) % log.length]);
  const isOurs = guid.every((byte, i) => bytes[ENTRY.log + i] === byte);
  if (!isOurs || !isIntact(bytes)) return undefined;
  return { at, length, tail, sequence: view.getBigUint64(ENTRY.sequence, true), view: new DataView(bytes.buffer) };
}

function changesOf(file: ImageFile, { view, length }: Entry): Change[] {
  const count = view.getUint32(ENTRY.descriptors, true);
  const descriptorBytes = Math.ceil((ENTRY.bytes + count * DESCRIPTOR_BYTES) / SECTOR_BYTES) * SECTOR_BYTES;
  const damaged = () => new ImageInvalid(file.name, 'its log is damaged');
  if (descriptorBytes > length) throw damaged();
  let sector = descriptorBytes;
  return Array.from({ length: count }, (_, n) => {
    const at = ENTRY.bytes + n * DESCRIPTOR_BYTES;
    const offset = Number(view.getBigUint64(at + 16, true));
    if (!Number.isSafeInteger(offset)) throw damaged();
    if (view.getUint32(at) === 0x7a65726f) {
      const zeros = Number(view.getBigUint64(at + 8, true)); // 'zero'
      if (zeros > MOST_ZEROS) throw damaged();
      return { offset, bytes: new Uint8Array(zeros) };
    }
    if (view.getUint32(at) !== 0x64657363 || sector + SECTOR_BYTES > length) throw damaged(); // 'desc'
    const bytes = new Uint8Array(view.buffer.slice(sector, sector + SECTOR_BYTES));
    for (let i = 0; i < LEADING_BYTES; i++) bytes[i] = view.getUint8(at + 8 + i);
    for (let i = 0; i < TRAILING_BYTES; i++) bytes[SECTOR_BYTES - TRAILING_BYTES + i] = view.getUint8(at + 4 + i);
    sector += SECTOR_BYTES;
    return { offset, bytes };
  });
}
