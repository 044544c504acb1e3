import { type BlockPlan, planBlock } from './block.ts';
import { beginCheck } from './check.ts';
import { findBlocks } from './container.ts';
import type { LzmaDecoder } from './lzma.ts';
import { decodeLzma2, lzma2Decoder } from './lzma2.ts';
import { X86Filter } from './x86-filter.ts';
import { XzInvalid } from './xz-invalid.ts';

export { isXz } from './container.ts';
export { XzInvalid } from './xz-invalid.ts';

/** What is filtered or checked between turns. */
const PIECE_BYTES = 1 << 21;

/** How {@link unxz} goes about it. */
export interface UnxzOptions {
  /** The most bytes that the file may have when decompressed. */
  readonly mostBytes: number;
  /** Awaited now and then, after at most 2 MiB, for others to run. The file must not change meanwhile. */
  readonly turn?: () => Promise<void>;
}

/** Decompresses an .xz file (version 1.2.1 of the format) of any number of streams and blocks that are packed with LZMA2,
 * alone or behind x86 filters, and checked with CRC-32, CRC-64 or not at all.
 * @throws {XzInvalid} it is damaged, needs what is not supported, or has more than `mostBytes`. Before the result is
 * allocated, the sizes in the index have been compared with those that the packed data have. */
export async function unxz(bytes: Uint8Array, options: UnxzOptions): Promise<Uint8Array<ArrayBuffer>> {
  const blocks = findBlocks(bytes);
  const plainBytes = blocks.reduce((sum, block) => sum + block.plainBytes, 0);
  if (plainBytes > options.mostBytes)
    throw new XzInvalid(`it has ${plainBytes} bytes when decompressed; ${options.mostBytes} are allowed`);
  // The plans are made once more below: those of a file that has nothing but blocks would take many times its size.
  for (const block of blocks) planBlock(bytes, block);
  const all = new Uint8Array(plainBytes);
  const decoder = lzma2Decoder();
  let at = 0;
  for (const block of blocks) {
    const target = all.subarray(at, at + block.plainBytes);
    await decodeBlock(decoder, planBlock(bytes, block), target, options.turn);
    at += block.plainBytes;
  }
  return all;
}

async function decodeBlock(
  decoder: LzmaDecoder,
  plan: BlockPlan,
  target: Uint8Array,
  turn?: () => Promise<void>,
): Promise<void> {
  await decodeLzma2(decoder, plan.data, target, plan.dictionaryBytes, turn);
  const filters = plan.x86Offsets.map((offset) => new X86Filter(target, offset));
  for (const filter of filters) await inPieces(target.length, turn, (_from, to) => filter.run(to));
  const check = beginCheck(plan.check);
  await inPieces(target.length, turn, (from, to) => check.add(target.subarray(from, to)));
  if (!check.matches(plan.storedCheck)) throw new XzInvalid('the check of a block does not match its bytes');
}

async function inPieces(
  length: number,
  turn: (() => Promise<void>) | undefined,
  work: (from: number, to: number) => void,
): Promise<void> {
  for (let from = 0; from < length; from += PIECE_BYTES) {
    if (turn) await turn();
    work(from, Math.min(length, from + PIECE_BYTES));
  }
}
