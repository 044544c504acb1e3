import { OutOfData } from '../../base/bytes.ts';
import { gunzip, isGzip } from '../../base/deflate.ts';
import { isXz, unxz, XzInvalid } from '../../base/xz/xz.ts';
import { isZstd } from '../../base/zstd-frame.ts';
import { BootImageInvalid } from './boot-image.ts';
import { isLinux, type Payload, payloadOf } from './linux.ts';

/** Bytes behind a file other than gzip's that say how much it holds. */
const SIZE_BYTES = 4;
/** What is thrown for damaged files. */
const DAMAGE = [OutOfData, BootImageInvalid, XzInvalid, TypeError, RangeError];

/** Keeps what was unpacked from run to run. */
export interface UnpackedStore {
  /** What a file holds: what is kept of it, else what `unpack` gives, which is kept, sooner or later, if that can be. */
  get(packed: Uint8Array, unpack: () => Promise<Uint8Array>): Promise<Uint8Array>;
}

/** Decompresses a frame of zstd, what follows it being ignored. Rejects: it is damaged, or holds more than `mostBytes`. */
export type UnpackZstd = (bytes: Uint8Array, mostBytes: number) => Promise<Uint8Array>;

/** How {@link unpackLinux} goes about it. */
export interface UnpackOptions {
  /** Lets others do what they have to do; awaited every so often. */
  readonly turn?: () => Promise<void>;
  /** Where that is kept which takes long; absent: nowhere. */
  readonly store?: UnpackedStore;
  /** Decompresses zstd, which we have no decoder for; absent: the guest does. */
  readonly zstd?: UnpackZstd;
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

async function unpack({ bytes, mostBytes }: Payload, { turn, store, zstd }: UnpackOptions) {
  if (isGzip(bytes)) return await gunzip(bytes.slice(), mostBytes);
  const packed = bytes.subarray(0, -SIZE_BYTES);
  if (isZstd(packed)) return await zstd?.(packed, mostBytes).catch(() => undefined);
  if (!isXz(packed)) return undefined;
  const unpackNow = () => unxz(packed, { mostBytes, turn });
  const unpacked = await (store?.get(packed, unpackNow) ?? unpackNow());
  return unpacked.length <= mostBytes ? unpacked : await unpackNow(); // what was kept may be damaged
}
