import { concatenate } from './bytes.ts';

/** Compresses bytes (RFC 1951). */
export function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return convert(new CompressionStream('deflate-raw'), bytes);
}

/** Undoes {@link deflate}. @throws {TypeError} the data is damaged */
export function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return convert(new DecompressionStream('deflate-raw'), bytes);
}

/** Whether bytes begin as a gzip file does (RFC 1952 section 2.3.1). */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8;
}

/** Unpacks a gzip file (RFC 1952). @throws {TypeError} it is damaged  @throws {RangeError} it holds more than `mostBytes` */
export function gunzip(bytes: Uint8Array<ArrayBuffer>, mostBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  return convert(new DecompressionStream('gzip'), bytes, mostBytes);
}

async function convert(
  stream: CompressionStream | DecompressionStream,
  bytes: Uint8Array<ArrayBuffer>,
  mostBytes = Number.POSITIVE_INFINITY,
) {
  const writer = stream.writable.getWriter();
  const [, converted] = await Promise.all([
    writer.write(bytes).then(() => writer.close()),
    collect(stream.readable.getReader(), mostBytes),
  ]);
  return converted;
}

interface Reader {
  read(): Promise<{ done: boolean; value?: Uint8Array }>;
  cancel(reason: unknown): Promise<void>;
}

async function collect(reader: Reader, mostBytes: number) {
  const parts: Uint8Array[] = [];
  let left = mostBytes;
  for (let part = await reader.read(); !part.done && part.value; part = await reader.read()) {
    left -= part.value.length;
    if (left < 0) {
      const tooMuch = new RangeError(`compressed data hold more than ${mostBytes} bytes`);
      await reader.cancel(tooMuch);
      throw tooMuch;
    }
    parts.push(part.value);
  }
  return concatenate(parts);
}
