import { OutOfData } from '../../base/bytes.ts';
import { gunzip, isGzip } from '../../base/deflate.ts';
import { isXz, unxz, XzInvalid } from '../../base/xz/xz.ts';
import { BootImageInvalid } from './boot-image.ts';
import { isLinux, type Payload, payloadOf } from './linux.ts';

/** Bytes behind an xz file that say how much it holds. */
const SIZE_BYTES = 4;
/** What is thrown for damaged files. */
const DAMAGE = [OutOfData, BootImageInvalid, XzInvalid, TypeError, RangeError];

/**
 * Unpacks what a bzImage's own decompressor would, which takes the host a fraction of the time that it takes the guest.
 * @param turn lets others do what they have to do, every so often
 * @returns undefined: it is no bzImage, or one that is packed in another way or damaged, about which its decompressor knows more
 */
export async function unpackLinux(kernel: Uint8Array, turn?: () => Promise<void>): Promise<Uint8Array | undefined> {
  try {
    const payload = isLinux(kernel) ? payloadOf(kernel) : undefined;
    return payload && (await unpack(payload, turn));
  } catch (error) {
    if (DAMAGE.some((kind) => error instanceof kind)) return undefined;
    throw error;
  }
}

async function unpack({ bytes, mostBytes }: Payload, turn?: () => Promise<void>): Promise<Uint8Array | undefined> {
  if (isXz(bytes)) return await unxz(bytes.subarray(0, -SIZE_BYTES), { mostBytes, turn });
  return isGzip(bytes) ? await gunzip(bytes.slice(), mostBytes) : undefined;
}
