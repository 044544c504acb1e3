const MAGIC = 0xfd2fb528;
const DICTIONARY_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const RLE_BLOCK = 1;
const BLOCK_HEADER_BYTES = 3;

/** Whether bytes begin with a Zstandard frame (RFC 8878, section 3.1.1). */
export function isZstd(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true) === MAGIC;
}

/** The length of the Zstandard frame that the bytes begin with (RFC 8878, section 3.1.1): decoders take what follows a
 * frame for another one.
 * @returns undefined when they begin with none, or with one that is cut off */
export function zstdFrameLength(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 5 || !isZstd(bytes)) return undefined;
  const descriptor = view.getUint8(4);
  let at = 5 + headerFieldBytes(descriptor);
  for (let last = false; !last; ) {
    if (at + BLOCK_HEADER_BYTES > bytes.length) return undefined;
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    last = (header & 1) !== 0;
    at += BLOCK_HEADER_BYTES + (((header >> 1) & 3) === RLE_BLOCK ? 1 : header >> 3);
  }
  const end = at + (descriptor & 4 ? 4 : 0);
  return end <= bytes.length ? end : undefined;
}

/** Window, dictionary and content size. */
function headerFieldBytes(descriptor: number): number {
  const oneSegment = (descriptor & 0x20) !== 0;
  const contentSize = CONTENT_SIZE_BYTES[descriptor >> 6] || (oneSegment ? 1 : 0);
  return (oneSegment ? 0 : 1) + (DICTIONARY_BYTES[descriptor & 3] ?? 0) + contentSize;
}
