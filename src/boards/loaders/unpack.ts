import { OutOfData } from '../../base/bytes.ts';
import { gunzip, isGzip } from '../../base/deflate.ts';
import { isXz, unxz, XzInvalid } from '../../base/xz/xz.ts';
import { BootImageInvalid } from './boot-image.ts';
import { isLinux, type Payload, payloadOf } from './linux.ts';

/** Bytes behind an xz file that say how much it holds. */
const SIZE_BYTES = 4;
/** What is thrown for damaged files. */
const DAMAGE = [OutOfData, BootImageInvalid, XzInvalid, TypeError, RangeError];

/** Keeps what was unpacked from run to run. */
export interface UnpackedStore {
  /** What a file holds: what is kept of it, else what `unpack` gives, which is kept, sooner or later, if that can be. */
  get(packed: Uint8Array, unpack: () => Promise<Uint8Array>): Promise<Uint8Array>;
}

/** How {@link unpackLinux} goes about it. */
export interface UnpackOptions {
  /** Lets others do what they have to do; awaited every so often. */
  readonly turn?: () => Promise<void>;
  /** Where that is kept which takes long; absent: nowhere. */
  readonly store?: UnpackedStore;
}

/**
 * Unpacks what a bzImage's own decompressor would, which takes the host a fraction of the time that it takes the guest.
 * @returns undefined: it is no bzImage, or one that is packed in another way or damaged, about which its decompressor knows more
 */
export async function unpackLinux(kernel: Uint8Array, options: UnpackOptions = {}): Promise<Uint8Array | undefined> {
  try {
    const payload = isLinux(kernel) ? payloadOf(kernel) : undefined;
    return payload && (await unpack(payload, options));
  } catch (error) {
    if (DAMAGE.some((kind) => error instanceof kind)) return undefined;
    throw error;
  }
}

async function unpack(payload: Payload, options: UnpackOptions): Promise<Uint8Array | undefined> {
  const { bytes, mostBytes } = payload;
  if (isXz(bytes)) return await unpackXz(bytes.subarray(0, -SIZE_BYTES), mostBytes, options);
  return isGzip(bytes) ? await gunzip(bytes.slice(), mostBytes) : undefined;
}

async function unpackXz(bytes: Uint8Array, mostBytes: number, { turn, store }: UnpackOptions) {
  const unpack = () => unxz(bytes, { mostBytes, turn });
  const unpacked = await (store?.get(bytes, unpack) ?? unpack());
  return unpacked.length <= mostBytes ? unpacked : undefined;
}
